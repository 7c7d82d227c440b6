package acquirer

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/db"
	"posd/host-sim/db/dbtest"
	"posd/host-sim/hosttest"
	"posd/host-sim/hsm"
	"posd/host-sim/issuer"
	"posd/transport/iso8583"
)

// TestFormatErrorOfEveryClass: a request that cannot be read gets 30 in its own class.
func TestFormatErrorOfEveryClass(t *testing.T) {
	s := newTill(t)
	sale, resp := s.pay(iso8583.Sale, 100)
	upload := s.end(iso8583.EndUnbalanced, 0)
	for _, m := range []iso8583.Message{
		s.term.Request(iso8583.Preauth, s.c, 100), s.term.About(iso8583.Refund, s.c, 100, sale, resp), s.term.Reversal(sale, "98"),
		s.term.Settlement(iso8583.Totals{}, iso8583.Totals{}), upload, s.notice(sale, resp, []byte{0xDF, 0x31, 1, 0x20}),
	} {
		whole := s.term.Seal(m)
		reply, err := s.desk.Answer(t.Context(), s.peer, whole[:len(whole)-10])
		if err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		code, err := s.term.Code(answers{reply.Frame}, m)
		if err != nil || code != "30" {
			t.Errorf("%T: code %s, %v", m, code, err)
		}
	}
}

// answers is a line that says the same to everything.
type answers struct{ frame []byte }

func (a answers) Exchange([]byte) ([]byte, error) { return a.frame, nil }

// notice makes the script notice of a payment.
func (t *till) notice(m *iso8583.FinancialRequest, r *iso8583.FinancialResponse, icc []byte) *iso8583.ScriptRequest {
	t.term.STAN++
	return &iso8583.ScriptRequest{
		Type: m.Type, PAN: m.PAN, Amount: m.Amount, STAN: t.term.STAN, EntryMode: m.EntryMode, PANSequence: m.PANSequence,
		AcquirerID: "48020000", RRN: r.RRN, AuthCode: r.AuthCode, Terminal: m.Terminal, Merchant: m.Merchant, Currency: m.Currency, ICC: icc,
		Private:  iso8583.Private{Batch: t.term.Batch, Digits: 11},
		Original: iso8583.Original{Batch: m.Private.Batch, STAN: m.STAN, Date: r.Date},
	}
}

