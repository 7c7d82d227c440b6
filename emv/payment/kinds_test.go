package payment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
)

// The table is whole: each row says what the code needs to know, and no row contradicts
// itself.
func TestRules(t *testing.T) {
	names := map[string]payment.Kind{}
	for _, k := range payment.Kinds() {
		r := k.Rules()
		if other, taken := names[r.Name]; taken || r.Name == "" {
			t.Errorf("%d: name %q, which %v has too", k, r.Name, other)
		}
		names[r.Name] = k
		about := r.Original != payment.NoOriginal
		for what, wrong := range map[string]bool{
			"recovery, card or role is missing":   r.Unanswered == 0 || r.Card == 0 || r.Role == 0,
			"original without kinds, or reverse":  about != (len(r.Of) > 0),
			"goes up later, and is not repeated":  r.Forward && r.Unanswered != payment.Repeat,
			"no card, and no original in batch":   r.Card == payment.NoCard && r.Original != payment.InBatch,
			"bounded by an original that is none": !about && r.Bound != payment.AnyAmount && r.Bound != payment.NoAmount,
			"adjusts nothing":                     r.Adjusts && !about,
			"any original, and nothing wanted":    r.Original == payment.Typed && r.Wants == 0,
			"becomes what does not go up later":   r.Offline != 0 && !r.Offline.Rules().Forward,
			"credit without a supervisor":         r.Side == payment.Credit && r.Role != payment.Supervisor,
		} {
			if wrong {
				t.Errorf("%v: %s", k, what)
			}
		}
	}
	if payment.Kind(0).Valid() || payment.Kind(14).Valid() || !payment.Sale.CanBecome(payment.OfflineChip) || payment.Void.CanBecome(payment.OfflineChip) {
		t.Error("kinds that are none, or that become others")
	}
}

// till is a world with one payment of a kind made on it already.
func till(t *testing.T, policy payment.Policy, before ...payment.Order) (*world, payment.ID) {
	t.Helper()
	w := newWorld()
	s := scenario{name: "before", before: before, about: true, setup: func(w *world) { w.policy = policy }}
	order := s.prepare(t, w)
	return w, order.Original.ID
}

