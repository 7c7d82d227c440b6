package acquirer

import (
	"context"
	"testing"
	"time"

	"posd/emv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
	"posd/host-sim/estate"
	"posd/host-sim/hosttest"
	"posd/host-sim/issuer"
	"posd/host-sim/ledger"
	"posd/host-sim/route"
	"posd/transport/iso8583"
)

func (b *bench) network(id string, s route.State) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) error { return route.SetState(ctx, tx, id, s, b.at) })
}

func (b *bench) rule(r route.Rule) (id int64) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) (err error) {
		id, err = route.AddRule(ctx, tx, r)
		return err
	})
	return id
}

// serve lets a network serve the test cards.
func (b *bench) serve(network string) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) error {
		return route.AddRange(ctx, tx, network, "62770000", "62779999")
	})
}

func (b *bench) standIn(p route.Policy) {
	b.Helper()
	p.BIN = "627700"
	b.update(func(ctx context.Context, tx db.Tx) error { return route.SetPolicy(ctx, tx, p) })
}

// named is the balance of an account of the host's own; 0 where it was never opened.
func (b *bench) named(name string) int64 {
	b.Helper()
	var a ledger.Account
	b.update(func(ctx context.Context, tx db.Tx) error {
		a, _ = ledger.ByName(ctx, tx, name)
		return nil
	})
	return a.Balance
}

// last is the newest payment.
func (b *bench) last() (p Transaction) {
	b.Helper()
	b.update(func(ctx context.Context, tx db.Tx) error {
		rows, err := Transactions(ctx, tx, testTID)
		p = rows[len(rows)-1]
		return err
	})
	return p
}

func (b *bench) forward(want int) {
	b.Helper()
	n, err := b.desk.Forward(context.Background())
	if err != nil || n != want {
		b.Errorf("forwarded %d, %v; %d wanted", n, err, want)
	}
}

func (b *bench) balanced() {
	b.Helper()
	if t := b.trial(); !t.OK() {
		b.Errorf("trial balance = %+v", t)
	}
}

// sold makes a sale that is approved.
func (b *bench) sold(c *hosttest.Card, amount int64) (*iso8583.FinancialRequest, *iso8583.FinancialResponse) {
	b.Helper()
	m := b.term.Sale(c, amount)
	answer, err := b.term.Send(b, m)
	if err != nil {
		b.Fatal(err)
	}
	resp := answer.(*iso8583.FinancialResponse)
	if resp.Code != "00" {
		b.Fatalf("sale answered %s", resp.Code)
	}
	return m, resp
}

func eachBench(t *testing.T, fn func(b *bench, c *hosttest.Card)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBenchOn(t, d)
		fn(b, b.card("6277000000000011", "", 10000))
	})
}

// TestRouteIsKept (H03): the rule that won and its network are kept with the payment, a
// follow-up goes where its original went, and so does a reversal.
func TestRouteIsKept(t *testing.T) {
	eachBench(t, func(b *bench, c *hosttest.Card) {
		b.serve("visa-mc")
		m, resp := b.sold(c, 100)
		if p := b.last(); p.Network != "unionpay" || p.Rule != 1 {
			b.Errorf("default route: rule %d, %s", p.Rule, p.Network)
		}
		night := b.rule(route.Rule{Merchant: testMID, Low: "62770000", High: "62770099", Kind: "sale", Min: 500, From: 11 * 60, Until: 13 * 60, Priority: 9, Network: "visa-mc"})
		big, _ := b.sold(c, 500)
		if p := b.last(); p.Network != "visa-mc" || p.Rule != night {
			b.Errorf("rule %d, %s; %d, visa-mc wanted", p.Rule, p.Network, night)
		}
		b.want(b.term.About(iso8583.Void, c, 100, m, resp), "00")
		if p := b.last(); p.Network != "unionpay" || p.Rule != 1 {
			b.Errorf("void: rule %d, %s", p.Rule, p.Network)
		}
		b.want(b.term.Reversal(big, "98"), "00")
		b.at = b.at.Add(2 * time.Hour)
		b.sold(c, 500)
		if p := b.last(); p.Rule != 1 {
			b.Errorf("outside of the window: rule %d", p.Rule)
		}
		b.balanced()
	})
}

