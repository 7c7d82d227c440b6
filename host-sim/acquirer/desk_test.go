package acquirer

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/tag"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hosttest"
	"posd/host-sim/issuer"
	"posd/transport/iso8583"
)

func TestSaleIsApproved(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	values := func() hosttest.Values { c.ATC--; return c.Sign(1200, emv.CNY, true) }
	m := b.term.Sale(c, 1200)
	signed := values()
	answer, err := b.term.Send(b, m)
	if err != nil {
		t.Fatal(err)
	}
	resp := answer.(*iso8583.FinancialResponse)
	if resp.Code != "00" || len(resp.AuthCode) != 6 || len(resp.RRN) != 12 || resp.Amount != 1200 || resp.STAN != m.STAN || resp.PAN != m.PAN {
		t.Errorf("answer = %+v", resp)
	}
	if resp.Time != "120000" || resp.Date != "1123" || resp.AcquirerID != "48020000" || resp.Issuer != "01020000" {
		t.Errorf("answer = %+v", resp)
	}
	if err := c.CheckARPC(signed, resp.ICC); err != nil {
		t.Error(err)
	}
	if got := b.balance(c); got != 8800 {
		t.Errorf("balance = %d, want 8800", got)
	}
	if got := b.trial(); !got.OK() {
		t.Errorf("trial balance = %+v", got)
	}
}

// TestDeclines: one row per check, in the order of the checks.
func TestDeclines(t *testing.T) {
	rows := []struct {
		name   string
		card   func(*issuer.NewCard)
		change func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest)
		code   string
	}{
		{"unknown card", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			m.PAN = hosttest.NewCard("6277009999999999", "").PAN
		}, "14"},
		{"unknown sequence number", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.PANSequence = 2 }, "14"},
		{"no card number", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.PAN = emv.PAN{} }, "14"},
		{"no amount", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.Amount = 0 }, "13"},
		{"lost", func(n *issuer.NewCard) { n.Status = issuer.Lost }, nil, "41"},
		{"stolen", func(n *issuer.NewCard) { n.Status = issuer.Stolen }, nil, "43"},
		{"restricted", func(n *issuer.NewCard) { n.Status = issuer.Restricted }, nil, "62"},
		{"expired", func(n *issuer.NewCard) { n.Expiry = "2610" }, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			m.Expiry = "2610"
		}, "54"},
		{"expiry differs", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.Expiry = "3612" }, "54"},
		{"wrong PIN", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			wrong := *c
			wrong.PIN = "123457"
			m.PINBlock = b.term.PINBlock(&wrong)
		}, "55"},
		{"PIN block of another key", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			m.PINBlock = []byte{1, 2, 3, 4, 5, 6, 7, 8}
		}, "99"},
		{"no chip data", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.ICC = nil }, "45"},
		{"broken chip data", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.ICC = m.ICC[:len(m.ICC)-1] }, "05"},
		{"an object twice", nil, resign(func(v hosttest.Values) {}, func(icc []byte) []byte { return append(icc, 0x95, 5, 0x80, 0, 4, 0, 0) }), "05"},
		{"wrong cryptogram", nil, resign(func(v hosttest.Values) { v[tag.ApplicationCryptogram][0] ^= 1 }, nil), "05"},
		{"cryptogram over another amount", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			m.ICC = c.Sign(m.Amount-1, emv.CNY, true).Pack()
		}, "05"},
		{"unknown cryptogram version", nil, resign(func(v hosttest.Values) { v[tag.IssuerApplicationData][2] = 17 }, nil), "05"},
		{"unknown key index", nil, resign(func(v hosttest.Values) { v[tag.IssuerApplicationData][1] = 9 }, nil), "05"},
		{"ATC seen before", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(b.term.Sale(c, 1), "00") // uses the next counter
			c.ATC--
			m.ICC = c.Sign(m.Amount, emv.CNY, true).Pack()
		}, "05"},
		{"TVR without the PIN that came", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			m.ICC = c.Sign(m.Amount, emv.CNY, false).Pack()
		}, "05"},
		{"the card declined offline", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			v := c.Sign(m.Amount, emv.CNY, true)
			v[tag.CryptogramInformationData] = []byte{0x00}
			m.ICC = v.Pack()
		}, "05"},
		{"above the limit", func(n *issuer.NewCard) { n.Limit = 1199 }, nil, "61"},
		{"insufficient funds", func(n *issuer.NewCard) { n.Opening = 1199 }, nil, "51"},
		{"another currency", nil, func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) { m.Currency = emv.USD }, "12"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			change := row.card
			if change == nil {
				change = func(*issuer.NewCard) {}
			}
			c := b.card("6277000000000011", "123456", 10000, change)
			m := b.term.Sale(c, 1200)
			if row.change != nil {
				row.change(b, c, m)
			}
			before := b.balance(c)
			b.want(m, row.code)
			if got := b.balance(c); got != before {
				t.Errorf("balance went from %d to %d", before, got)
			}
			if m.Amount > 0 && !m.PAN.IsZero() { // a reversal has both
				b.want(b.term.Reversal(m, "98"), "00")
			}
			if got := b.trial(); !got.OK() {
				t.Errorf("trial balance = %+v", got)
			}
		})
	}
}