// An order that the rules forbid is a decline with a code of its own. Nothing is on disk
// of it, nothing is sent, and no card is asked for.
func TestRefusedOrders(t *testing.T) {
	sale, hold := saleOf(1200), ordered(payment.Preauth, 1000)
	tips := payment.Policy{TipPercent: 10, Manual: true, Stripe: true}
	typed := func(o payment.Order, number, expiry string) payment.Order {
		pan, err := emv.ParsePAN(number)
		if err != nil {
			t.Fatal(err)
		}
		o.Card = payment.TypedCard{PAN: pan, Expiry: expiry}
		return o
	}
	alone := func(o payment.Order) payment.Order { o.Supervisor = ""; return o }
	swiped := func(o payment.Order) payment.Order { o.Swipe = true; return o }
	foreign := func(o payment.Order) payment.Order { o.Amount.Currency = emv.EUR; return o }
	wrongRRN := func(o payment.Order) payment.Order { o.Original.RRN = "999999999999"; return o }
	tests := []struct {
		name   string
		policy payment.Policy
		before []payment.Order
		order  payment.Order
		id     payment.ID // zero for the last payment of before
		code   string
	}{
		{"void without a supervisor", tips, []payment.Order{sale}, alone(ordered(payment.Void, 0)), payment.ID{}, payment.CodeSupervisor},
		{"void of nothing", tips, nil, ordered(payment.Void, 100), payment.ID{}, payment.CodeNoOriginal},
		{"void of a payment that is not there", tips, nil, ordered(payment.Void, 100), payment.ID{Batch: 1, STAN: 77}, payment.CodeNoOriginal},
		{"void of another batch", tips, nil, ordered(payment.Void, 100), payment.ID{Batch: 2, STAN: 1}, payment.CodeNoOriginal},
		{"void of a pre-authorisation", tips, []payment.Order{hold}, ordered(payment.Void, 0), payment.ID{}, payment.CodeOriginal},
		{"void of another amount", tips, []payment.Order{sale}, ordered(payment.Void, 1199), payment.ID{}, payment.CodeAmount},
		{"void twice", tips, []payment.Order{sale, ordered(payment.Void, 0)}, ordered(payment.Void, 0), payment.ID{Batch: 1, STAN: 1}, payment.CodeUsed},
		{"void of an adjusted sale", tips, []payment.Order{sale, ordered(payment.TipAdjust, 1300)}, ordered(payment.Void, 0), payment.ID{Batch: 1, STAN: 1}, payment.CodeUsed},
		{"void of a void", tips, []payment.Order{sale, ordered(payment.Void, 0)}, ordered(payment.Void, 0), payment.ID{}, payment.CodeOriginal},
		{"refund of more than was paid", tips, []payment.Order{sale}, ordered(payment.Refund, 1201), payment.ID{}, payment.CodeAmount},
		{"refunds together of more than was paid", tips, []payment.Order{sale, ordered(payment.Refund, 700)}, ordered(payment.Refund, 501), payment.ID{Batch: 1, STAN: 1}, payment.CodeAmount},
		{"refund of a voided sale", tips, []payment.Order{sale, ordered(payment.Void, 0)}, ordered(payment.Refund, 100), payment.ID{Batch: 1, STAN: 1}, payment.CodeUsed},
		{"refund in another currency", tips, []payment.Order{sale}, foreign(ordered(payment.Refund, 100)), payment.ID{}, payment.CodeAmount},
		{"refund with another reference number", tips, []payment.Order{sale}, wrongRRN(ordered(payment.Refund, 100)), payment.ID{}, payment.CodeOriginal},
		{"refund of a payment that nobody knows", tips, nil, ordered(payment.Refund, 100), payment.ID{}, payment.CodeReference},
		{"completion above what may be completed", tips, []payment.Order{hold}, ordered(payment.Completion, 1151), payment.ID{}, payment.CodeAmount},
		{"completion twice", tips, []payment.Order{hold, ordered(payment.CompletionAdvice, 900)}, ordered(payment.Completion, 100), payment.ID{Batch: 1, STAN: 1}, payment.CodeUsed},
		{"completion of a voided pre-authorisation", tips, []payment.Order{hold, ordered(payment.PreauthVoid, 0)}, ordered(payment.Completion, 100), payment.ID{Batch: 1, STAN: 1}, payment.CodeUsed},
		{"pre-authorisation void without an amount or an original", tips, nil, ordered(payment.PreauthVoid, 0), payment.ID{}, payment.CodeAmount},
		{"tip too high", tips, []payment.Order{sale}, ordered(payment.TipAdjust, 1321), payment.ID{}, payment.CodeAmount},
		{"tip of nothing", tips, []payment.Order{sale}, ordered(payment.TipAdjust, 1200), payment.ID{}, payment.CodeAmount},
		{"tip twice", tips, []payment.Order{sale, ordered(payment.TipAdjust, 1300)}, ordered(payment.TipAdjust, 1310), payment.ID{Batch: 1, STAN: 1}, payment.CodeUsed},
		{"tips that are not taken", payment.Policy{}, []payment.Order{sale}, ordered(payment.TipAdjust, 1300), payment.ID{}, payment.CodeNotOffered},
		{"offline sale without a code from the telephone", tips, nil, ordered(payment.OfflineSale, 100), payment.ID{}, payment.CodeReference},
		{"a kind that is off", payment.Policy{Off: []payment.Kind{payment.Sale}}, nil, sale, payment.ID{}, payment.CodeNotOffered},
		{"typed where that is off", payment.Policy{}, nil, typed(sale, "4111111111111111", "3012"), payment.ID{}, payment.CodeManual},
		{"mistyped", tips, nil, typed(sale, "4111111111111112", "3012"), payment.ID{}, payment.CodeCardNumber},
		{"typed with a month that is none", tips, nil, typed(sale, "4111111111111111", "3013"), payment.ID{}, payment.CodeCardNumber},
		{"swiped where that is off", payment.Policy{}, nil, swiped(sale), payment.ID{}, payment.CodeNoStripe},
		{"swiped without a reader", tips, nil, swiped(sale), payment.ID{}, payment.CodeNoStripe},
		{"another card than the original's", tips, []payment.Order{hold}, typed(ordered(payment.Completion, 500), "4111111111111111", "3012"), payment.ID{}, payment.CodeOtherCard},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			policy := test.policy
			w, last := till(t, policy, test.before...)
			if test.order.Original.ID = test.id; test.id == (payment.ID{}) {
				test.order.Original.ID = last
			}
			records, charged := len(w.journal.recs), len(w.bank.charged)
			res, err, _ := w.pay(t, w.boot(t), test.order)
			if err != nil || res.Outcome != emv.Declined || res.Code != test.code || res.Record != nil || res.Why == "" {
				t.Errorf("got %v with %s (%s), %v; want declined with %s", res.Outcome, res.Code, res.Why, err, test.code)
			}
			if len(w.journal.recs) != records || len(w.bank.charged) != charged {
				t.Errorf("%d records, %d charges; %d and %d before", len(w.journal.recs), len(w.bank.charged), records, charged)
			}
		})
	}
}

