package batch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
)

func record(stan uint32, kind payment.Kind, state payment.State, minor int64, of uint32) *payment.Record {
	rec := &payment.Record{
		ID: payment.ID{Batch: 41, STAN: stan}, Kind: kind, State: state,
		Amount: emv.Amount{Minor: minor, Currency: emv.CNY}, Masked: "627700******0017",
	}
	if of != 0 {
		rec.Original = &payment.Original{ID: payment.ID{Batch: 41, STAN: of}}
	}
	return rec
}

// What counts, and on which side.
func TestTotals(t *testing.T) {
	const done = payment.Completed
	rows := []struct {
		name string
		recs []*payment.Record
		want Totals
	}{
		{"sale", []*payment.Record{record(1, payment.Sale, done, 100, 0)}, Totals{Debit: Count{100, 1}}},
		{"sale and its void stand on both sides", []*payment.Record{record(1, payment.Sale, done, 100, 0), record(2, payment.Void, done, 100, 1)}, Totals{Count{100, 1}, Count{100, 1}}},
		{"refund", []*payment.Record{record(1, payment.Refund, done, 30, 0)}, Totals{Credit: Count{30, 1}}},
		{"completion and its void", []*payment.Record{record(1, payment.Completion, done, 70, 0), record(2, payment.CompletionVoid, done, 70, 1)}, Totals{Count{70, 1}, Count{70, 1}}},
		{"completion advice", []*payment.Record{record(1, payment.CompletionAdvice, done, 70, 0)}, Totals{Debit: Count{70, 1}}},
		{"offline chip", []*payment.Record{record(1, payment.OfflineChip, done, 9, 0)}, Totals{Debit: Count{9, 1}}},
		{"tip", []*payment.Record{record(1, payment.Sale, done, 100, 0), record(2, payment.TipAdjust, done, 115, 1)}, Totals{Debit: Count{115, 1}}},
		{"two tips: the last counts", []*payment.Record{record(1, payment.Sale, done, 100, 0), record(2, payment.TipAdjust, done, 115, 1), record(3, payment.TipAdjust, done, 110, 1)}, Totals{Debit: Count{110, 1}}},
		{"adjustment downwards", []*payment.Record{record(1, payment.OfflineSale, done, 100, 0), record(2, payment.OfflineAdjust, done, 80, 1)}, Totals{Debit: Count{80, 1}}},
		{"refused tip", []*payment.Record{record(1, payment.Sale, done, 100, 0), record(2, payment.TipAdjust, payment.Refused, 115, 1)}, Totals{Debit: Count{100, 1}}},
		{"adjustment of a refused sale", []*payment.Record{record(1, payment.OfflineSale, payment.Refused, 100, 0), record(2, payment.OfflineAdjust, done, 80, 1)}, Totals{}},
		{"declined", []*payment.Record{record(1, payment.Sale, payment.Declined, 100, 0)}, Totals{}},
		{"reversed", []*payment.Record{record(1, payment.Sale, payment.Reversed, 100, 0)}, Totals{}},
		{"resolved", []*payment.Record{record(1, payment.Sale, payment.Resolved, 100, 0)}, Totals{}},
		{"refused", []*payment.Record{record(1, payment.OfflineSale, payment.Refused, 100, 0)}, Totals{}},
		{"pre-authorisation and balance", []*payment.Record{record(1, payment.Preauth, done, 100, 0), record(2, payment.PreauthVoid, done, 100, 1), record(3, payment.Balance, done, 0, 0)}, Totals{}},
	}
	for _, row := range rows {
		c := newCount(UnionPay())
		for _, rec := range row.recs {
			c.add(rec)
		}
		if c.domestic != row.want || c.foreign != (Totals{}) {
			t.Errorf("%s: %+v %+v, want %+v", row.name, c.domestic, c.foreign, row.want)
		}
	}
}