// resign changes the objects of field 55 after they were signed.
func resign(change func(hosttest.Values), more func([]byte) []byte) func(*bench, *hosttest.Card, *iso8583.FinancialRequest) {
	return func(_ *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
		v := c.Sign(m.Amount, emv.CNY, true)
		change(v)
		if m.ICC = v.Pack(); more != nil {
			m.ICC = more(m.ICC)
		}
	}
}

// TestDeclineCarriesARPC: a card must be able to tell a real decline.
func TestDeclineCarriesARPC(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "", 100)
	m := b.term.Sale(c, 1200)
	c.ATC--
	signed := c.Sign(1200, emv.CNY, false)
	answer, err := b.term.Send(b, m)
	if err != nil {
		t.Fatal(err)
	}
	resp := answer.(*iso8583.FinancialResponse)
	if resp.Code != "51" || resp.AuthCode != "" {
		t.Errorf("answer = %+v", resp)
	}
	if err := c.CheckARPC(signed, resp.ICC); err != nil {
		t.Error(err)
	}
}

func TestCVN10(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "", 10000)
	c.CVN = 10
	b.want(b.term.Sale(c, 1200), "00")
}

func TestPINTries(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	try := func(pin, code string) {
		t.Helper()
		c.PIN = pin
		b.want(b.term.Sale(c, 100), code)
	}
	try("111111", "55")
	try("111111", "55")
	try("123456", "00") // a right one forgets the wrong ones
	try("111111", "55")
	try("111111", "55")
	try("111111", "75")
	try("123456", "75") // blocked, even for the right one
	if got := b.balance(c); got != 9900 {
		t.Errorf("balance = %d, want 9900", got)
	}
}

// TestRefusals: what is refused before anything is posted, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	rows := []struct {
		name  string
		spoil func(b *bench, m *iso8583.FinancialRequest)
		code  string
	}{
		{"another terminal's number", func(b *bench, m *iso8583.FinancialRequest) { b.peer.TID = "POSD0002" }, "97"},
		{"another device's certificate", func(b *bench, m *iso8583.FinancialRequest) { b.peer.SN = "SIM00000002" }, "97"},
		{"another merchant", func(b *bench, m *iso8583.FinancialRequest) { m.Merchant = "104403154110002" }, "97"},
		{"suspended", func(b *bench, m *iso8583.FinancialRequest) {
			b.update(func(ctx context.Context, tx db.Tx) error { return estate.SetStatus(ctx, tx, testTID, estate.Suspended) })
		}, "97"},
		{"signed off", func(b *bench, m *iso8583.FinancialRequest) { b.term.Manage(b, iso8583.SignOff) }, "77"},
		{"another batch", func(b *bench, m *iso8583.FinancialRequest) { m.Private.Batch = 2 }, "77"},
		{"a type that is not served", func(b *bench, m *iso8583.FinancialRequest) { m.Type = iso8583.Instalment }, "40"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			c := b.card("6277000000000011", "123456", 10000)
			m := b.term.Sale(c, 1200)
			row.spoil(b, m)
			reply, err := b.desk.Answer(t.Context(), b.peer, b.term.Seal(m))
			if err != nil {
				t.Fatal(err)
			}
			_, answer, err := iso8583.CUP().Parse(reply.Frame)
			if err != nil || answer.(*iso8583.FinancialResponse).Code != row.code {
				t.Errorf("answer = %+v, %v; want %s", answer, err, row.code)
			}
			if got := b.states(); len(got) != 0 {
				t.Errorf("stored: %v", got)
			}
		})
	}
}

