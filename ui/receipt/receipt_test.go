package receipt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/payment"
	"posd/ui/text"
)

var merchant = Merchant{Name: "北京测试商贸有限公司", Hotline: "95516"}

// approved is a chip sale with online PIN, of the test range.
func approved() *payment.Record {
	return &payment.Record{
		ID: payment.ID{Batch: 1, STAN: 42}, Kind: payment.Sale, State: payment.Completed,
		Amount: emv.Amount{Minor: 123456, Currency: emv.CNY}, Time: time.Date(2026, 3, 1, 14, 5, 9, 0, time.UTC),
		Operator: "01", Terminal: "10000001", Merchant: "898110053110001",
		Masked: "627700******0017", Expiry: "3012", PANSequence: 1, EntryMode: "051", OnlinePIN: true,
		Answer: &payment.Answer{
			Code: "00", AuthCode: "A1B2C3", RRN: "603011405091", Issuer: "测试银行", Acquirer: "01020000",
		},
		Facts: kernel.Facts{
			AID: []byte{0xA0, 0, 0, 0x03, 0x33, 0x01, 0x01, 0x01}, Label: "UnionPay Debit",
			TVR: emv.OnlinePINEntered | emv.FloorLimitExceeded, TSI: emv.ODAPerformed | emv.CVMPerformed,
			Cryptogram: []byte{1, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF}, Kind: emv.TC, ATC: 7,
			UN: [4]byte{0xDE, 0xAD, 0xBE, 0xEF}, PINEntered: true,
		},
	}
}

func declined() *payment.Record {
	rec := approved()
	rec.State, rec.Answer = payment.Declined, &payment.Answer{Code: "51", RRN: "603011405092", Text: "余额不足 请联系发卡行"}
	rec.Facts.Kind = emv.AAC
	return rec
}

func reversed() *payment.Record {
	rec := approved()
	rec.State, rec.Answer = payment.Reversed, nil
	rec.Reversal = &payment.Debt{Reason: payment.NoAnswer, Tries: 2, Answer: &payment.Answer{Code: "00"}}
	rec.Facts.Kind = emv.ARQC
	return rec
}

func signed() *payment.Record {
	rec := approved()
	rec.OnlinePIN, rec.EntryMode = false, "052"
	rec.Facts.PINEntered, rec.Facts.Signature = false, true
	return rec
}

func owed() *payment.Record {
	rec := reversed()
	rec.State, rec.Reversal.Answer = payment.ReversalOwed, nil
	return rec
}

func voided() *payment.Record {
	rec := approved()
	rec.Kind, rec.Supervisor, rec.EntryMode, rec.Facts = payment.Void, "00", "012", kernel.Facts{}
	rec.Original = &payment.Original{ID: payment.ID{Batch: 1, STAN: 41}, RRN: "603011405090", AuthCode: "A1B2C2", Date: "0301"}
	return rec
}

func tipped() *payment.Record {
	rec := voided()
	rec.Kind, rec.State, rec.Answer = payment.TipAdjust, payment.Stored, nil
	rec.Before = emv.Amount{Minor: 110000, Currency: emv.CNY}
	return rec
}

func offline() *payment.Record {
	rec := approved()
	rec.Kind, rec.State, rec.Answer, rec.OnlinePIN = payment.OfflineChip, payment.Stored, nil, false
	return rec
}

func refused() *payment.Record {
	rec := offline()
	rec.State, rec.Answer, rec.Fallback = payment.Refused, &payment.Answer{Code: "14"}, true
	return rec
}

func TestSlips(t *testing.T) {
	test := merchant
	test.Testing = true
	for _, row := range []struct {
		name     string
		rec      *payment.Record
		merchant Merchant
		copy     payment.Copy
	}{
		{"approved-merchant", approved(), merchant, payment.MerchantCopy},
		{"approved-cardholder", approved(), merchant, payment.CardholderCopy},
		{"declined-51", declined(), merchant, payment.CardholderCopy},
		{"reversed", reversed(), merchant, payment.CardholderCopy},
		{"reprint", approved(), merchant, payment.Reprint},
		{"signature-test-keys", signed(), test, payment.MerchantCopy},
		{"fault-owed", owed(), merchant, payment.MerchantCopy},
		{"void", voided(), merchant, payment.MerchantCopy},
		{"tip", tipped(), merchant, payment.MerchantCopy},
		{"offline-chip", offline(), merchant, payment.CardholderCopy},
		{"refused", refused(), merchant, payment.MerchantCopy},
	} {
		for _, l := range text.Langs() {
			name := row.name + "." + l.String()
			t.Run(name, func(t *testing.T) {
				golden(t, name, Render(row.rec, row.merchant, row.copy, l).Text())
			})
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// every returns the slips of every state, copy and language.
func every() map[string]Slip {
	slips := map[string]Slip{}
	for state := payment.Requested; state <= payment.Refused; state++ {
		for _, c := range []payment.Copy{payment.MerchantCopy, payment.CardholderCopy, payment.Reprint} {
			for _, l := range text.Langs() {
				rec := reversed()
				rec.State = state
				if state == payment.Completed {
					rec = approved()
				}
				rec.Amount.Minor = emv.MaxMinor
				name := state.String() + " " + l.String() + " " + string('0'+rune(c))
				slips[name] = Render(rec, merchant, c, l)
			}
		}
	}
	return slips
}

func TestEveryLineFitsThePaper(t *testing.T) {
	for name, slip := range every() {
		for _, line := range slip.Lines {
			if text.Columns(line.Text) > line.Size.width() {
				t.Errorf("%s: %q has %d columns, the paper %d", name, line.Text, text.Columns(line.Text), line.Size.width())
			}
		}
	}
}

func TestAmountIsNeverBroken(t *testing.T) {
	for name, slip := range every() {
		if !strings.Contains(slip.Text(), "RMB 9999999999.99\n") {
			t.Errorf("%s: no amount in one piece:\n%s", name, slip.Text())
		}
	}
}

func TestOnlyATakenPaymentLooksLikeAVoucher(t *testing.T) {
	for name, slip := range every() {
		says := strings.Contains(slip.Text(), "交易成功") || strings.Contains(slip.Text(), "APPROVED")
		if completed := strings.HasPrefix(name, "completed"); says != completed {
			t.Errorf("%s: says approved: %v\n%s", name, says, slip.Text())
		}
	}
}

func TestAHostCannotSteerThePrinter(t *testing.T) {
	rec := declined()
	rec.Answer.Text = "A\x1b@B\nC\u009b"
	for _, line := range Render(rec, merchant, payment.CardholderCopy, text.Chinese).Lines {
		if strings.ContainsFunc(line.Text, func(r rune) bool { return r < 0x20 || r >= 0x7F && r < 0xA0 }) {
			t.Errorf("%q", line.Text)
		}
	}
}

func TestADamagedRecordStillPrints(t *testing.T) {
	slip := Render(&payment.Record{State: 99, EntryMode: "0", Expiry: "1"}, Merchant{ShowExpiry: true}, 0, 0)
	if !strings.Contains(slip.Text(), "结果待确认") {
		t.Errorf("got\n%s", slip.Text())
	}
}
