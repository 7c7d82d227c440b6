package payment_test

import (
	"context"
	"errors"
	"testing"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/payment"
)

// How a card was shown is field 22, and where the stripe stands in for a chip, field 60.5.
func TestEntryModes(t *testing.T) {
	const stripe, chipStripe = "6277000000000017D3012101", "6277000000000017D3012201"
	all := payment.Policy{Stripe: true, Fallback: true, Manual: true}
	swipe, typed := saleOf(1200), saleOf(1200)
	swipe.Swipe = true
	pan, err := emv.ParsePAN("4111111111111111")
	if err != nil {
		t.Fatal(err)
	}
	typed.Card = payment.TypedCard{PAN: pan, Expiry: "3012"}
	tests := []struct {
		name     string
		policy   payment.Policy
		card     cardMode
		track    string
		order    payment.Order
		bypass   bool
		entry    string
		fallback bool
		outcome  emv.Outcome
		code     string
	}{
		{"chip with a PIN", all, agrees, stripe, saleOf(1200), false, "051", false, emv.Approved, "00"},
		{"stripe with a PIN", all, agrees, stripe, swipe, false, "021", false, emv.Approved, "00"},
		{"stripe without one", all, agrees, stripe, swipe, true, "022", false, emv.Approved, "00"},
		{"chip card swiped", all, agrees, chipStripe, swipe, false, "", false, emv.Declined, payment.CodeUseChip},
		{"chip without an application", all, noChip, chipStripe, saleOf(1200), false, "021", true, emv.Approved, "00"},
		{"dead chip", all, deadChip, chipStripe, saleOf(1200), true, "022", true, emv.Approved, "00"},
		{"a card without a chip in the slot", all, deadChip, stripe, saleOf(1200), false, "021", false, emv.Approved, "00"},
		{"dead chip, no fall-back", payment.Policy{Stripe: true}, deadChip, chipStripe, saleOf(1200), false, "", false, emv.NotAccepted, "T7"},
		{"dead chip, no stripe reader", all, deadChip, "", saleOf(1200), false, "", false, emv.NotAccepted, "T7"},
		{"chip that broke the rules", all, breaksRules, chipStripe, saleOf(1200), false, "", false, emv.Terminated, "T7"},
		{"typed", all, agrees, "", typed, true, "012", false, emv.Approved, "00"},
		{"typed with a PIN", all, agrees, "", typed, false, "011", false, emv.Approved, "00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.policy, w.card, w.track = test.policy, test.card, test.track
			if test.bypass {
				w.pad.err = payment.ErrPINBypassed
			}
			res, err, _ := w.pay(t, w.boot(t), test.order)
			if err != nil || res.Outcome != test.outcome || res.Code != test.code {
				t.Fatalf("%v %s (%s), %v; want %v %s", res.Outcome, res.Code, res.Why, err, test.outcome, test.code)
			}
			if rec := res.Record; test.entry != "" && (rec.EntryMode != test.entry || rec.Fallback != test.fallback || rec.Expiry != "3012") {
				t.Errorf("entry mode %s, fall-back %v, expiry %s; want %s, %v, 3012", rec.EntryMode, rec.Fallback, rec.Expiry, test.entry, test.fallback)
			}
			if test.entry != "" && (len(res.Record.Request) > 0) != (test.entry[:2] == "05") {
				t.Errorf("field 55 of %d bytes with entry mode %s", len(res.Record.Request), test.entry)
			}
			if err := errors.Join(w.settle(t), w.audit()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Without the host a payment is taken where card and limits allow it, and as what it is.
func TestOfflineChip(t *testing.T) {
	offline := func(p payment.OfflinePolicy) payment.Policy { return payment.Policy{Offline: p} }
	tests := []struct {
		name    string
		policy  payment.Policy
		card    cardMode
		host    mode
		outcome emv.Outcome
		code    string
		state   payment.State
	}{
		{"the card does not ask", offline(payment.OfflinePolicy{Allowed: true, Most: 1200}), offlineTC, answers, emv.Approved, "T6", payment.Stored},
		{"the host is not reached", offline(payment.OfflinePolicy{Allowed: true, Most: 1200}), agrees, unsent, emv.Approved, "T6", payment.Stored},
		{"the card does not want", offline(payment.OfflinePolicy{Allowed: true, Most: 1200}), saysNo, unsent, emv.Declined, "T8", payment.Declined},
		{"the host may have heard", offline(payment.OfflinePolicy{Allowed: true, Most: 1200}), agrees, lost, emv.Declined, "T1", payment.Reversed},
		{"too much for one", offline(payment.OfflinePolicy{Allowed: true, Most: 1199}), agrees, unsent, emv.Declined, "T8", payment.Declined},
		{"too much for one, the host is there", offline(payment.OfflinePolicy{Allowed: true, Most: 1199}), offlineTC, answers, emv.Approved, "00", payment.Completed},
		{"too much together", offline(payment.OfflinePolicy{Allowed: true, Most: 1200, MaxTotal: 1199}), agrees, unsent, emv.Declined, "T8", payment.Declined},
		{"not allowed", payment.Policy{}, agrees, unsent, emv.Declined, "T8", payment.Declined},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.policy, w.card, w.bank.sale = test.policy, test.card, test.host
			res, err, _ := w.sell(t, w.boot(t))
			if err != nil || res.Outcome != test.outcome || res.Code != test.code || res.Record.State != test.state && test.state != payment.Reversed {
				t.Fatalf("%v %s (%s), %v; want %v %s", res.Outcome, res.Code, res.Why, err, test.outcome, test.code)
			}
			if test.state == payment.Stored && (res.Record.Kind != payment.OfflineChip || string(res.Record.Request[:2]) != "TC" || len(w.bank.charged) != 0) {
				t.Errorf("%v with field 55 %q, %d charges", res.Record.Kind, res.Record.Request, len(w.bank.charged))
			}
			w.bank.sale = answers
			if err := errors.Join(w.settle(t), w.audit()); err != nil {
				t.Error(err)
			}
		})
	}
}

// With a reversal owed and the host away, what the card may approve is tried without the
// host; nothing else is.
func TestOfflineBehindADebt(t *testing.T) {
	w := newWorld()
	w.bank.sale, w.bank.reversal = swallows, lost
	w.sell(t, w.boot(t))
	w.policy = offlinePolicy
	res, err, _ := w.sell(t, w.boot(t))
	if err != nil || res.Outcome != emv.Approved || res.Record.Kind != payment.OfflineChip {
		t.Fatalf("%v %s (%s), %v", res.Outcome, res.Code, res.Why, err)
	}
	w.card = saysNo
	if res, _, _ = w.sell(t, w.boot(t)); res.Outcome != emv.Declined || res.Code != payment.CodeOwed || res.Record != nil {
		t.Errorf("a card that does not want: %v %s", res.Outcome, res.Code)
	}
	if res, _, _ = w.pay(t, w.boot(t), ordered(payment.Preauth, 100)); res.Code != payment.CodeOwed {
		t.Errorf("a pre-authorisation: %v %s", res.Outcome, res.Code)
	}
	if left, err := w.boot(t).Forward(t.Context()); left != 1 || err != nil {
		t.Errorf("%d wait, %v: a stored payment does not overtake a reversal", left, err)
	}
	if err := errors.Join(w.settle(t), w.audit()); err != nil {
		t.Error(err)
	}
}

// As many may wait as the parameters say, of every kind that goes up later.
func TestOfflineCount(t *testing.T) {
	w := newWorld()
	w.policy = offlinePolicy
	w.policy.Offline.MaxCount = 2
	for i, want := range []string{payment.CodeStored, payment.CodeStored, payment.CodeOfflineLimit} {
		if res, _, _ := w.pay(t, w.boot(t), phone(100)); res.Code != want {
			t.Errorf("offline sale %d: %s, want %s", i, res.Code, want)
		}
	}
	w.bank.sale = unsent
	if res, _, _ := w.sell(t, w.boot(t)); res.Code != payment.CodeNotSent {
		t.Errorf("a sale: %s", res.Code)
	}
}

// A refused stored payment stays, is sent again by hand only, and nobody else waits for it.
func TestRefusedStoredPayment(t *testing.T) {
	w := newWorld()
	w.bank.reversal = declines
	term := w.boot(t)
	first, _, _ := w.pay(t, term, phone(100))
	if left, err := term.Forward(t.Context()); left != 0 || err != nil {
		t.Fatalf("%d left, %v", left, err)
	}
	if got := w.journal.recs[first.Record.ID]; got.State != payment.Refused || got.Answer.Code != "51" {
		t.Fatalf("%v with %+v", got.State, got.Answer)
	}
	w.bank.reversal = answers
	w.pay(t, term, phone(200))
	if left, err := term.Forward(t.Context()); left != 0 || err != nil || w.bank.charged[first.Record.ID] != 0 {
		t.Errorf("%d left, %v, the refused one was charged %d", left, err, w.bank.charged[first.Record.ID])
	}
	if err := term.Resend(t.Context(), first.Record.ID); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.settle(t), w.audit()); err != nil || w.bank.charged[first.Record.ID] != 100 {
		t.Errorf("sent again: charged %d, %v", w.bank.charged[first.Record.ID], err)
	}
	if err := term.Resend(t.Context(), first.Record.ID); !errors.Is(err, payment.ErrIllegalMove) {
		t.Errorf("a completed one was sent again: %v", err)
	}
}

// A host that cannot decide now keeps the order: the ones behind it wait, a thousand times.
func TestStoredPaymentsWait(t *testing.T) {
	w := newWorld()
	w.bank.reversal = refuses
	term := w.boot(t)
	for range 3 {
		w.pay(t, term, phone(100))
	}
	writes := w.journal.writes
	for range 1000 {
		if left, err := term.Forward(t.Context()); left != 3 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
	}
	if w.journal.writes-writes > 10 || len(w.bank.content) != 1 {
		t.Errorf("%d writes, %d payments were tried; want at most 10, and 1", w.journal.writes-writes, len(w.bank.content))
	}
	if err := errors.Join(w.settle(t), w.audit()); err != nil {
		t.Error(err)
	}
}

// Script results are on disk with the end of the payment, go to the host before the next
// request, hold nothing up, and are sent until the host answers.
func TestScriptNotice(t *testing.T) {
	for _, host := range []mode{answers, declines} {
		w := newWorld()
		w.bank.scripts, w.bank.sale, w.bank.reversal = true, host, lost
		term := w.boot(t)
		res, err, _ := w.sell(t, term)
		if err != nil || res.Record.Script == nil || len(res.Record.Script.ICC) == 0 {
			t.Fatalf("host %s: script %+v, %v", host, res.Record.Script, err)
		}
		if host == declines && w.journal.writes != 2 {
			t.Errorf("a decline with scripts took %d writes, want 2", w.journal.writes)
		}
		w.bank.scripts = false
		if next, _, _ := w.sell(t, w.boot(t)); next.Record == nil {
			t.Errorf("host %s: an unanswered notice holds the next payment up: %s", host, next.Code)
		}
		if w.bank.notified[res.Record.ID] {
			t.Fatal("the host knows already")
		}
		if err := errors.Join(w.settle(t), w.audit()); err != nil {
			t.Error(err)
		}
	}
}

// A host that answers a part to a refund, which cannot be: the refund is repeated, and
// then kept as refused, for people to look at. It is never reversed.
func TestPartOfARefund(t *testing.T) {
	w, id := till(t, payment.Policy{}, saleOf(1200))
	w.wrapHost = func(h payment.Authorizer) payment.Authorizer { return partHost{h} }
	order := ordered(payment.Refund, 700)
	order.Original.ID = id
	term := w.boot(t)
	res, err, _ := w.pay(t, term, order)
	if err != nil || res.Record.State != payment.Stored || res.Code != payment.CodeStored {
		t.Fatalf("%v %s, %v", res.Outcome, res.Code, err)
	}
	if left, err := term.Forward(t.Context()); left != 0 || err != nil || w.journal.recs[res.Record.ID].State != payment.Refused {
		t.Errorf("%d left, %v, %v", left, err, w.journal.recs[res.Record.ID].State)
	}
	if w.bank.reversals != 0 {
		t.Errorf("%d reversals", w.bank.reversals)
	}
}

// partHost approves half of everything.
type partHost struct{ payment.Authorizer }

func (partHost) Authorize(_ context.Context, req payment.AuthRequest) (payment.Answer, error) {
	return payment.Answer{Code: "10", Amount: req.Record.Amount.Minor / 2}, nil
}

func (partHost) Forward(_ context.Context, rec *payment.Record) (payment.Answer, error) {
	return payment.Answer{Code: "10", Amount: rec.Amount.Minor / 2}, nil
}

// waiting is a slot into which nobody puts a card.
type waiting struct {
	stripeReader
	err error
}

func (s waiting) Insert(context.Context) (payment.Card, error)  { return nil, s.err }
func (s waiting) Swipe(ctx context.Context) (emv.Track2, error) { return emv.Track2{}, s.err }

// Where no card is shown, or one that cannot be read, nothing is on disk.
func TestNoCard(t *testing.T) {
	swipe := saleOf(1200)
	swipe.Swipe = true
	refund := ordered(payment.Refund, 100)
	refund.Original = payment.Original{RRN: "333333333333", Date: "0630"}
	broken := errors.New("reader unplugged")
	tests := []struct {
		name    string
		slot    payment.Slot
		order   payment.Order
		outcome emv.Outcome
		failed  bool
	}{
		{"none in time", waiting{err: context.DeadlineExceeded}, saleOf(1200), emv.Cancelled, false},
		{"none swiped in time", waiting{err: context.DeadlineExceeded}, swipe, emv.Cancelled, false},
		{"cancelled", waiting{err: kernel.ErrCancelled}, saleOf(1200), emv.Cancelled, false},
		{"reader broken", waiting{err: broken}, saleOf(1200), emv.Cancelled, true},
		{"pulled while it was read", slot{pulledEarly}, refund, emv.Cancelled, true},
		{"no application in common", slot{noChip}, refund, emv.NotAccepted, false},
		{"stripe without an expiry", stripeReader{slot{agrees}, "6277=1"}, swipe, emv.Declined, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.policy = payment.Policy{Stripe: true}
			if s, ok := test.slot.(slot); ok {
				w.card = s.card
			}
			term := w.boot(t)
			term.Slot = test.slot
			res, err, _ := w.pay(t, term, test.order)
			if res.Outcome != test.outcome || (err != nil) != test.failed || len(w.journal.recs) != 0 {
				t.Errorf("%v %s (%s), %v, %d records", res.Outcome, res.Code, res.Why, err, len(w.journal.recs))
			}
		})
	}
}

// The cancel key ends a payment by stripe before anything is on disk.
func TestCancelAfterTheSwipe(t *testing.T) {
	w := newWorld()
	w.policy, w.track, w.pad.err = payment.Policy{Stripe: true}, "6277000000000017D3012101", kernel.ErrCancelled
	order := saleOf(1200)
	order.Swipe = true
	res, err, _ := w.pay(t, w.boot(t), order)
	if err != nil || res.Outcome != emv.Cancelled || len(w.journal.recs) != 0 {
		t.Errorf("%v, %v, %d records", res.Outcome, err, len(w.journal.recs))
	}
}
