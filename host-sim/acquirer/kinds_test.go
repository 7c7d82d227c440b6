package acquirer

import (
	"context"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
	"posd/host-sim/hosttest"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
	"posd/transport/iso8583"
)

// till is a bench with a card and what happened at it.
type till struct {
	*bench
	c *hosttest.Card
}

func newTill(t testing.TB) *till {
	b := newBenchOn(t, dbtest.OpenVolatile(t))
	return &till{b, b.card("6277000000000011", "123456", 100000)}
}

// send sends a payment and wants a code.
func (t *till) send(m *iso8583.FinancialRequest, code string) *iso8583.FinancialResponse {
	t.Helper()
	answer, err := t.term.Send(t.bench, m)
	if err != nil {
		t.Fatal(err)
	}
	resp := answer.(*iso8583.FinancialResponse)
	if resp.Code != code {
		t.Fatalf("%v: code %s, want %s; log:\n%s", m.Type, resp.Code, code, t.log)
	}
	return resp
}

// pay makes a payment that is approved.
func (t *till) pay(kind iso8583.TransactionType, amount int64) (*iso8583.FinancialRequest, *iso8583.FinancialResponse) {
	t.Helper()
	m := t.term.Request(kind, t.c, amount)
	return m, t.send(m, "00")
}

// about makes a payment about another and wants a code.
func (t *till) about(kind iso8583.TransactionType, amount int64, m *iso8583.FinancialRequest, resp *iso8583.FinancialResponse, code string) (*iso8583.FinancialRequest, *iso8583.FinancialResponse) {
	t.Helper()
	next := t.term.About(kind, t.c, amount, m, resp)
	return next, t.send(next, code)
}

func (t *till) reverse(m *iso8583.FinancialRequest, code string) {
	t.Helper()
	t.want(t.term.Reversal(m, "98"), code)
}

// account returns balance, what is held, and what is available.
func (t *till) account() (a ledger.Account) {
	t.Helper()
	t.update(func(ctx context.Context, tx db.Tx) error {
		card, err := issuer.FindCard(ctx, tx, t.hsm.PANHash(t.c.PAN), t.c.PSN)
		if err != nil {
			return err
		}
		a, err = ledger.ByID(ctx, tx, card.Account)
		return err
	})
	return a
}

// money wants the card's balance and holds, and books that balance.
func (t *till) money(balance, held int64) {
	t.Helper()
	if a := t.account(); a.Balance != balance || a.Held != held || a.Available() != balance-held {
		t.Errorf("balance %d, held %d; want %d and %d\n%s", a.Balance, a.Held, balance, held, strings.Join(t.states(), "\n"))
	}
	if trial := t.trial(); !trial.OK() {
		t.Errorf("trial balance: %+v", trial)
	}
}

const open = 100000 // the card's opening balance

