package iso8583

import (
	"fmt"

	"posd/emv"
)

// Lengths in digits of the forms of field 48, and of its parts.
const (
	tipDigits        = 12
	totalsDigits     = 31 // amount 12, count 3, amount 12, count 3, verdict 1
	countDigits      = 4
	detailDigits     = 40 // side 2, STAN 6, card number 20, amount 12
	cardDigits       = 20
	additionalLength = 2 + MaxGroup*detailDigits
)

// column is a number of a fixed width.
type column struct {
	n     uint64
	width int
}

func appendColumns(buf []byte, columns ...column) (_ []byte, err error) {
	for _, c := range columns {
		if buf, err = appendDecimal(buf, c.n, c.width); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// append appends the totals of both classes of cards; none where there are none at all,
// as in the answer of a host that could not compare.
func (t totals) append(buf []byte) ([]byte, error) {
	for _, side := range [...]*Totals{t.domestic, t.foreign} {
		if side.DebitAmount < 0 || side.CreditAmount < 0 || side.DebitCount < 0 || side.CreditCount < 0 || side.Verdict > 9 {
			return nil, fmt.Errorf("negative totals, or a verdict of two digits: %w", ErrValue)
		}
		var err error
		buf, err = appendColumns(buf, column{uint64(side.DebitAmount), 12}, column{uint64(side.DebitCount), 3},
			column{uint64(side.CreditAmount), 12}, column{uint64(side.CreditCount), 3}, column{uint64(side.Verdict), 1})
		if err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func (t totals) parse(chars []byte) error {
	if len(chars) != 2*totalsDigits {
		return fmt.Errorf("%d digits, %d wanted: %w", len(chars), 2*totalsDigits, ErrValue)
	}
	for i, side := range [...]*Totals{t.domestic, t.foreign} {
		c := chars[i*totalsDigits:]
		*side = Totals{
			DebitAmount: int64(decimal(c[:12])), DebitCount: int(decimal(c[12:15])),
			CreditAmount: int64(decimal(c[15:27])), CreditCount: int(decimal(c[27:30])), Verdict: c[30] - '0',
		}
	}
	return nil
}

// append appends the group or the count, as the function says.
func (g group) append(buf []byte) ([]byte, error) {
	switch f := *g.function; {
	case f.ends() && len(*g.details) == 0:
		return g.appendCount(buf)
	case f == UploadGroup && *g.count == 0:
		return g.appendDetails(buf)
	case len(*g.details) > 0 || *g.count != 0:
		return nil, fmt.Errorf("group or count in a message of function %v: %w", f, ErrValue)
	}
	return nil, nil
}

func (g group) appendCount(buf []byte) ([]byte, error) {
	switch n := *g.count; {
	case n == -1 && g.answer:
		return nil, nil
	case n < 0:
		return nil, fmt.Errorf("count %d: %w", n, ErrValue)
	default:
		return appendDecimal(buf, uint64(n), countDigits)
	}
}

func (g group) appendDetails(buf []byte) (_ []byte, err error) {
	n := len(*g.details)
	switch {
	case n == 0 && g.answer:
		return nil, nil
	case n == 0 || n > MaxGroup:
		return nil, fmt.Errorf("group of %d, 1 to %d wanted: %w", n, MaxGroup, ErrValue)
	}
	buf, _ = appendDecimal(buf, uint64(n), 2)
	for i := range *g.details {
		if buf, err = (*g.details)[i].append(buf); err != nil {
			return nil, fmt.Errorf("detail %d: %w", i+1, err)
		}
	}
	return buf, nil
}

func (d *Detail) append(buf []byte) (_ []byte, err error) {
	if d.STAN == 0 || d.Amount <= 0 || d.PAN.IsZero() {
		return nil, fmt.Errorf("no STAN, amount or card number: %w", ErrValue)
	}
	if buf, err = appendColumns(buf, column{uint64(d.Side), 2}, column{uint64(d.STAN), 6}); err != nil {
		return nil, err
	}
	buf = append(buf, zeros[:cardDigits-d.PAN.Len()]...)
	at := len(buf)
	if buf = d.PAN.Append(buf); buf[at] == '0' {
		return nil, fmt.Errorf("card number begins with 0: %w", ErrValue)
	}
	return appendColumns(buf, column{uint64(d.Amount), 12})
}

func (g group) parse(chars []byte) error {
	if len(chars) == countDigits {
		*g.count = int(decimal(chars))
		return nil
	}
	n := 0
	if len(chars) >= 2 {
		n = int(decimal(chars[:2]))
	}
	if n == 0 || n > MaxGroup || len(chars) != 2+n*detailDigits {
		return fmt.Errorf("%d digits are no group and no count: %w", len(chars), ErrValue)
	}
	details := make([]Detail, n)
	for i := range details {
		if err := details[i].parse(chars[2+i*detailDigits:][:detailDigits]); err != nil {
			return fmt.Errorf("detail %d: %w", i+1, err)
		}
	}
	*g.details = details
	return nil
}

func (d *Detail) parse(c []byte) error {
	card := c[8 : 8+cardDigits]
	for len(card) > 1 && card[0] == '0' {
		card = card[1:]
	}
	pan, err := emv.ParsePAN(card)
	if err != nil {
		return err
	}
	*d = Detail{Side: Side(decimal(c[:2])), STAN: uint32(decimal(c[2:8])), PAN: pan, Amount: int64(decimal(c[28:]))}
	if d.STAN == 0 || d.Amount == 0 {
		return fmt.Errorf("STAN or amount zero: %w", ErrValue)
	}
	return nil
}

// balanceLength is that of field 54: types 2 and 2, currency 3, sign 1, amount 12.
const balanceLength = 20

func (b *AccountBalance) append(buf []byte) ([]byte, error) {
	if *b == (AccountBalance{}) {
		return nil, nil
	}
	if b.Currency == 0 || b.Minor < 0 {
		return nil, fmt.Errorf("no currency, or negative without a sign: %w", ErrValue)
	}
	buf, err := appendColumns(buf, column{uint64(b.Account), 2}, column{uint64(b.Kind), 2}, column{uint64(b.Currency), 3})
	if err != nil {
		return nil, err
	}
	sign := byte('C')
	if b.Debit {
		sign = 'D'
	}
	return appendColumns(append(buf, sign), column{uint64(b.Minor), 12})
}

func (b *AccountBalance) parse(c []byte) error {
	if len(c) != balanceLength || !allDigits(c[:7]) || c[7] != 'C' && c[7] != 'D' || !allDigits(c[8:]) {
		return fmt.Errorf("%d characters that are no balance: %w", len(c), ErrValue)
	}
	*b = AccountBalance{
		Account: uint8(decimal(c[:2])), Kind: uint8(decimal(c[2:4])), Currency: emv.Currency(decimal(c[4:7])),
		Debit: c[7] == 'D', Minor: int64(decimal(c[8:])),
	}
	return nonZero(b.Currency != 0)
}

func allDigits(chars []byte) bool {
	for _, c := range chars {
		if !isDigit(c) {
			return false
		}
	}
	return true
}
