package payment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/payment"
)

func TestPay(t *testing.T) {
	tests := []struct {
		name    string
		card    cardMode
		host    mode
		outcome emv.Outcome
		state   payment.State // 0: nothing in the journal
		code    string
	}{
		{"host and card approve", agrees, answers, emv.Approved, payment.Completed, "00"},
		{"host declines", agrees, declines, emv.Declined, payment.Declined, "51"},
		{"answer is lost", agrees, swallows, emv.Declined, payment.Reversed, "T1"},
		{"request is lost", agrees, lost, emv.Declined, payment.Reversed, "T1"},
		{"line is down", agrees, unsent, emv.Declined, payment.Declined, "T8"},
		{"answer is forged", agrees, forged, emv.Declined, payment.Reversed, "T2"},
		{"host approves a part that nobody asked for", agrees, partially, emv.Declined, payment.Reversed, "T3"},
		{"card says no after the host's yes", saysNo, answers, emv.Declined, payment.Reversed, "T4"},
		{"card is pulled after the host's yes", pulled, answers, emv.Declined, payment.Reversed, "T4"},
		{"card would approve off line, the terminal does not", offlineTC, answers, emv.Approved, payment.Completed, "00"},
		{"card declines off line", offlineAAC, answers, emv.Declined, 0, "T7"},
		{"card breaks the rules", breaksRules, answers, emv.Terminated, 0, "T7"},
		{"card is pulled before the cryptogram", pulledEarly, answers, emv.Cancelled, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.card, w.bank.sale = test.card, test.host
			res, err, _ := w.sell(t, w.boot(t))
			if (err != nil) != (test.card == pulled || test.card == pulledEarly) {
				t.Fatalf("error %v", err)
			}
			if res.Outcome != test.outcome || res.Code != test.code {
				t.Errorf("got %v with code %s (%s), want %v with %s", res.Outcome, res.Code, res.Why, test.outcome, test.code)
			}
			if got := w.journal.recs[payment.ID{Batch: 1, STAN: 1}].State; got != test.state {
				t.Errorf("journal says %v, want %v", got, test.state)
			}
			if err := w.audit(); err != nil {
				t.Error(err)
			}
		})
	}
}

// An owed reversal goes before the next payment, and the next payment waits for it.
func TestDebtComesFirst(t *testing.T) {
	w := newWorld()
	w.bank.sale, w.bank.reversal = swallows, lost
	term := w.boot(t)
	w.sell(t, term)
	w.bank.sale = answers
	res, err, _ := w.sell(t, term)
	if err != nil || res.Code != payment.CodeOwed || len(w.journal.recs) != 1 {
		t.Fatalf("with a debt: code %s, %d records, error %v; want T9 and one record", res.Code, len(w.journal.recs), err)
	}
	w.bank.reversal = answers
	res, err, _ = w.sell(t, term)
	if err != nil || res.Outcome != emv.Approved {
		t.Fatalf("after the debt: %v %s, error %v", res.Outcome, res.Code, err)
	}
	if err := w.audit(); err != nil {
		t.Error(err)
	}
}

// A reversal is sent until the host answers it: a thousand tries drop nothing, and the
// disk is written for the 1st, 2nd, 4th, 8th … only.
func TestReversalIsNeverDropped(t *testing.T) {
	w := newWorld()
	w.bank.sale, w.bank.reversal = swallows, lost
	term := w.boot(t)
	w.sell(t, term)
	before := w.journal.writes
	for range 1000 {
		if left, err := term.SettleDebts(t.Context()); left != 1 || err != nil {
			t.Fatalf("%d left, %v", left, err)
		}
	}
	if w.bank.reversals != 1001 || w.journal.writes-before > 10 {
		t.Errorf("%d reversals and %d writes, want 1001 and at most 10", w.bank.reversals, w.journal.writes-before)
	}
	w.bank.reversal = refuses
	if left, _ := term.SettleDebts(t.Context()); left != 1 {
		t.Errorf("a refused reversal was dropped")
	}
	if err := w.settle(t); err != nil {
		t.Fatal(err)
	}
	if err := w.audit(); err != nil {
		t.Error(err)
	}
}

// A receipt that was not printed does not undo the payment; it is printed at boot.
func TestPrinterFails(t *testing.T) {
	w := newWorld()
	w.paper.broken = errors.New("out of paper")
	res, err, _ := w.sell(t, w.boot(t))
	if err != nil || res.Outcome != emv.Approved || res.Code != payment.CodeNotPrinted {
		t.Fatalf("%v %s %v, want approved with T5", res.Outcome, res.Code, err)
	}
	w.paper.broken = nil
	if err := w.settle(t); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("000001/000001 completed %d", payment.Reprint)
	if len(w.paper.slips) != 1 || w.paper.slips[0] != want {
		t.Errorf("printed %q, want %q", w.paper.slips, want)
	}
}

func TestCancelAtThePad(t *testing.T) {
	w := newWorld()
	w.pad.err = kernel.ErrCancelled
	res, err, _ := w.sell(t, w.boot(t))
	if err != nil || res.Outcome != emv.Cancelled || len(w.journal.recs) != 0 {
		t.Errorf("%v %v, %d records; want cancelled and none", res.Outcome, err, len(w.journal.recs))
	}
}

// A dead or repeating random source stops the payment before the card is asked.
func TestRandomSource(t *testing.T) {
	for name, rand := range map[string]reader{
		"fails":   func([]byte) (int, error) { return 0, errors.New("no entropy") },
		"repeats": func(p []byte) (int, error) { return len(p), nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			term := w.boot(t)
			term.Rand = rand
			if _, err, _ := w.sell(t, term); err == nil || len(w.screen.shown) != 0 {
				t.Errorf("error %v, shown %v; want an error and nothing shown", err, w.screen.shown)
			}
		})
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestOrderIsChecked(t *testing.T) {
	term := newWorld().boot(t)
	for _, o := range []payment.Order{
		{},
		{Kind: payment.Sale},
		{Kind: payment.Sale, Amount: emv.Amount{Minor: -1, Currency: emv.CNY}},
		{Kind: payment.Sale, Amount: emv.Amount{Minor: emv.MaxMinor + 1, Currency: emv.CNY}},
	} {
		if _, err := term.Pay(context.Background(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestConfigNamesWhatIsMissing(t *testing.T) {
	_, err := payment.New(payment.Config{Terminal: "12345678", Merchant: "123456789012345"})
	if err == nil || !strings.Contains(err.Error(), "Journal") {
		t.Errorf("got %v, want an error that names Journal", err)
	}
}

// Nothing of card number, PIN block or track is in the log of any ending.
func TestLogHoldsNoSecret(t *testing.T) {
	for _, host := range []mode{answers, declines, swallows, forged, unsent} {
		w := newWorld()
		w.bank.sale, w.bank.reversal = host, refuses
		w.sell(t, w.boot(t))
		if log := w.log.String(); strings.Contains(log, "6277000000000017") || strings.Contains(log, "0102030405060708") {
			t.Errorf("host %s: the log holds a secret:\n%s", host, log)
		}
	}
}

func TestStates(t *testing.T) {
	for s := range payment.State(20) {
		for to := range payment.State(20) {
			if s.CanMove(to) && !to.Valid() {
				t.Errorf("%v may move to %v, which is no state", s, to)
			}
		}
		if s.Debt() && s.Final() {
			t.Errorf("%v is both a debt and final", s)
		}
	}
	for _, s := range []payment.State{payment.Completed, payment.Declined, payment.Reversed, payment.Resolved} {
		if !s.Final() {
			t.Errorf("%v should be final", s)
		}
	}
}
