package receipt

import (
	"testing"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/ui/text"
)

var office = Batch{Merchant: merchant, Terminal: "10000001", Number: "898110053110001", Currency: emv.CNY}

func settled() *batch.Settlement {
	return &batch.Settlement{
		Batch: 1, STAN: 43, Operator: "00", Began: time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC), Phase: batch.Ended,
		Domestic:        batch.Totals{Debit: batch.Count{Amount: 9_999_999_999_99, Number: 499}, Credit: batch.Count{Amount: 1000, Number: 1}},
		DomesticVerdict: batch.Unbalanced, ForeignVerdict: batch.Balanced, Uploaded: 500, Rejected: []payment.ID{{Batch: 1, STAN: 17}},
	}
}

func TestSettlementSlips(t *testing.T) {
	waiting := offline()
	waiting.State = payment.Stored
	left := []*payment.Record{refused(), waiting}
	for _, l := range text.Langs() {
		for name, slip := range map[string]Slip{
			"settlement":  RenderSettlement(settled(), left, office, true, l),
			"unsent":      RenderUnsent(left, office, l),
			"unsent-none": RenderUnsent(nil, office, l),
		} {
			golden(t, name+"."+l.String(), slip.Text())
			for _, line := range slip.Lines {
				if text.Columns(line.Text) > line.Size.width() {
					t.Errorf("%s: %q is wider than the paper", name, line.Text)
				}
			}
		}
	}
}