// TestKinds: one story a row, with the money at its end.
func TestKinds(t *testing.T) {
	rows := []struct {
		name          string
		run           func(t *till)
		balance, held int64
	}{
		{"void", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1200)
			t.about(iso8583.Void, 1200, m, r, "00")
		}, open, 0},
		{"void, reversed", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1200)
			v, _ := t.about(iso8583.Void, 1200, m, r, "00")
			t.reverse(v, "00")
			t.reverse(v, "00")
		}, open - 1200, 0},
		{"void, reversed, voided again", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1200)
			v, _ := t.about(iso8583.Void, 1200, m, r, "00")
			t.reverse(v, "00")
			t.about(iso8583.Void, 1200, m, r, "00")
		}, open, 0},
		{"reversal of the void before the void", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1200)
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			t.reverse(v, "00")
			t.send(v, "94")
		}, open - 1200, 0},
		{"sale voided, then reversed, then the void reversed", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1200)
			v, _ := t.about(iso8583.Void, 1200, m, r, "00")
			t.reverse(m, "00")
			t.reverse(v, "00")
		}, open, 0},
		{"refund in parts", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1200)
			t.about(iso8583.Refund, 700, m, r, "00")
			t.about(iso8583.Refund, 501, m, r, "64")
			t.about(iso8583.Refund, 500, m, r, "00")
			t.about(iso8583.Refund, 1, m, r, "64")
		}, open, 0},
		{"pre-authorisation", func(t *till) { t.pay(iso8583.Preauth, 5000) }, open, 5000},
		{"pre-authorisation, reversed", func(t *till) {
			m, _ := t.pay(iso8583.Preauth, 5000)
			t.reverse(m, "00")
			t.reverse(m, "00")
		}, open, 0},
		{"pre-authorisation, voided", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			t.about(iso8583.PreauthVoid, 5000, m, r, "00")
		}, open, 0},
		{"pre-authorisation, voided, void reversed", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			v, _ := t.about(iso8583.PreauthVoid, 5000, m, r, "00")
			t.reverse(v, "00")
		}, open, 5000},
		{"completion", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			t.about(iso8583.PreauthCompletion, 4000, m, r, "00")
		}, open - 4000, 0},
		{"completion of 115 %", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			t.about(iso8583.PreauthCompletion, 5751, m, r, "64")
			t.about(iso8583.PreauthCompletion, 5750, m, r, "00")
		}, open - 5750, 0},
		{"completion, reversed", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			c, _ := t.about(iso8583.PreauthCompletion, 4000, m, r, "00")
			t.reverse(c, "00")
		}, open, 5000},
		{"completion, voided, completed again", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			c, cr := t.about(iso8583.PreauthCompletion, 4000, m, r, "00")
			t.about(iso8583.PreauthCompletionVoid, 4000, c, cr, "00")
			t.money(open, 5000)
			t.about(iso8583.PreauthCompletion, 5000, m, r, "00")
		}, open - 5000, 0},
		{"completion, voided, void reversed", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			c, cr := t.about(iso8583.PreauthCompletion, 4000, m, r, "00")
			v, _ := t.about(iso8583.PreauthCompletionVoid, 4000, c, cr, "00")
			t.reverse(v, "00")
			t.about(iso8583.PreauthCompletion, 4000, m, r, "12")
		}, open - 4000, 0},
		{"completion advice, in a batch that is closed", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			a := t.term.About(iso8583.PreauthAdvice, t.c, 5000, m, r)
			a.Private.Batch = 77
			t.send(a, "00")
			t.send(a, "00")
		}, open - 5000, 0},
		{"refund of a completion", func(t *till) {
			m, r := t.pay(iso8583.Preauth, 5000)
			c, cr := t.about(iso8583.PreauthCompletion, 4000, m, r, "00")
			t.about(iso8583.Refund, 4000, c, cr, "00")
		}, open, 0},
		{"tip", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1000)
			t.about(iso8583.TipAdjust, 1150, m, r, "00")
			t.about(iso8583.TipAdjust, 1100, m, r, "00")
		}, open - 1100, 0},
		{"tip, then void of the whole", func(t *till) {
			m, r := t.pay(iso8583.Sale, 1000)
			t.about(iso8583.TipAdjust, 1150, m, r, "00")
			t.about(iso8583.Void, 1000, m, r, "64")
			t.about(iso8583.Void, 1150, m, r, "00")
		}, open, 0},
		{"offline sale, adjusted down", func(t *till) {
			m, r := t.pay(iso8583.OfflineSale, 1000)
			t.about(iso8583.OfflineAdjust, 900, m, r, "00")
		}, open - 900, 0},
		{"offline sale above the balance", func(t *till) { t.pay(iso8583.OfflineSale, 150000) }, -50000, 0},
		{"offline chip payments, out of order", func(t *till) {
			first := t.term.Request(iso8583.OfflineChip, t.c, 300)
			second := t.term.Request(iso8583.OfflineChip, t.c, 400)
			t.send(second, "00")
			t.send(first, "00")
			t.send(first, "00")
		}, open - 700, 0},
		{"a balance is no payment", func(t *till) {
			m := t.term.Request(iso8583.Balance, t.c, 0)
			r := t.send(m, "00")
			if r.Balance != (iso8583.AccountBalance{Kind: 2, Currency: emv.CNY, Minor: open}) {
				t.Errorf("field 54: %+v", r.Balance)
			}
		}, open, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := newTill(t)
			row.run(s)
			s.money(row.balance, row.held)
		})
	}
}