func TestWrongMAC(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	sale := b.term.Sale(c, 1200)
	for name, m := range map[string]iso8583.Message{"sale": sale, "reversal": b.term.Reversal(sale, "98")} {
		frame := b.term.Seal(m)
		frame[len(frame)-1] ^= 1
		answer, err := b.Exchange(frame)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.term.Open(answer) // the refusal itself carries a MAC
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch a := got.(type) {
		case *iso8583.FinancialResponse:
			if a.Code != "A0" {
				t.Errorf("%s: code %s, want A0", name, a.Code)
			}
		case *iso8583.ReversalResponse:
			if a.Code != "A0" {
				t.Errorf("%s: code %s, want A0", name, a.Code)
			}
		}
	}
	if got := b.states(); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}

func TestRepeatGetsTheStoredBytes(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	m := b.term.Sale(c, 1200)
	first, err := b.Exchange(b.term.Seal(m))
	if err != nil {
		t.Fatal(err)
	}
	b.at = b.at.Add(time.Hour)
	second, err := b.Exchange(b.term.Seal(m))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("second answer differs (%v)", err)
	}
	other := *m
	other.Amount = 1300
	b.want(&other, "94")
	if got := b.balance(c); got != 8800 {
		t.Errorf("balance = %d, want 8800", got)
	}
}

// TestRepeatAfterSignOn: the stored answer comes again, under the keys of now.
func TestRepeatAfterSignOn(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	m := b.term.Sale(c, 1200)
	b.want(m, "00")
	b.signOn(iso8583.SignOnDouble)
	b.want(m, "00") // Open in Code checks the MAC under the new key
	b.want(b.term.Reversal(m, "98"), "00")
	b.signOn(iso8583.SignOnTrackKey)
	b.want(b.term.Reversal(m, "98"), "00")
	if got := b.balance(c); got != 10000 {
		t.Errorf("balance = %d, want 10000", got)
	}
}

func TestReversal(t *testing.T) {
	rows := []struct {
		name string
		run  func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest)
		want []string // STAN, state, code, reason of the reversal
	}{
		{"of an approval", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(m, "00")
			b.want(b.term.Reversal(m, "98"), "00")
		}, []string{"2 reversed 00 98"}},
		{"twice", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(m, "00")
			b.want(b.term.Reversal(m, "98"), "00")
			b.want(b.term.Reversal(m, "06"), "00")
		}, []string{"2 reversed 00 98"}},
		{"of a decline", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			m.PINBlock = []byte{1, 2, 3, 4, 5, 6, 7, 8}
			b.want(m, "99")
			b.want(b.term.Reversal(m, "98"), "00")
		}, []string{"2 declined 99 98"}},
		{"before its original", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(b.term.Reversal(m, "98"), "00")
			b.want(m, "94")
			b.want(m, "94")
			b.want(b.term.Reversal(m, "98"), "00")
		}, []string{"2 tombstone  98"}},
		{"repeat of the original after it", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(m, "00")
			b.want(b.term.Reversal(m, "98"), "00")
			b.want(m, "00") // the stored answer; the money stays where it is
		}, []string{"2 reversed 00 98"}},
		{"of another card", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(m, "00")
			r := b.term.Reversal(m, "98")
			r.PAN = hosttest.NewCard("6277000000000029", "").PAN
			b.want(r, "25")
			b.want(b.term.Reversal(m, "98"), "00") // the right one still may
		}, []string{"2 reversed 00 98"}},
		{"of another amount", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(m, "00")
			r := b.term.Reversal(m, "98")
			r.Amount++
			b.want(r, "64")
			b.want(b.term.Reversal(m, "98"), "00")
		}, []string{"2 reversed 00 98"}},
		{"in a later batch", func(b *bench, c *hosttest.Card, m *iso8583.FinancialRequest) {
			b.want(m, "00")
			b.update(func(ctx context.Context, tx db.Tx) error { return estate.SetBatch(ctx, tx, testTID, 2) })
			b.signOn(iso8583.SignOnDouble)
			b.want(b.term.Reversal(m, "98"), "00")
		}, []string{"2 reversed 00 98"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			c := b.card("6277000000000011", "123456", 10000)
			row.run(b, c, b.term.Sale(c, 1200))
			if got := b.states(); fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("stored %q, want %q", got, row.want)
			}
			if got := b.balance(c); got != 10000 {
				t.Errorf("balance = %d, want 10000", got)
			}
			if got := b.trial(); !got.OK() {
				t.Errorf("trial balance = %+v", got)
			}
		})
	}
}