// TestNoRoute (H03): 92 where no rule matches, and where the rule's network does not serve
// the card.
func TestNoRoute(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "", 10000)
	b.rule(route.Rule{Low: "62770000", High: "62779999", Priority: 5, Network: "visa-mc"})
	b.want(b.term.Sale(c, 100), "92")
	b.update(func(ctx context.Context, tx db.Tx) error { return route.RemoveRule(ctx, tx, 5) })
	b.want(b.term.Sale(c, 100), "00")
	b.update(func(ctx context.Context, tx db.Tx) error { return route.RemoveRule(ctx, tx, 1) })
	b.want(b.term.Sale(c, 100), "92")
}

// TestLinkDown (H01): a network that is down answers 91, others serve; the fallback of a rule
// is taken, where it serves the card; draining takes follow-ups only.
func TestLinkDown(t *testing.T) {
	eachBench(t, func(b *bench, c *hosttest.Card) {
		first, firstResp := b.sold(c, 100)
		second, secondResp := b.sold(c, 100)
		b.network("unionpay", route.Draining)
		b.want(b.term.Sale(c, 100), "91")
		b.want(b.term.About(iso8583.Void, c, 100, first, firstResp), "00")
		b.network("unionpay", route.Down)
		b.want(b.term.Sale(c, 100), "91")
		b.want(b.term.Request(iso8583.Balance, c, 0), "91")
		b.want(b.term.Request(iso8583.Preauth, c, 100), "91")
		b.want(b.term.About(iso8583.Void, c, 100, second, secondResp), "91")
		b.rule(route.Rule{Low: "62770000", High: "62779999", Priority: 5, Network: "unionpay", Fallback: "visa-mc"})
		b.want(b.term.Sale(c, 100), "91") // the fallback does not serve the BIN
		b.serve("visa-mc")
		b.want(b.term.Sale(c, 100), "00")
		if p := b.last(); p.Network != "visa-mc" || p.Rule != 5 {
			b.Errorf("fallback: rule %d, %s", p.Rule, p.Network)
		}
		b.network("unionpay", route.Up)
		b.want(b.term.Sale(c, 100), "00")
		if p := b.last(); p.Network != "unionpay" {
			b.Errorf("up again: %s", p.Network)
		}
		b.balanced()
	})
}

var generous = route.Policy{Max: 1000, DayAmount: 3000, DayCount: 3, PIN: route.RefusePIN}

// TestStandInForwards (H06): what was approved in the issuer's place is on the suspense
// account until the issuer has it, and reaches it once.
func TestStandInForwards(t *testing.T) {
	eachBench(t, func(b *bench, c *hosttest.Card) {
		b.standIn(generous)
		b.network("unionpay", route.Down)
		m, resp := b.sold(c, 600)
		if p := b.last(); !p.StandIn || p.Moved != 600 {
			b.Errorf("payment = %+v", p)
		}
		if got := b.balance(c); got != 10000 {
			b.Errorf("the issuer's account has %d while its network is down", got)
		}
		b.want(m, "00") // the same again is the stored answer
		b.forward(0)
		if got := b.named("stand-in unionpay CNY"); got != -600 {
			b.Errorf("suspense = %d, want -600", got)
		}
		b.network("unionpay", route.Up)
		b.forward(1)
		b.forward(0)
		if got, rest := b.balance(c), b.named("stand-in unionpay CNY"); got != 9400 || rest != 0 {
			b.Errorf("card %d, suspense %d; 9400 and 0 wanted", got, rest)
		}
		b.want(b.term.About(iso8583.Void, c, 600, m, resp), "00")
		if got, rest := b.balance(c), b.named("stand-in unionpay CNY"); got != 10000 || rest != 0 {
			b.Errorf("after the void: card %d, suspense %d", got, rest)
		}
		b.balanced()
	})
}