// TestBalanceSeesHolds: what may be spent is less what is held.
func TestBalanceSeesHolds(t *testing.T) {
	s := newTill(t)
	s.pay(iso8583.Preauth, 60000)
	if r := s.send(s.term.Request(iso8583.Balance, s.c, 0), "00"); r.Balance.Signed() != 40000 {
		t.Errorf("available %d, want 40000", r.Balance.Signed())
	}
	s.send(s.term.Request(iso8583.Sale, s.c, 40001), "51")
	s.send(s.term.Request(iso8583.Preauth, s.c, 40001), "51")
	s.send(s.term.Request(iso8583.Sale, s.c, 40000), "00")
}

// TestHoldExpires: the issuer gives the money free when the time of the hold is over.
func TestHoldExpires(t *testing.T) {
	s := newTill(t)
	m, r := s.pay(iso8583.Preauth, 100000)
	s.at = s.at.AddDate(0, 0, 30).Add(-time.Second)
	s.send(s.term.Request(iso8583.Sale, s.c, 1), "51")
	s.at = s.at.Add(time.Second)
	s.pay(iso8583.Sale, 1)
	s.money(open-1, 0)
	s.about(iso8583.PreauthCompletion, 100000, m, r, "22")
	s.about(iso8583.PreauthVoid, 100000, m, r, "22")
	s.reverse(m, "00")
	s.money(open-1, 0)
}