// TestScripts: on demand, with the next answer and no other, and the result comes back.
func TestScripts(t *testing.T) {
	s := newTill(t)
	s.update(func(ctx context.Context, tx db.Tx) error {
		smi, err := s.hsm.Import(hsm.SMI, bytes.Repeat([]byte{0x11, 0x22}, 8))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE issuer_key SET smi = $1`, []byte(smi)); err != nil {
			return err
		}
		card, err := issuer.FindCard(ctx, tx, s.hsm.PANHash(s.c.PAN), s.c.PSN)
		if err != nil {
			return err
		}
		if _, err := issuer.QueueScript(ctx, tx, card, issuer.ScriptAfter, "format-card"); err == nil {
			t.Error("an unknown command was queued")
		}
		_, err = issuer.QueueScript(ctx, tx, card, issuer.ScriptAfter, "pin-unblock")
		return err
	})
	m, r := s.pay(iso8583.Sale, 100)
	script, ok := tlv.Find(r.ICC, tag.IssuerScriptTemplate2)
	command, _ := tlv.Find(script, tag.IssuerScriptCommand)
	if !ok || len(command) != 13 || !bytes.HasPrefix(command, []byte{0x84, 0x24, 0, 0, 8}) {
		t.Fatalf("field 55 %X: command %X", r.ICC, command)
	}
	if again := s.send(m, "00"); !bytes.Equal(again.ICC, r.ICC) {
		t.Error("the repeated answer has another script")
	}
	if _, r := s.pay(iso8583.Sale, 100); len(r.ICC) == 0 || bytes.Contains(r.ICC, command) {
		t.Errorf("the next answer: %X", r.ICC)
	}
	n := s.notice(m, r, []byte{0xDF, 0x31, 5, 0x20, 0, 0, 0, 1})
	s.want(n, "00")
	s.want(n, "00")
	stranger := *n
	stranger.Original.STAN = 800
	s.want(&stranger, "25")
	stranger = *n
	stranger.PAN = hosttest.NewCard("6277000000000029", "").PAN
	s.want(&stranger, "25")
	s.update(func(ctx context.Context, tx db.Tx) error {
		scripts, err := issuer.Scripts(ctx, tx)
		if len(scripts) != 1 || scripts[0].Result != "2000000001" || scripts[0].RRN != r.RRN {
			t.Errorf("scripts: %+v", scripts)
		}
		return err
	})
}

// TestSuites: sign-on and payments under every suite, and the sign-on of another is refused.
func TestSuites(t *testing.T) {
	rows := []struct {
		suite keyblock.Suite
		f     iso8583.Function
		wrong []iso8583.Function
	}{
		{keyblock.TDES, iso8583.SignOnTrackKey, []iso8583.Function{iso8583.SignOnSM4, iso8583.SignOnAES}},
		{keyblock.SM4, iso8583.SignOnSM4, []iso8583.Function{iso8583.SignOnDouble, iso8583.SignOnSingle, iso8583.SignOnAES}},
		{keyblock.AES, iso8583.SignOnAES, []iso8583.Function{iso8583.SignOnTrackKey, iso8583.SignOnSingle, iso8583.SignOnSM4}},
	}
	for _, row := range rows {
		t.Run(string(row.suite), func(t *testing.T) {
			s := newTill(t)
			s.c.PIN = "" // its block is made by package emv/pinblock, which has tests of its own
			tmk := append(bytes.Repeat([]byte{0x31}, 8), bytes.Repeat([]byte{0x52}, 8)...)
			s.update(func(ctx context.Context, tx db.Tx) error {
				sealed, err := s.hsm.ImportSuite(hsm.TMK, row.suite, tmk)
				if err != nil {
					return err
				}
				_, err = tx.ExecContext(ctx, `UPDATE terminal SET tmk = $1`, []byte(sealed))
				return err
			})
			s.term.Suite = row.suite
			for _, f := range row.wrong {
				if resp, err := s.term.Ask(s.bench, f, []byte("Sequence No12306000000001")); err != nil || resp.Code != "40" {
					t.Errorf("sign-on %v: %+v, %v; want 40", f, resp, err)
				}
			}
			s.signOn(row.f)
			m, r := s.pay(iso8583.Sale, 1200)
			s.about(iso8583.Refund, 200, m, r, "00")
			s.signOn(row.f)
			s.send(m, "00") // stored, with the MAC renewed under the new key
			m = s.term.Request(iso8583.Sale, s.c, 5)
			frame := s.term.Seal(m)
			frame[len(frame)-1] ^= 1
			if code, err := s.term.Code(spoilt{s, frame}, m); err != nil || code != "A0" {
				t.Errorf("wrong MAC: code %s, %v", code, err)
			}
			s.money(open-1000, 0)
		})
	}
}

// spoilt is a line over which another frame goes.
type spoilt struct {
	*till
	frame []byte
}

func (l spoilt) Exchange([]byte) ([]byte, error) { return l.till.Exchange(l.frame) }

// TestBinding: field 59 has to be of the device that the terminal number is bound to.
func TestBinding(t *testing.T) {
	tmk := append(bytes.Repeat([]byte{0x31}, 8), bytes.Repeat([]byte{0x52}, 8)...)
	field59 := func(serial, factor string, master []byte) []byte {
		key, err := binding.Key(keyblock.TDES, master)
		if err != nil {
			t.Fatal(err)
		}
		block, err := keyblock.TDES.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := binding.Append(nil, binding.Terminal{Kind: "04", Serial: serial, Factor: factor, Proof: binding.Proof(block, serial, factor), Version: "1.0"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	rows := []struct {
		name   string
		device []byte
		code   string
	}{
		{"none", nil, "00"},
		{"right", field59(testSN, "000011", tmk), "00"},
		{"another serial number", field59("SIM00000002", "000011", tmk), "58"},
		{"made for another card", field59(testSN, "000029", tmk), "58"},
		{"made with another key", field59(testSN, "000011", bytes.Repeat([]byte{1, 2}, 8)), "58"},
		{"nonsense", []byte("A2003xyz"), "58"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := newTill(t)
			m := s.term.Request(iso8583.Sale, s.c, 100)
			m.Device = row.device
			s.want(m, row.code)
			rev := s.term.Reversal(m, "98")
			rev.Device = row.device
			s.want(rev, row.code)
			if row.code == "58" && !strings.Contains(s.log.String(), "the device is not the one that is bound") {
				t.Errorf("log:\n%s", s.log)
			}
			s.money(open, 0)
		})
	}
	t.Run("none, where it has to be", func(t *testing.T) {
		s := newTill(t)
		s.update(func(ctx context.Context, tx db.Tx) error { return SetBinding(ctx, tx, testTID, true) })
		s.want(s.term.Request(iso8583.Sale, s.c, 100), "58")
		s.settleBatch() // which has no field 59
		m := s.term.Request(iso8583.Sale, s.c, 100)
		m.Device, m.Private.Batch = rows[1].device, s.term.Batch
		s.want(m, "00")
	})
}

// walk makes random payments of every kind, about random others, repeats and reverses, and
// holds the books against plain sums of what the host approved. It returns the first
// disagreement.
func walk(s *till, steps int, pick picker) error {
	type done struct {
		m        *iso8583.FinancialRequest
		r        *iso8583.FinancialResponse
		reversed bool
	}
	var all []*done
	kinds := []iso8583.TransactionType{
		iso8583.Sale, iso8583.Preauth, iso8583.Balance, iso8583.OfflineSale, iso8583.OfflineChip, iso8583.Void, iso8583.Refund,
		iso8583.PreauthVoid, iso8583.PreauthCompletion, iso8583.PreauthAdvice, iso8583.PreauthCompletionVoid, iso8583.TipAdjust, iso8583.OfflineAdjust,
	}
	for range steps {
		switch n := len(all); {
		case n > 0 && pick(5) == 0: // again, word for word
			x := all[pick(n)]
			r, err := s.answer(x.m)
			if err != nil || r.Code != x.r.Code || r.RRN != x.r.RRN {
				return fmt.Errorf("%v again: %s %s, was %s %s (%v)", x.m.Type, r.Code, r.RRN, x.r.Code, x.r.RRN, err)
			}
		case n > 0 && pick(5) == 0: // reversed
			x := all[pick(n)]
			if x.m.Amount == 0 {
				continue
			}
			code, err := s.term.Code(s.bench, s.term.Reversal(x.m, "98"))
			if err != nil {
				return err
			}
			x.reversed = x.reversed || code == "00"
		default:
			kind := kinds[pick(len(kinds))]
			amount := int64(1 + pick(3000))
			if kind == iso8583.Balance {
				amount = 0
			}
			m := s.term.Request(kind, s.c, amount)
			if rules[kind].of != nil && n > 0 {
				o := all[pick(n)]
				for range 8 { // most of them about something that fits
					if slices.Contains(rules[kind].of, o.m.Type) {
						break
					}
					o = all[pick(n)]
				}
				if pick(3) > 0 {
					amount = o.m.Amount
				}
				m = s.term.About(kind, s.c, max(amount, 1), o.m, o.r)
			}
			r, err := s.answer(m)
			if err != nil {
				return err
			}
			all = append(all, &done{m, r, false})
		}
	}
	return s.agree()
}

func (t *till) answer(m *iso8583.FinancialRequest) (*iso8583.FinancialResponse, error) {
	answer, err := t.term.Send(t.bench, m)
	if err != nil {
		return nil, err
	}
	return answer.(*iso8583.FinancialResponse), nil
}

// agree holds the books against themselves in four ways: trial balance, what the payments
// moved against the card's balance, its holds against the payments that hold, and the
// totals of the batch against the same sum.
func (t *till) agree() error {
	var moved, held int64
	var rows []Transaction
	t.update(func(ctx context.Context, tx db.Tx) (err error) {
		rows, err = Transactions(ctx, tx, testTID)
		return err
	})
	refunded, back := map[string]int64{}, map[string]int64{}
	for _, p := range rows {
		moved += p.Moved
		if p.State == Approved {
			held += p.Held
		}
		if p.Kind == "refund" && p.State == Approved {
			back[p.Original] += p.Amount
		}
		refunded[p.RRN] = p.Refunded
		if p.Refunded > p.Total {
			return fmt.Errorf("%s of %d: %d refunded", p.Kind, p.Total, p.Refunded)
		}
	}
	for rrn, sum := range back {
		if refunded[rrn] != sum {
			return fmt.Errorf("payment %s: refunds of %d, noted %d", rrn, sum, refunded[rrn])
		}
	}
	a, c := t.account(), t.hostTotals()
	switch {
	case a.Balance != open-moved:
		return fmt.Errorf("balance %d, payments moved %d of %d", a.Balance, moved, open)
	case a.Held != held:
		return fmt.Errorf("held %d, payments hold %d", a.Held, held)
	case c.domestic.DebitAmount-c.domestic.CreditAmount != moved:
		return fmt.Errorf("totals %+v, payments moved %d", c.domestic, moved)
	}
	if trial := t.trial(); !trial.OK() {
		return fmt.Errorf("trial balance: %+v", trial)
	}
	return nil
}

// TestEveryKindAtRandom: whatever is asked about whatever, repeated and reversed, the books
// agree with themselves.
func TestEveryKindAtRandom(t *testing.T) {
	for seed := range uint64(25) {
		s := newTill(t)
		if err := walk(s, 60, rand.New(rand.NewPCG(seed, 3)).IntN); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, strings.Join(s.states(), "\n"))
		}
	}
}

// TestEveryKindAtRandomSeesPlantedBugs: each bug is planted into the database as a trigger
// that spoils what the host writes, and is found within a few walks.
func TestEveryKindAtRandomSeesPlantedBugs(t *testing.T) {
	bugs := map[string]string{
		"a balance that a posting forgets":   `CREATE TRIGGER bug AFTER INSERT ON transfer WHEN NEW.amount > 1000 BEGIN UPDATE account SET balance = balance + 1 WHERE id = NEW.from_account; END`,
		"a refund that is not noted":         `CREATE TRIGGER bug AFTER UPDATE OF refunded ON payment WHEN NEW.refunded > 0 BEGIN UPDATE payment SET refunded = 0 WHERE rrn = NEW.rrn; END`,
		"a hold that stays after its void":   `CREATE TRIGGER bug AFTER UPDATE OF state ON hold WHEN NEW.state = 'released' BEGIN UPDATE account SET held = held + NEW.amount WHERE id = NEW.account_id; END`,
		"a void that does not mark its sale": `CREATE TRIGGER bug AFTER INSERT ON payment WHEN NEW.kind = 'void' AND NEW.state = 'approved' BEGIN UPDATE payment SET state = 'declined' WHERE rrn = NEW.original; END`,
		"a reversal that is marked only":     `CREATE TRIGGER bug AFTER UPDATE OF state ON payment WHEN NEW.state = 'reversed' BEGIN UPDATE payment SET state = 'approved' WHERE rrn = NEW.rrn AND class = 512; END`,
	}
	for name, bug := range bugs {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(25) {
				b := newBenchOn(t, dbtest.SQLite(t)) // the triggers are in its words
				s := &till{b, b.card("6277000000000011", "123456", 100000)}
				s.update(func(ctx context.Context, tx db.Tx) error {
					_, err := tx.ExecContext(ctx, bug)
					return err
				})
				if err := walk(s, 60, rand.New(rand.NewPCG(seed, 3)).IntN); err != nil {
					t.Logf("found with seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not found")
		})
	}
}

// TestTypedCardsHaveNoSequenceNumber: the card of the lowest one pays.
func TestTypedCardsHaveNoSequenceNumber(t *testing.T) {
	s := newTill(t)
	s.card("6277000000000011", "", 7, func(n *issuer.NewCard) { n.PSN = 2 })
	s.update(func(ctx context.Context, tx db.Tx) error {
		return issuer.SetPolicy(ctx, tx, issuer.Policy{BIN: "", Typed: issuer.Allow, Stripe: issuer.Refuse, HoldDays: 1, CompletionPercent: 100})
	})
	s.send(s.term.Typed(s.c, 100), "00")
	s.money(open-100, 0)
}

// TestMoved: what the ledger says of each payment adds up to what the merchant has.
func TestMoved(t *testing.T) {
	s := newTill(t)
	m, r := s.pay(iso8583.Sale, 1200)
	s.about(iso8583.TipAdjust, 1300, m, r, "00")
	s.about(iso8583.Void, 1300, m, r, "00")
	m, r = s.pay(iso8583.Sale, 2000)
	s.about(iso8583.Refund, 500, m, r, "00")
	m, _ = s.pay(iso8583.Sale, 3000)
	s.reverse(m, "00")
	s.pay(iso8583.Preauth, 4000)
	var got []string
	s.update(func(ctx context.Context, tx db.Tx) error {
		rows, err := Transactions(ctx, tx, testTID)
		for _, p := range rows {
			got = append(got, fmt.Sprintf("%s %d %d %s", p.Kind, p.Moved, p.Held, p.State))
		}
		return err
	})
	want := "sale 1200 0 voided|tip_adjust 100 0 approved|void -1300 0 approved|sale 2000 0 approved|refund -500 0 approved|sale 0 0 reversed|preauth 0 4000 approved"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
}
