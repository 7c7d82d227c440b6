package acquirer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// hostTotals returns what the host has counted for the batch.
func (t *till) hostTotals() (c counts) {
	t.Helper()
	t.update(func(ctx context.Context, tx db.Tx) (err error) {
		c, err = countBatch(ctx, tx, testTID, t.term.Batch)
		return err
	})
	return c
}

// settleBatch settles with the host's own totals and ends the batch.
func (t *till) settleBatch() {
	t.Helper()
	c := t.hostTotals()
	t.totals(c.domestic, c.foreign, 1, 1)
	t.want(t.end(iso8583.EndBalanced, 0), "00")
	t.term.Batch++
}

func (t *till) totals(domestic, foreign iso8583.Totals, wantDomestic, wantForeign uint8) *iso8583.SettlementRequest {
	t.Helper()
	m := t.term.Settlement(domestic, foreign)
	t.settleAgain(m, wantDomestic, wantForeign)
	return m
}

func (t *till) settleAgain(m *iso8583.SettlementRequest, wantDomestic, wantForeign uint8) {
	t.Helper()
	answer, err := t.term.Send(t.bench, m)
	if err != nil {
		t.Fatal(err)
	}
	r := answer.(*iso8583.SettlementResponse)
	if r.Code != "00" || r.Domestic.Verdict != wantDomestic || r.Foreign.Verdict != wantForeign {
		t.Fatalf("settlement: code %s, verdicts %d %d, want %d %d; log:\n%s", r.Code, r.Domestic.Verdict, r.Foreign.Verdict, wantDomestic, wantForeign, t.log)
	}
}

func (t *till) end(f iso8583.Function, n int) *iso8583.UploadRequest {
	m := t.term.Upload(f)
	m.Count = n
	return m
}

func (t *till) group(lines ...iso8583.Detail) *iso8583.UploadRequest {
	m := t.term.Upload(iso8583.UploadGroup)
	m.Group = lines
	return m
}

func line(side iso8583.Side, m *iso8583.FinancialRequest) iso8583.Detail {
	return iso8583.Detail{Side: side, STAN: m.STAN, PAN: m.PAN, Amount: m.Amount}
}

// differences returns the open differences, one a line.
func (t *till) differences() (out []string) {
	t.Helper()
	t.update(func(ctx context.Context, tx db.Tx) error {
		rows, err := Differences(ctx, tx, false)
		for _, x := range rows {
			out = append(out, fmt.Sprintf("%d %s", x.STAN, x.Kind))
		}
		return err
	})
	return out
}

func (t *till) hostBatch() (batch uint32) {
	t.Helper()
	t.update(func(ctx context.Context, tx db.Tx) error {
		terminal, err := estate.FindTerminal(ctx, tx, testTID)
		batch = terminal.Batch
		return err
	})
	return batch
}