func TestDomesticCards(t *testing.T) {
	rows := []struct {
		name, aid, masked string
		want              bool
	}{
		{"UnionPay chip", "\xA0\x00\x00\x03\x33\x01\x01\x01", "621234******0017", true},
		{"UnionPay chip with another scheme's number", "\xA0\x00\x00\x03\x33\x01\x01\x01", "476173******0010", true},
		{"UnionPay number from the stripe", "", "621234******0017", true},
		{"another scheme", "\xA0\x00\x00\x00\x03\x10\x10", "476173******0010", false},
		{"short number, which is masked from the start", "", "********0010", false},
	}
	for _, row := range rows {
		rec := &payment.Record{Masked: row.masked}
		rec.Facts.AID = []byte(row.aid)
		if got := UnionPay().Domestic(rec); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// A void has no card; it counts where its sale does.
func TestAVoidIsOfItsSalesClass(t *testing.T) {
	sale, void := record(1, payment.Sale, payment.Completed, 5, 0), record(2, payment.Void, payment.Completed, 5, 1)
	sale.Masked, void.Masked = "476173******0010", "476173******0010"
	sale.Facts.AID = []byte("\xA0\x00\x00\x03\x33\x01\x01\x01")
	c := newCount(UnionPay())
	c.add(sale)
	c.add(void)
	if want := (Totals{Count{5, 1}, Count{5, 1}}); c.domestic != want {
		t.Errorf("domestic %+v, foreign %+v", c.domestic, c.foreign)
	}
}

func TestDue(t *testing.T) {
	for _, row := range []struct {
		n, limit int
		want     bool
	}{{0, 500, false}, {499, 500, false}, {500, 500, true}, {998, 0, false}, {999, 0, true}, {999, 5000, true}} {
		if got := Due(row.n, row.limit); got != row.want {
			t.Errorf("Due(%d, %d) is %v", row.n, row.limit, got)
		}
	}
}

func TestNumbersThatFieldHasNoRoomForAreSentAs999(t *testing.T) {
	got := Totals{Count{5000, 1500}, Count{1, 2}}.wire()
	if want := (Totals{Count{5000, 999}, Count{1, 2}}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestAnEmptyBatchStaysOpen(t *testing.T) {
	w := newWorld(t)
	res, err := w.settler().Settle(ctx, "01")
	if !errors.Is(err, ErrEmpty) || res.Settlement != nil || w.calls != 0 || w.book.writes != 0 {
		t.Errorf("%v, %d messages, %d writes", err, w.calls, w.book.writes)
	}
}

// Declined payments fill a journal too: the host is asked, and the batch is closed.
func TestABatchThatComesToNothingIsSettled(t *testing.T) {
	w := newWorld(t)
	w.book.records = []*payment.Record{record(1, payment.Sale, payment.Declined, 100, 0)}
	w.settleAll()
	w.check(1)
}

func TestNothingIsSettledWhileAnythingIsOwed(t *testing.T) {
	for _, state := range []payment.State{payment.Stored, payment.ReversalOwed, payment.Requested} {
		w := newWorld(t)
		rec := record(1, payment.OfflineSale, state, 100, 0)
		w.book.records = []*payment.Record{rec}
		w.lost = func(int) fate { return unheard }
		res, err := w.settler().Settle(ctx, "01")
		if !errors.Is(err, ErrOwed) || res.Left != 1 || res.Settlement != nil || w.book.writes != 0 {
			t.Errorf("%v: %v, left %d, %d writes", state, err, res.Left, w.book.writes)
		}
		if (len(res.Unsent) == 1) != (state == payment.Stored) {
			t.Errorf("%v: unsent %d", state, len(res.Unsent))
		}
	}
}

// nothingLeft is a payment.Terminal that says so, whatever the journal has.
type nothingLeft struct{}

func (nothingLeft) NotifyScripts(context.Context) (int, error) { return 0, nil }
func (nothingLeft) SettleDebts(context.Context) (int, error)   { return 0, nil }
func (nothingLeft) Forward(context.Context) (int, error)       { return 0, nil }

// What is owed by the journal keeps the batch open, whoever says that nothing is left.
func TestTheJournalHasTheLastWord(t *testing.T) {
	script := record(1, payment.Sale, payment.Declined, 100, 0)
	script.Script = &payment.Notice{}
	for _, rec := range []*payment.Record{
		record(1, payment.OfflineSale, payment.Stored, 100, 0), record(1, payment.Sale, payment.ReversalOwed, 100, 0), script,
	} {
		w := newWorld(t)
		w.book.records = []*payment.Record{rec}
		s := w.settler()
		s.Payments = nothingLeft{}
		if res, err := s.Settle(ctx, "01"); !errors.Is(err, ErrOwed) || res.Left != 1 || w.book.writes != 0 {
			t.Errorf("%v: %v, left %d, %d writes", rec.State, err, res.Left, w.book.writes)
		}
	}
}

// A debt of an earlier batch, which the journal kept, holds the settlement up too.
func TestADebtOfAnEarlierBatchIsSettledFirst(t *testing.T) {
	w := newWorld(t)
	old := record(9, payment.Sale, payment.ReversalOwed, 100, 0)
	old.ID.Batch = 40
	w.book.records = []*payment.Record{old, record(1, payment.Sale, payment.Completed, 100, 0)}
	w.lost = func(int) fate { return unheard }
	if res, err := w.settler().Settle(ctx, "01"); !errors.Is(err, ErrOwed) || res.Left != 1 {
		t.Errorf("%v, left %d", err, res.Left)
	}
}

func TestNothingIsSettledWhileAScriptResultIsUnsent(t *testing.T) {
	w := newWorld(t)
	rec := record(1, payment.Sale, payment.Completed, 100, 0)
	rec.Script = &payment.Notice{}
	w.book.records = []*payment.Record{rec}
	w.lost = func(int) fate { return unheard }
	if _, err := w.settler().Settle(ctx, "01"); !errors.Is(err, ErrOwed) || w.book.writes != 0 {
		t.Errorf("%v, %d writes", err, w.book.writes)
	}
}

func TestARefusedPaymentIsOnTheSlipAndInTheArchive(t *testing.T) {
	w := newWorld(t)
	w.book.records = []*payment.Record{record(1, payment.OfflineSale, payment.Refused, 100, 0)}
	res, err := w.settler().Settle(ctx, "01")
	if err != nil || len(res.Unsent) != 1 || len(w.book.archived) != 1 || res.Settlement.Domestic != (Totals{}) {
		t.Errorf("%v, unsent %d, archived %d, %+v", err, len(res.Unsent), len(w.book.archived), res.Settlement)
	}
}

// One payment that the host does not like takes no other with it.
func TestAGroupThatIsRefusedGoesUpLineByLine(t *testing.T) {
	w := day(t, 1, 0, false)
	r := rand.New(rand.NewPCG(1, 1))
	w.terms.Everything = true
	for len(w.taken()) < 8 {
		w.add(r, payment.Sale)
	}
	bad := w.taken()[3].ID
	refusing := &refusesOne{host: &w.host, bad: bad}
	s := w.settler()
	s.Host = refusing
	res, err := s.Settle(ctx, "01")
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Settlement; len(got.Rejected) != 1 || got.Rejected[0] != bad || got.Uploaded != len(w.host.terminal) || got.Uploaded != 7 {
		t.Errorf("rejected %v, uploaded %d of %d", got.Rejected, got.Uploaded, len(w.host.terminal))
	}
}

// A day of several groups costs four commits, the number, and one for each group.
func TestOneCommitAGroup(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(1, 1))
	w.terms.Everything = true
	for len(w.taken()) < 80 {
		if rec := w.add(r, payment.Sale); rec.State != payment.Completed || rec.Script != nil {
			w.book.records = w.book.records[:len(w.book.records)-1]
			continue
		}
		w.book.records[len(w.book.records)-1].Final = nil
	}
	if _, err := w.settler().Settle(ctx, "01"); err != nil {
		t.Fatal(err)
	}
	if want := 3 + 10; w.book.saves != want {
		t.Errorf("%d commits for 10 groups, want %d and those of closing", w.book.saves, want)
	}
}

func (w *world) taken() (out []*payment.Record) {
	for _, rec := range w.book.records {
		if rec.State == payment.Completed {
			out = append(out, rec)
		}
	}
	return out
}

type refusesOne struct {
	*host
	bad payment.ID
}

func (h *refusesOne) UploadGroup(c context.Context, batch uint32, group []*payment.Record) (string, error) {
	for _, rec := range group {
		if rec.ID == h.bad {
			return "30", nil
		}
	}
	return h.host.UploadGroup(c, batch, group)
}

// A payment that got into the batch although it is being settled is shown to the host.
func TestABatchThatChangedIsShownWhole(t *testing.T) {
	for _, at := range []Phase{Begun, Answered, Uploading} {
		w := day(t, 9, 40, true)
		s := w.settler()
		w.code = func(what string, _ int) string {
			phase := map[string]Phase{"settle": Begun, "group": Answered, "one": Uploading}[what]
			if phase == at {
				return "96"
			}
			return ""
		}
		w.terms.Everything = true
		if _, err := s.Settle(ctx, "01"); !errors.Is(err, ErrHost) || w.book.open.Phase != at {
			t.Fatalf("phase %d: %v", at, err)
		}
		late := record(900001, payment.Sale, payment.Completed, 777, 0)
		late.PAN, _ = emv.ParsePAN(pans[0])
		w.book.records = append(w.book.records, late)
		w.host.post(late)
		w.code = func(string, int) string { return "" }
		w.host.stan = 0
		n := len(w.book.records)
		w.settleAll()
		w.check(n)
	}
}

func TestAPrinterThatFailsHoldsNothingUp(t *testing.T) {
	w := day(t, 2, 20, false)
	w.jam = true
	n := len(w.book.records)
	w.settleAll()
	w.check(n)
	if w.book.last.Printed {
		t.Error("printed")
	}
}

func TestResumeWithoutASettlement(t *testing.T) {
	w := day(t, 2, 20, false)
	if res, err := w.settler().Resume(ctx); err != nil || res.Settlement != nil || w.calls != 0 {
		t.Errorf("%+v %v, %d messages", res, err, w.calls)
	}
}

func TestOperatorHasTwoDigits(t *testing.T) {
	if _, err := day(t, 2, 20, false).settler().Settle(ctx, "1"); err == nil {
		t.Error("no error")
	}
}

func TestConfigNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	full := Config{Book: &w.book, Host: &w.host, Payments: owing{w}, Slip: w, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for name, cut := range map[string]func(*Config){
		"Book": func(c *Config) { c.Book = nil }, "Host": func(c *Config) { c.Host = nil },
		"Payments": func(c *Config) { c.Payments = nil }, "Slip": func(c *Config) { c.Slip = nil },
		"Now": func(c *Config) { c.Now = nil }, "Log": func(c *Config) { c.Log = nil },
	} {
		cfg := full
		cut(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := New(full); err != nil {
		t.Error(err)
	}
}

func TestEveryPointIsPassed(t *testing.T) {
	w := day(t, 3, 40, true)
	w.terms = Terms{Everything: true}
	passed := map[Point]bool{}
	s := w.settler()
	s.At = func(p Point) { passed[p] = true }
	if _, err := s.Settle(ctx, "01"); err != nil {
		t.Fatal(err)
	}
	for _, p := range Points() {
		if !passed[p] {
			t.Errorf("%s is not passed", p)
		}
	}
}

// Nothing that the settler logs has a card number.
func TestNoCardNumberInTheLog(t *testing.T) {
	var log bytes.Buffer
	w := day(t, 3, 40, true)
	s := w.settler()
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.code = func(what string, _ int) string { return map[string]string{"group": "30", "one": "30"}[what] }
	if _, err := s.Settle(ctx, "01"); err != nil {
		t.Fatal(err)
	}
	if log.Len() == 0 {
		t.Error("refusals are not logged")
	}
	for _, pan := range pans {
		if strings.Contains(log.String(), pan) {
			t.Error("a card number is in the log")
		}
	}
}