// What is only just allowed is allowed, and the record says what messages and receipt need.
func TestAllowedOrders(t *testing.T) {
	sale, hold := saleOf(1200), ordered(payment.Preauth, 1000)
	policy := payment.Policy{TipPercent: 10}
	tests := []struct {
		name   string
		before []payment.Order
		order  payment.Order
		amount int64
		was    int64
		state  payment.State
	}{
		{"void takes the whole", []payment.Order{sale}, ordered(payment.Void, 0), 1200, 0, payment.Completed},
		{"refund of the rest", []payment.Order{sale}, ordered(payment.Refund, 1200), 1200, 0, payment.Completed},
		{"completion of 115 %", []payment.Order{hold}, ordered(payment.Completion, 1150), 1150, 0, payment.Completed},
		{"highest tip", []payment.Order{sale}, ordered(payment.TipAdjust, 1320), 1320, 1200, payment.Stored},
		{"tip as an amount of its own", []payment.Order{sale}, payment.Order{Kind: payment.TipAdjust, Tip: 50, Operator: "01"}, 1250, 1200, payment.Stored},
		{"adjustment of an offline sale that waits", []payment.Order{phone(900)}, ordered(payment.OfflineAdjust, 950), 950, 900, payment.Stored},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, id := till(t, policy, test.before...)
			test.order.Original.ID = id
			res, err, _ := w.pay(t, w.boot(t), test.order)
			if err != nil || res.Outcome != emv.Approved {
				t.Fatalf("%v %s (%s), %v", res.Outcome, res.Code, res.Why, err)
			}
			rec := res.Record
			if rec.Amount != yuan(test.amount) || rec.Before.Minor != test.was || rec.State != test.state {
				t.Errorf("amount %v, before %v, %v", rec.Amount, rec.Before, rec.State)
			}
			if rec.Original == nil || rec.Original.ID != id || rec.Original.AuthCode == "" {
				t.Errorf("original %+v", rec.Original)
			}
			if err := errors.Join(w.settle(t), w.audit()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A void that was declined or reversed uses nothing up; a completion that was voided
// leaves its pre-authorisation as it was.
func TestOriginalIsFreeAgain(t *testing.T) {
	w, id := till(t, payment.Policy{}, saleOf(1200))
	void := ordered(payment.Void, 0)
	void.Original.ID = id
	for _, host := range []mode{declines, swallows, unsent} {
		w.bank.sale = host
		if res, _, _ := w.pay(t, w.boot(t), void); res.Outcome != emv.Declined || res.Record == nil {
			t.Fatalf("host %s: %v %s", host, res.Outcome, res.Code)
		}
	}
	w.bank.sale = answers
	if res, err, _ := w.pay(t, w.boot(t), void); res.Outcome != emv.Approved {
		t.Errorf("void after three that failed: %s (%s), %v", res.Code, res.Why, err)
	}
	w, id = till(t, payment.Policy{}, ordered(payment.Preauth, 1000), ordered(payment.Completion, 1000), ordered(payment.CompletionVoid, 0))
	again := ordered(payment.Completion, 900)
	again.Original.ID = payment.ID{Batch: id.Batch, STAN: 1}
	if res, err, _ := w.pay(t, w.boot(t), again); res.Outcome != emv.Approved {
		t.Errorf("completion after one that was voided: %s (%s), %v", res.Code, res.Why, err)
	}
}

// archive has one payment of an old batch.
type archive struct{ rec *payment.Record }

func (a archive) Get(_ context.Context, id payment.ID) (*payment.Record, error) {
	if id != a.rec.ID {
		return nil, payment.ErrNoRecord
	}
	return a.rec, nil
}

// A refund may be of any day: by the archive, or by what is on the receipt.
func TestRefundOfAnotherDay(t *testing.T) {
	old := &payment.Record{
		ID: payment.ID{Batch: 3, STAN: 9}, Kind: payment.Sale, State: payment.Completed, Amount: yuan(1000),
		Masked: "627700******0017", Time: time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC),
		Answer: &payment.Answer{RRN: "111111111111", AuthCode: "222222", Time: "0701090001"},
	}
	w := newWorld()
	term := w.boot(t)
	term.Archive = archive{old}
	order := ordered(payment.Refund, 1001)
	order.Original.ID = old.ID
	if res, _, _ := w.pay(t, term, order); res.Code != payment.CodeAmount {
		t.Errorf("more than was paid: %s (%s)", res.Code, res.Why)
	}
	order.Amount = yuan(1000)
	res, err, _ := w.pay(t, term, order)
	want := payment.Original{ID: old.ID, RRN: "111111111111", AuthCode: "222222", Date: "0701"}
	if err != nil || res.Outcome != emv.Approved || *res.Record.Original != want {
		t.Errorf("from the archive: %v %s, %v, %+v", res.Outcome, res.Why, err, res.Record.Original)
	}
	order = ordered(payment.Refund, 5000)
	order.Original = payment.Original{RRN: "333333333333", Date: "0630"}
	if res, err, _ := w.pay(t, term, order); err != nil || res.Outcome != emv.Approved || *res.Record.Original != order.Original {
		t.Errorf("from the receipt: %v %s, %v", res.Outcome, res.Why, err)
	}
}

func TestVerdicts(t *testing.T) {
	for code, want := range map[string]payment.Verdict{
		"00": payment.Settled, "11": payment.Settled, "A2": payment.Settled, "A6": payment.Settled,
		"91": payment.NotNow, "96": payment.NotNow, "09": payment.NotNow, "68": payment.NotNow, "A0": payment.NotNow,
		"77": payment.NotNow, "99": payment.NotNow, "98": payment.NotNow,
		"51": payment.HostRefuse, "94": payment.HostRefuse, "25": payment.HostRefuse, "10": payment.HostRefuse,
		"ZZ": payment.HostRefuse, "": payment.HostRefuse,
	} {
		if got := payment.VerdictOf(code); got != want {
			t.Errorf("%q: %v, want %v", code, got, want)
		}
	}
}

// A balance inquiry tells the till, and leaves neither card number nor balance anywhere.
func TestBalance(t *testing.T) {
	w := newWorld()
	res, err, _ := w.pay(t, w.boot(t), ordered(payment.Balance, 0))
	if err != nil || res.Outcome != emv.Approved || res.Balance == nil || *res.Balance != 4200 {
		t.Fatalf("%v %s %v, balance %v", res.Outcome, res.Code, err, res.Balance)
	}
	if len(w.paper.slips) != 0 || strings.Contains(w.log.String(), "4200") {
		t.Errorf("printed %q, log %s", w.paper.slips, w.log.String())
	}
	if err := errors.Join(w.settle(t), w.audit()); err != nil {
		t.Error(err)
	}
	w.bank.sale = lost
	if res, _, _ = w.pay(t, w.boot(t), ordered(payment.Balance, 0)); res.Outcome != emv.Declined || res.Balance != nil || w.bank.reversals != 0 {
		t.Errorf("unanswered: %v, balance %v, %d reversals", res.Outcome, res.Balance, w.bank.reversals)
	}
}

// A journal or a disk that is full is told as such.
func TestFull(t *testing.T) {
	for cause, code := range map[error]string{payment.ErrFull: payment.CodeFull, payment.ErrNoSpace: payment.CodeNoSpace} {
		for _, where := range []string{"next", "begin"} {
			w := newWorld()
			w.wrapJournal = func(j payment.Journal) payment.Journal { return fullJournal{j, where, cause} }
			res, err, _ := w.sell(t, w.boot(t))
			if err != nil || res.Outcome != emv.Declined || res.Code != code || len(w.bank.charged) != 0 {
				t.Errorf("%v at %s: %v %s, %v", cause, where, res.Outcome, res.Code, err)
			}
		}
	}
}

type fullJournal struct {
	payment.Journal
	where string
	cause error
}

func (j fullJournal) Next(ctx context.Context) (payment.ID, error) {
	if j.where == "next" {
		return payment.ID{}, fmt.Errorf("journal: next: %w", j.cause)
	}
	return j.Journal.Next(ctx)
}

func (j fullJournal) Begin(context.Context, *payment.Record) error {
	return fmt.Errorf("journal: begin: %w", j.cause)
}