// TestTotals: what counts, on which side, for which cards.
func TestTotals(t *testing.T) {
	s := newTill(t)
	m, r := s.pay(iso8583.Sale, 1000)
	s.about(iso8583.TipAdjust, 1100, m, r, "00")
	m, r = s.pay(iso8583.Sale, 2000)
	s.about(iso8583.Void, 2000, m, r, "00")
	m, r = s.pay(iso8583.Sale, 3000)
	s.about(iso8583.Refund, 500, m, r, "00")
	m, _ = s.pay(iso8583.Sale, 4000)
	s.reverse(m, "00")
	m, r = s.pay(iso8583.Preauth, 5000)
	s.about(iso8583.PreauthCompletion, 4500, m, r, "00")
	s.pay(iso8583.Preauth, 100)
	s.pay(iso8583.OfflineChip, 10)
	s.pay(iso8583.OfflineSale, 20)
	s.send(s.term.Request(iso8583.Balance, s.c, 0), "00")
	s.send(s.term.Request(iso8583.Sale, s.c, 99999999), "51")
	want := iso8583.Totals{DebitAmount: 1100 + 2000 + 3000 + 4500 + 10 + 20, DebitCount: 6, CreditAmount: 2000 + 500, CreditCount: 2}
	if got := s.hostTotals(); got.domestic != want || got.foreign != (iso8583.Totals{}) {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}

// TestForeignCards: by the data of the rule, with the original's class for what follows.
func TestForeignCards(t *testing.T) {
	s := newTill(t)
	s.update(func(ctx context.Context, tx db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM domestic_rule WHERE kind = 'bin'`)
		return err
	})
	m, r := s.pay(iso8583.Sale, 1000) // by the chip's RID: domestic
	s.about(iso8583.Refund, 100, m, r, "00")
	s.pay(iso8583.OfflineSale, 50) // no chip data: foreign now
	got := s.hostTotals()
	if got.domestic != (iso8583.Totals{DebitAmount: 1000, DebitCount: 1, CreditAmount: 100, CreditCount: 1}) || got.foreign != (iso8583.Totals{DebitAmount: 50, DebitCount: 1}) {
		t.Errorf("totals %+v", got)
	}
}

// TestSettlement: balanced, and the batch is closed; the whole sequence again changes
// nothing, although the terminal has the next batch at the host by now.
func TestSettlement(t *testing.T) {
	s := newTill(t)
	m, _ := s.pay(iso8583.Sale, 1200)
	totals := iso8583.Totals{DebitAmount: 1200, DebitCount: 1}
	first := s.totals(totals, iso8583.Totals{}, 1, 1)
	tc := s.term.Upload(iso8583.TCBalanced)
	tc.PAN, tc.Amount, tc.STAN, tc.PANSequence = m.PAN, m.Amount, m.STAN, m.PANSequence
	s.c.ATC--
	tc.ICC = s.c.Approve(1200, 156).Pack()
	s.want(tc, "00")
	end := s.end(iso8583.EndBalanced, 0)
	s.want(end, "00")
	for range 2 {
		s.settleAgain(first, 1, 1)
		s.want(tc, "00")
		s.want(end, "00")
		if got := s.hostBatch(); got != 2 {
			t.Fatalf("the host's batch is %d, want 2", got)
		}
	}
	if got := s.differences(); len(got) != 0 {
		t.Errorf("differences: %v", got)
	}
	s.update(func(ctx context.Context, tx db.Tx) error {
		proofs, err := s.desk.Proofs(ctx, tx, testTID, 1)
		if len(proofs) != 1 || proofs[0].Genuine != "yes" || string(proofs[0].ICC) != string(tc.ICC) {
			t.Errorf("proofs: %+v", proofs)
		}
		return err
	})
	other := s.term.Settlement(iso8583.Totals{DebitAmount: 1, DebitCount: 1}, iso8583.Totals{})
	s.want(other, "94")
	s.want(s.term.Request(iso8583.Sale, s.c, 1), "77") // in the batch that is closed
	s.term.Batch = 2
	s.pay(iso8583.Sale, 1)
	s.want(s.term.Reversal(m, "98"), "00") // late, and a person hears of it
	if got := s.differences(); !slices.Equal(got, []string{"2 reversed late"}) {
		t.Errorf("differences: %v", got)
	}
}

// TestUploadIsCompared: one row for each kind of difference, and one without any.
func TestUploadIsCompared(t *testing.T) {
	type story struct {
		*till
		sale, void *iso8583.FinancialRequest
		refund     *iso8583.FinancialRequest
	}
	one := func(s *story, amount int64) *iso8583.UploadRequest {
		m := s.term.Upload(0)
		m.Type, m.STAN, m.PAN, m.Amount, m.EntryMode = iso8583.Refund, s.refund.STAN, s.refund.PAN, amount, "052"
		m.Private.Digits = 13
		return m
	}
	rows := []struct {
		name string
		send func(s *story) int // returns what the end says
		want []string
	}{
		{"all right", func(s *story) int {
			s.want(s.group(line(iso8583.DebitSide, s.sale), line(iso8583.CreditSide, s.void)), "00")
			s.want(one(s, 100), "00")
			return 3
		}, nil},
		{"sent again before the end", func(s *story) int {
			m := s.group(line(iso8583.DebitSide, s.sale), line(iso8583.CreditSide, s.void))
			s.want(m, "00")
			s.want(m, "00")
			s.want(one(s, 100), "00")
			s.want(one(s, 100), "00")
			return 3
		}, nil},
		{"nothing uploaded", func(s *story) int { return 0 }, []string{"2 missing at terminal", "3 missing at terminal", "4 missing at terminal"}},
		{"a line more", func(s *story) int {
			more := line(iso8583.DebitSide, s.sale)
			more.STAN = 900
			s.want(s.group(line(iso8583.DebitSide, s.sale), line(iso8583.CreditSide, s.void), more), "00")
			s.want(one(s, 100), "00")
			return 4
		}, []string{"900 missing at host"}},
		{"other amount", func(s *story) int {
			l := line(iso8583.DebitSide, s.sale)
			l.Amount++
			s.want(s.group(l, line(iso8583.CreditSide, s.void)), "00")
			s.want(one(s, 101), "00")
			return 3
		}, []string{"2 amount", "4 amount"}},
		{"other card", func(s *story) int {
			l := line(iso8583.DebitSide, s.sale)
			l.PAN = hosttest.NewCard("6277000000000029", "").PAN
			s.want(s.group(l, line(iso8583.CreditSide, s.void)), "00")
			s.want(one(s, 100), "00")
			return 3
		}, []string{"2 card"}},
		{"other side", func(s *story) int {
			s.want(s.group(line(iso8583.CreditSide, s.sale), line(iso8583.CreditSide, s.void)), "00")
			s.want(one(s, 100), "00")
			return 3
		}, []string{"2 side"}},
		{"another number at the end", func(s *story) int {
			s.want(s.group(line(iso8583.DebitSide, s.sale), line(iso8583.CreditSide, s.void)), "00")
			s.want(one(s, 100), "00")
			return 4
		}, []string{"0 count"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := &story{till: newTill(t)}
			var r *iso8583.FinancialResponse
			s.sale, r = s.pay(iso8583.Sale, 1200)
			s.void, _ = s.about(iso8583.Void, 1200, s.sale, r, "00")
			s.refund = s.refundOf()
			s.pay(iso8583.Preauth, 100) // no money: not to be uploaded
			s.totals(iso8583.Totals{DebitAmount: 1}, iso8583.Totals{}, 2, 1)
			n := row.send(s)
			s.want(s.end(iso8583.EndUnbalanced, n), "00")
			if got, want := strings.Join(s.differences(), ", "), strings.Join(row.want, ", "); got != want {
				t.Errorf("differences: %s; want %s", got, want)
			}
		})
	}
}

// refundOf makes a refund of 100 of a sale of long ago.
func (t *till) refundOf() *iso8583.FinancialRequest {
	t.Helper()
	p := payment{
		key: key{testMID, testTID, 900, 1, classFinancial}, Fingerprint: []byte{1}, PANHash: t.hsm.PANHash(t.c.PAN), Masked: t.c.PAN.Masked(),
		Kind: "sale", Amount: 1000, Total: 1000, Currency: 156, State: Approved, Code: "00", RRN: "000000000001", At: t.at, ATC: -1, Settled: true,
		Account: t.account().ID,
	}
	t.update(func(ctx context.Context, tx db.Tx) error { return insertPayment(ctx, tx, p) })
	m := t.term.Request(iso8583.Refund, t.c, 100)
	m.RRN = p.RRN
	t.send(m, "00")
	return m
}

// TestUploadWithoutSettlement: nothing is taken before the totals.
func TestUploadWithoutSettlement(t *testing.T) {
	s := newTill(t)
	m, _ := s.pay(iso8583.Sale, 1200)
	s.want(s.group(line(iso8583.DebitSide, m)), "77")
	s.want(s.end(iso8583.EndBalanced, 0), "77")
	s.term.Batch = 9
	s.want(s.term.Settlement(iso8583.Totals{}, iso8583.Totals{}), "77")
}

// TestUploadAfterTheEnd: the same again is taken, anything else is a difference.
func TestUploadAfterTheEnd(t *testing.T) {
	s := newTill(t)
	m, _ := s.pay(iso8583.Sale, 1200)
	s.totals(iso8583.Totals{}, iso8583.Totals{}, 2, 1)
	group := s.group(line(iso8583.DebitSide, m))
	s.want(group, "00")
	s.want(s.end(iso8583.EndUnbalanced, 1), "00")
	s.want(group, "00")
	if got := s.differences(); len(got) != 0 {
		t.Errorf("differences: %v", got)
	}
	l := line(iso8583.DebitSide, m)
	l.Amount = 1
	s.want(s.group(l), "00")
	if got := s.differences(); !slices.Equal(got, []string{"2 upload changed"}) {
		t.Errorf("differences: %v", got)
	}
	s.update(func(ctx context.Context, tx db.Tx) error {
		rows, err := Differences(ctx, tx, false)
		if err == nil {
			err = WorkOff(ctx, tx, rows[0].ID, "Li", "typed wrong")
		}
		if again := WorkOff(ctx, tx, rows[0].ID, "Li", "again"); again == nil {
			t.Error("worked off twice")
		}
		return err
	})
	if got := s.differences(); len(got) != 0 {
		t.Errorf("after working off: %v", got)
	}
}

// TestWrongCertificate: a TC that is not the card's, and one whose card did not believe
// the issuer, are for a person.
func TestWrongCertificate(t *testing.T) {
	s := newTill(t)
	m, _ := s.pay(iso8583.Sale, 1200)
	s.totals(iso8583.Totals{DebitAmount: 1200, DebitCount: 1}, iso8583.Totals{}, 1, 1)
	tc := s.term.Upload(iso8583.TCBalanced)
	tc.PAN, tc.Amount, tc.STAN, tc.PANSequence, tc.ICC = m.PAN, m.Amount, m.STAN, m.PANSequence, m.ICC
	tc.ICC = append([]byte{}, m.ICC...)
	tc.ICC[4] ^= 1 // of the cryptogram
	s.want(tc, "00")
	failed := *tc
	failed.Function, failed.ICC = iso8583.FailedBalanced, m.ICC
	s.want(&failed, "00")
	if got := s.differences(); !slices.Equal(got, []string{"2 certificate is wrong", "2 issuer not verified"}) {
		t.Errorf("differences: %v", got)
	}
}

// TestSettlementSeesPlantedBug: a host that forgets to count voids says "unbalanced" to a
// terminal that counts right, so the comparison would find it.
func TestSettlementSeesPlantedBug(t *testing.T) {
	s := newTill(t)
	m, r := s.pay(iso8583.Sale, 1200)
	s.about(iso8583.Void, 1200, m, r, "00")
	s.update(func(ctx context.Context, tx db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE payment SET state = 'declined' WHERE kind = 'void'`)
		return err
	})
	s.totals(iso8583.Totals{DebitAmount: 1200, DebitCount: 1, CreditAmount: 1200, CreditCount: 1}, iso8583.Totals{}, 2, 1)
}