// TestKindRefusals: one row for each code that the desk gives about an original.
func TestKindRefusals(t *testing.T) {
	rows := []struct {
		name, code string
		send       func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message
	}{
		{"void without any reference", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.Request(iso8583.Void, t.c, 1200)
		}},
		{"void of another card", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			v.PAN = t.card("6277000000000029", "", 0).PAN
			return v
		}},
		{"void with another RRN", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			v.RRN = "632707000999"
			return v
		}},
		{"void with another voucher", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			v.Original.STAN++
			return v
		}},
		{"void with another date", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			v.Original.Date = "1122"
			return v
		}},
		{"void with another authorisation code", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			v.AuthCode = "XXXXXX"
			return v
		}},
		{"void of another amount", "64", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.About(iso8583.Void, t.c, 1199, m, r)
		}},
		{"void of a void", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v, vr := t.about(iso8583.Void, 1200, m, r, "00")
			t.c.ATC++
			return t.term.About(iso8583.Void, t.c, 1200, v, vr)
		}},
		{"void of what was voided", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.about(iso8583.Void, 1200, m, r, "00")
			return t.term.About(iso8583.Void, t.c, 1200, m, r)
		}},
		{"void of what was reversed", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.reverse(m, "00")
			return t.term.About(iso8583.Void, t.c, 1200, m, r)
		}},
		{"void of what was refunded in part", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.about(iso8583.Refund, 1, m, r, "00")
			return t.term.About(iso8583.Void, t.c, 1200, m, r)
		}},
		{"void after the settlement", "22", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.settleBatch()
			return t.term.About(iso8583.Void, t.c, 1200, m, r)
		}},
		{"void of a decline", "25", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			d := t.term.Request(iso8583.Sale, t.c, 99999999)
			return t.term.About(iso8583.Void, t.c, 99999999, d, t.send(d, "51"))
		}},
		{"completion of a sale", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.About(iso8583.PreauthCompletion, t.c, 1200, m, r)
		}},
		{"refund of a pre-authorisation", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			p, pr := t.pay(iso8583.Preauth, 500)
			return t.term.About(iso8583.Refund, t.c, 500, p, pr)
		}},
		{"refund of what was voided", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.about(iso8583.Void, 1200, m, r, "00")
			return t.term.About(iso8583.Refund, t.c, 1200, m, r)
		}},
		{"second completion", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			p, pr := t.pay(iso8583.Preauth, 500)
			t.about(iso8583.PreauthCompletion, 500, p, pr, "00")
			return t.term.About(iso8583.PreauthAdvice, t.c, 500, p, pr)
		}},
		{"completion above the hold without money", "51", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			p, pr := t.pay(iso8583.Preauth, open-1200)
			return t.term.About(iso8583.PreauthCompletion, t.c, open-1199, p, pr)
		}},
		{"void of a pre-authorisation for another amount", "64", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			p, pr := t.pay(iso8583.Preauth, 500)
			return t.term.About(iso8583.PreauthVoid, t.c, 499, p, pr)
		}},
		{"tip above the limit", "61", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.About(iso8583.TipAdjust, t.c, 2401, m, r)
		}},
		{"tip below nothing", "64", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.About(iso8583.TipAdjust, t.c, 1199, m, r)
		}},
		{"adjustment of a sale made online", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.About(iso8583.OfflineAdjust, t.c, 1199, m, r)
		}},
		{"balance with an amount", "13", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.Request(iso8583.Balance, t.c, 5)
		}},
		{"wrong PIN at a void", "55", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			v := t.term.About(iso8583.Void, t.c, 1200, m, r)
			wrong := *t.c
			wrong.PIN = "000000"
			v.PINBlock, v.PINCapture, v.Security = t.term.PINBlock(&wrong), 12, iso8583.SecurityControl(true, true, false)
			return v
		}},
		{"offline chip payment with a wrong certificate", "05", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			o := t.term.Request(iso8583.OfflineChip, t.c, 300)
			o.Amount = 301
			return o
		}},
		{"offline chip payment that the card did not approve", "05", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			o := t.term.Request(iso8583.OfflineChip, t.c, 300)
			o.ICC = t.c.Sign(300, emv.CNY, false).Pack()
			return o
		}},
		{"certificate of a payment made online", "05", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.c.ATC--
			return t.term.Request(iso8583.OfflineChip, t.c, 300)
		}},
		{"certificate that was uploaded before", "05", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			o := t.term.Request(iso8583.OfflineChip, t.c, 300)
			t.send(o, "00")
			again := *o
			t.term.STAN++
			again.STAN = t.term.STAN
			return &again
		}},
		{"offline chip payment above the limit", "61", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			return t.term.Request(iso8583.OfflineChip, t.c, 100001)
		}},
		{"reversal of a refund", "40", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			f, _ := t.about(iso8583.Refund, 1200, m, r, "00")
			return t.term.Reversal(f, "98")
		}},
		{"reversal as another kind", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			rev := t.term.Reversal(m, "98")
			rev.Type = iso8583.PreauthCompletion
			return rev
		}},
		{"reversal of what was refunded", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.about(iso8583.Refund, 1, m, r, "00")
			return t.term.Reversal(m, "98")
		}},
		{"reversal of what was completed", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			p, pr := t.pay(iso8583.Preauth, 500)
			t.about(iso8583.PreauthCompletion, 500, p, pr, "00")
			return t.term.Reversal(p, "98")
		}},
		{"reversal of what was adjusted", "12", func(t *till, m *iso8583.FinancialRequest, r *iso8583.FinancialResponse) iso8583.Message {
			t.about(iso8583.TipAdjust, 1300, m, r, "00")
			return t.term.Reversal(m, "98")
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := newTill(t)
			m, r := s.pay(iso8583.Sale, 1200)
			last := row.send(s, m, r)
			before := s.account()
			s.want(last, row.code)
			if after := s.account(); after.Balance != before.Balance || after.Held != before.Held {
				t.Errorf("refused with %s, but the balance went from %d to %d, held %d to %d", row.code, before.Balance, after.Balance, before.Held, after.Held)
			}
			s.want(last, row.code) // the same again
			if trial := s.trial(); !trial.OK() {
				t.Errorf("trial balance: %+v", trial)
			}
		})
	}
}