func TestEncipheredTrack(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	b.signOn(iso8583.SignOnTrackKey)
	m := b.term.Sale(c, 1200)
	m.PAN, m.Expiry = emv.PAN{}, ""
	b.term.SealTrack(m, "6277000000000011D35122201234567890")
	b.want(m, "00")
	b.signOn(iso8583.SignOnDouble) // the host has no track key now
	m = b.term.Sale(c, 1200)
	m.Security, m.Sealed = iso8583.SecurityControl(true, true, true), sealedByAnother(t)
	b.want(m, "A7")
}

func sealedByAnother(t *testing.T) iso8583.SealedTrack {
	t.Helper()
	key, err := keyblock.NewCipher(bytes.Repeat([]byte{9}, 16))
	if err != nil {
		t.Fatal(err)
	}
	track, err := emv.ParseTrack2("6277000000000011D35122201234567890")
	if err != nil {
		t.Fatal(err)
	}
	s, err := iso8583.SealTrack(key, track)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMalformed(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "", 10000)
	whole := b.term.Seal(b.term.Sale(c, 1200))
	cut := whole[:len(whole)-20] // the STAN is there, the end is not
	reply, err := b.desk.Answer(t.Context(), b.peer, cut)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.term.Open(reply.Frame)
	if err != nil || answer.(*iso8583.FinancialResponse).Code != "30" || reply.STAN != b.term.STAN {
		t.Errorf("answer = %+v, %v", answer, err)
	}
	for _, frame := range [][]byte{nil, {0x60}, whole[:15], whole[:25], bytes.Repeat([]byte{0xFF}, 100)} {
		if _, err := b.desk.Answer(t.Context(), b.peer, frame); err == nil {
			t.Errorf("a frame of %d bytes was answered", len(frame))
		}
	}
	if got := b.states(); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}

// TestAnswersAreNoRequests: the host must not take another host's word.
func TestAnswersAreNoRequests(t *testing.T) {
	b := newBench(t)
	frame := b.term.Seal(&iso8583.FinancialResponse{Type: iso8583.Sale, STAN: 5, Code: "00", Terminal: testTID, Merchant: testMID, PANSequence: -1})
	if _, err := b.desk.Answer(t.Context(), b.peer, frame); err == nil {
		t.Error("an answer was answered")
	}
}

// FuzzAnswer throws frames at the desk: no panic, and the books stay right.
func FuzzAnswer(f *testing.F) {
	b := newBench(f)
	c := b.card("6277000000000011", "123456", 10000)
	m := b.term.Sale(c, 1200)
	f.Add(b.term.Seal(m))
	f.Add(b.term.Seal(b.term.Reversal(m, "98")))
	f.Add(b.term.Seal(b.term.Request(iso8583.Preauth, c, 100)))
	f.Add(b.term.Seal(b.term.Settlement(iso8583.Totals{}, iso8583.Totals{})))
	f.Add(b.term.Seal(b.term.Upload(iso8583.EndUnbalanced)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		reply, err := b.desk.Answer(context.Background(), b.peer, frame)
		if err == nil && len(reply.Frame) == 0 {
			t.Error("neither answer nor error")
		}
	})
}

func TestReferenceNumbers(t *testing.T) {
	b := newBench(t)
	seen := map[string]bool{}
	b.update(func(ctx context.Context, tx db.Tx) error {
		for _, day := range []int{0, 1} {
			for _, node := range []int{0, 7, 99} {
				for range 40 {
					rrn, err := nextRRN(ctx, tx, node, b.at.AddDate(0, 0, day))
					if err != nil {
						return err
					}
					if len(rrn) != 12 || seen[rrn] {
						t.Errorf("reference number %q: length, or seen before", rrn)
					}
					seen[rrn] = true
				}
			}
		}
		return nil
	})
	if !seen["632700000001"] || !seen["63279900000Z"] {
		t.Errorf("reference numbers of 23 November 2026, day 327: %v", seen)
	}
}

// TestNoSecretsInLog: every path above logs; none may log a card number.
func TestNoSecretsInLog(t *testing.T) {
	b := newBench(t)
	c := b.card("6277000000000011", "123456", 10000)
	m := b.term.Sale(c, 1200)
	b.want(m, "00")
	b.want(m, "00")
	b.want(b.term.Reversal(m, "98"), "00")
	b.desk.Answer(t.Context(), b.peer, b.term.Seal(m)[:80])
	for _, secret := range []string{"6277000000000011", "123456789", "277000000000011"} {
		if bytes.Contains(b.log.Bytes(), []byte(secret)) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !bytes.Contains(b.log.Bytes(), []byte("627700******0011")) {
		t.Error("the log does not name the card, masked")
	}
}