// TestStandInTakenBack (H06, H07): in whatever order link, reversal, void and refund come, the
// card and the suspense account end where they should.
func TestStandInTakenBack(t *testing.T) {
	rows := []struct {
		name           string
		run            func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, resp *iso8583.FinancialResponse)
		card, suspense int64
	}{
		{"reversal before the link", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, _ *iso8583.FinancialResponse) {
			b.want(b.term.Reversal(m, "98"), "00")
			b.network("unionpay", route.Up)
			b.forward(0)
		}, 10000, 0},
		{"reversal after it", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, _ *iso8583.FinancialResponse) {
			b.network("unionpay", route.Up)
			b.forward(1)
			b.want(b.term.Reversal(m, "98"), "00")
		}, 10000, 0},
		{"void before the advice", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, resp *iso8583.FinancialResponse) {
			b.network("unionpay", route.Up)
			b.want(b.term.About(iso8583.Void, c, 600, m, resp), "00")
			b.forward(0)
		}, 10000, 0},
		{"the void reversed", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, resp *iso8583.FinancialResponse) {
			b.network("unionpay", route.Up)
			void := b.term.About(iso8583.Void, c, 600, m, resp)
			b.want(void, "00")
			b.forward(0)
			b.want(b.term.Reversal(void, "98"), "00")
			b.forward(1)
		}, 9400, 0},
		{"refund of a part before the advice", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, resp *iso8583.FinancialResponse) {
			b.want(b.term.About(iso8583.Refund, c, 250, m, resp), "00")
			b.network("unionpay", route.Up)
			b.forward(1)
		}, 9650, 0},
		{"voided, then reversed", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest, resp *iso8583.FinancialResponse) {
			b.network("unionpay", route.Up)
			b.forward(1)
			b.want(b.term.About(iso8583.Void, c, 600, m, resp), "00")
			b.want(b.term.Reversal(m, "98"), "00")
			b.forward(0)
		}, 10000, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			c := b.card("6277000000000011", "", 10000)
			b.standIn(generous)
			b.network("unionpay", route.Down)
			m, resp := b.sold(c, 600)
			row.run(b, c, m, resp)
			if card, rest := b.balance(c), b.named("stand-in unionpay CNY"); card != row.card || rest != row.suspense {
				t.Errorf("card %d, suspense %d; %d and %d wanted", card, rest, row.card, row.suspense)
			}
			b.balanced()
		})
	}
}

// TestStandInDiffers (H06): what the issuer would have declined is the acquirer's loss, and a
// difference for a person.
func TestStandInDiffers(t *testing.T) {
	eachBench(t, func(b *bench, _ *hosttest.Card) {
		poor := b.card("6277000000000029", "", 500)
		b.standIn(generous)
		b.network("unionpay", route.Down)
		m, _ := b.sold(poor, 600)
		b.network("unionpay", route.Up)
		b.forward(1)
		if card, loss := b.balance(poor), b.named("stand-in loss CNY"); card != 500 || loss != -600 {
			b.Errorf("card %d, loss %d; 500 and -600 wanted", card, loss)
		}
		b.update(func(ctx context.Context, tx db.Tx) error {
			list, err := Differences(ctx, tx, true)
			if len(list) != 1 || list[0].Kind != DiffStandIn {
				b.Errorf("differences = %+v", list)
			}
			return err
		})
		b.want(b.term.Reversal(m, "98"), "00")
		if loss := b.named("stand-in loss CNY"); loss != 0 {
			b.Errorf("loss after the reversal = %d", loss)
		}
		b.balanced()
	})
}

// TestStandInRefuses (H06): one row for each bound of the policy. No payment leaves a trace
// in the queue.
func TestStandInRefuses(t *testing.T) {
	rows := []struct {
		name   string
		policy route.Policy
		make   func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest
		code   string
	}{
		{"above the amount", generous, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest { return b.term.Sale(c, 1001) }, "91"},
		{"above the day's amount", route.Policy{Max: 1000, DayAmount: 1000, DayCount: 9, PIN: route.RefusePIN}, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest {
			b.want(b.term.Sale(c, 600), "00")
			return b.term.Sale(c, 401)
		}, "91"},
		{"above the day's count", route.Policy{Max: 1000, DayAmount: 9000, DayCount: 1, PIN: route.RefusePIN}, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest {
			b.want(b.term.Sale(c, 1), "00")
			return b.term.Sale(c, 1)
		}, "91"},
		{"PIN that nobody verifies", generous, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest {
			c.PIN = "123456"
			return b.term.Sale(c, 1)
		}, "91"},
		{"typed", generous, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest { return b.term.Typed(c, 1) }, "91"},
		{"wrong cryptogram", generous, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest {
			m := b.term.Sale(c, 100)
			m.ICC = c.Sign(99, emv.CNY, false).Pack()
			return m
		}, "05"},
		{"certificate used before", generous, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest {
			b.want(b.term.Sale(c, 100), "00")
			c.ATC--
			return b.term.Sale(c, 100)
		}, "05"},
		{"expired", generous, func(b *bench, c *hosttest.Card) *iso8583.FinancialRequest {
			m := b.term.Sale(c, 100)
			m.Expiry = "2610"
			return m
		}, "54"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			c := b.card("6277000000000011", "", 10000)
			b.standIn(row.policy)
			b.network("unionpay", route.Down)
			m := row.make(b, c)
			before := b.named("stand-in unionpay CNY")
			b.want(m, row.code)
			if got := b.named("stand-in unionpay CNY"); got != before {
				t.Errorf("suspense went from %d to %d", before, got)
			}
			b.balanced()
		})
	}
}

