package settle

// Rule is a row of the fee schedule. An empty MCC is all that have no row of their own.
type Rule struct {
	MCC     string
	Funding string // debit or credit
	Region  string // domestic or foreign
	Rate    int64  // basis points: 1/10,000
	Min     int64  // smallest fee, minor units
	Max     int64  // largest fee, 0 for none
	Returns bool   // a refund gives the fee back
}

// Fee is what a payment of gross minor units costs: rate of the amount, rounded half up, not
// less than Min and, where it has one, not more than Max. A refund has a gross below zero: it
// gives the fee of its amount back, or costs nothing.
func (r Rule) Fee(gross int64) int64 {
	const whole = 10_000
	if gross < 0 {
		if !r.Returns {
			return 0
		}
		return -r.Fee(-gross)
	}
	if gross == 0 {
		return 0
	}
	fee := max((gross*r.Rate+whole/2)/whole, r.Min)
	if r.Max > 0 {
		fee = min(fee, r.Max)
	}
	return fee
}