// TestEntry: how the card was read, by the issuer's policy.
func TestEntry(t *testing.T) {
	const track = "6277000000000011D35122201234567890"
	set := func(typed, stripe string) func(*till) {
		return func(t *till) {
			t.update(func(ctx context.Context, tx db.Tx) error {
				return issuer.SetPolicy(ctx, tx, issuer.Policy{
					BIN: "627700", Typed: typed, Stripe: stripe, HoldDays: 30, CompletionPercent: 115, TipPercent: 20, OfflineLimit: 1,
				})
			})
		}
	}
	typed := func(t *till) *iso8583.FinancialRequest { return t.term.Typed(t.c, 100) }
	stripe := func(fallback bool) func(t *till) *iso8583.FinancialRequest {
		return func(t *till) *iso8583.FinancialRequest { return t.term.Stripe(t.c, 100, track, fallback) }
	}
	rows := []struct {
		name string
		set  func(*till)
		send func(*till) *iso8583.FinancialRequest
		code string
	}{
		{"typed, refused", set(issuer.Refuse, issuer.Fallback), typed, "57"},
		{"typed, allowed", set(issuer.Allow, issuer.Fallback), typed, "00"},
		{"typed without expiry", set(issuer.Allow, issuer.Fallback), func(t *till) *iso8583.FinancialRequest {
			m := typed(t)
			m.Expiry = ""
			return m
		}, "54"},
		{"stripe of a chip card", set(issuer.Refuse, issuer.Fallback), stripe(false), "45"},
		{"stripe after the chip failed", set(issuer.Refuse, issuer.Fallback), stripe(true), "00"},
		{"stripe after the chip failed, refused", set(issuer.Refuse, issuer.Refuse), stripe(true), "57"},
		{"stripe of a chip card, allowed", set(issuer.Refuse, issuer.Allow), stripe(false), "00"},
		{"stripe with a wrong PIN", set(issuer.Refuse, issuer.Allow), func(t *till) *iso8583.FinancialRequest {
			m := stripe(false)(t)
			wrong := *t.c
			wrong.PIN = "000000"
			m.PINBlock = t.term.PINBlock(&wrong)
			return m
		}, "55"},
		{"by default", func(*till) {}, typed, "57"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := newTill(t)
			row.set(s)
			s.send(row.send(s), row.code)
		})
	}
	t.Run("stripe of a card without chip", func(t *testing.T) {
		s := newTill(t)
		s.c = s.card("6277000000000029", "", 1000, func(n *issuer.NewCard) { n.StripeOnly = true })
		s.send(s.term.Stripe(s.c, 100, "6277000000000029D35122201234567890", false), "00")
	})
}

// TestRepeatIsCounted: in the log and in a counter, for each kind.
func TestRepeatIsCounted(t *testing.T) {
	s := newTill(t)
	m, r := s.pay(iso8583.Sale, 1200)
	f, _ := s.about(iso8583.Refund, 100, m, r, "00")
	for range 3 {
		s.send(f, "00")
	}
	s.want(m, "00")
	var n int64
	s.update(func(ctx context.Context, tx db.Tx) (err error) {
		n, err = Counter(ctx, tx, "repeated")
		return err
	})
	if n != 4 || strings.Count(s.log.String(), "msg=repeated") != 4 {
		t.Errorf("counted %d; log:\n%s", n, s.log)
	}
	s.money(open-1100, 0)
}