// TestValidation (H05): one negative test for each check, with its response code. Fields 12
// and 13 are not in a terminal's request: there is no date to check.
func TestValidation(t *testing.T) {
	type request = iso8583.FinancialRequest
	off := func(scope, id string) func(*bench, *hosttest.Card, *request) {
		return func(b *bench, _ *hosttest.Card, _ *request) {
			b.update(func(ctx context.Context, tx db.Tx) error { return route.SetSwitch(ctx, tx, scope, id, "sale", false) })
		}
	}
	rows := []struct {
		name   string
		change func(b *bench, c *hosttest.Card, m *request)
		code   string
	}{
		{"certificate of another terminal", func(b *bench, _ *hosttest.Card, m *request) { b.peer.TID = "POSD0009" }, "97"},
		{"serial number of another device", func(b *bench, _ *hosttest.Card, m *request) { b.peer.SN = "OTHER" }, "97"},
		{"terminal of another merchant", func(b *bench, _ *hosttest.Card, m *request) { m.Merchant = "104403154110009" }, "97"},
		{"terminal suspended", func(b *bench, _ *hosttest.Card, _ *request) {
			b.update(func(ctx context.Context, tx db.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE terminal SET status = $1`, estate.Suspended)
				return err
			})
		}, "97"},
		{"merchant suspended", func(b *bench, _ *hosttest.Card, _ *request) {
			b.update(func(ctx context.Context, tx db.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE merchant SET status = $1`, estate.Suspended)
				return err
			})
		}, "03"},
		{"type switched off for the terminal", off(route.OfTerminal, testTID), "58"},
		{"type switched off for the merchant", off(route.OfMerchant, testMID), "57"},
		{"amount of zero", func(_ *bench, _ *hosttest.Card, m *request) { m.Amount = 0 }, "13"},
		{"another currency", func(_ *bench, _ *hosttest.Card, m *request) { m.Currency = emv.USD }, "12"},
		{"same key, another amount", func(b *bench, c *hosttest.Card, m *request) {
			b.want(b.term.Sale(c, 100), "00")
			m.STAN = b.term.STAN
		}, "94"},
		{"another batch", func(_ *bench, _ *hosttest.Card, m *request) { m.Private.Batch++ }, "77"},
		{"expired", func(_ *bench, _ *hosttest.Card, m *request) { m.Expiry = "2610" }, "54"},
		{"no cryptogram", func(_ *bench, _ *hosttest.Card, m *request) { m.ICC = nil }, "45"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			c := b.card("6277000000000011", "", 10000, func(*issuer.NewCard) {})
			m := b.term.Sale(c, 200)
			row.change(b, c, m)
			before := b.balance(c)
			answer, err := b.Exchange(b.term.Seal(m)) // a stranger's answer has no MAC
			if err != nil {
				t.Fatal(err)
			}
			if _, got, err := iso8583.CUP().Parse(answer); err != nil || got.(*iso8583.FinancialResponse).Code != row.code {
				t.Errorf("answer %+v, %v; %s wanted", got, err, row.code)
			}
			if got := b.balance(c); got != before {
				t.Errorf("balance went from %d to %d", before, got)
			}
		})
	}
	t.Run("wrong MAC", func(t *testing.T) {
		b := newBench(t)
		c := b.card("6277000000000011", "", 10000)
		frame := b.term.Seal(b.term.Sale(c, 200))
		frame[len(frame)-1] ^= 1
		answer, err := b.Exchange(frame)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := b.term.Open(answer); err != nil || m.(*iso8583.FinancialResponse).Code != "A0" {
			t.Errorf("answer %+v, %v; A0 wanted", m, err)
		}
		if got := b.balance(c); got != 10000 {
			t.Errorf("balance = %d", got)
		}
	})
}

// TestSwitchOn (H05): a type that is switched on again is served.
func TestSwitchOn(t *testing.T) {
	eachBench(t, func(b *bench, c *hosttest.Card) {
		set := func(on bool) {
			b.update(func(ctx context.Context, tx db.Tx) error {
				return route.SetSwitch(ctx, tx, route.OfTerminal, testTID, "sale", on)
			})
		}
		set(false)
		set(false)
		b.want(b.term.Sale(c, 100), "58")
		set(true)
		b.want(b.term.Sale(c, 100), "00")
	})
}
