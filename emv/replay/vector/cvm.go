package vector

import (
	"strconv"
	"strings"

	"posd/emv"
	"posd/emv/cvm"
)

// CVM is a case of cardholder verification.
type CVM struct {
	ID           string
	Capabilities [3]byte // tag 9F33
	TerminalType byte
	Transaction  byte // tag 9C
	Amount       emv.Amount
	Cashback     int64 // minor units
	AIP          [2]byte
	List         []byte   // tag 8E, nil where the card has none
	Currency     *[2]byte // tag 9F42, nil where the card has none
	Outcomes     Outcomes
	Terminate    bool    // the session is to end as a breach of the rules
	Results      [3]byte // tag 9F34
	TVR1, TVR3   byte    // bits that are set in bytes 1 and 3
	TSI1         byte    // bits that are set in byte 1
	Review       bool
	Why          string
}

// Outcomes are what became of PIN methods, in the order in which they were tried.
type Outcomes []Outcome

// Outcome is one of them.
type Outcome struct {
	Method  cvm.Method
	Attempt cvm.Attempt
}

// Player returns a function that says what became of each method that is tried: the
// first outcome for it that was not said yet, or its last. A method without any succeeds.
func (o Outcomes) Player() func(cvm.Method) (cvm.Attempt, error) {
	if len(o) == 0 {
		return func(cvm.Method) (cvm.Attempt, error) { return cvm.Succeeded, nil }
	}
	said := make([]bool, len(o))
	return func(m cvm.Method) (cvm.Attempt, error) {
		a := cvm.Succeeded
		for i, x := range o {
			if x.Method != m {
				continue
			}
			a = x.Attempt
			if !said[i] {
				said[i] = true
				break
			}
		}
		return a, nil
	}
}

// outcomesOf reads "01=B,03=P"; "-" and nothing are none.
func outcomesOf(s string) (Outcomes, error) {
	if s == "" || s == "-" {
		return nil, nil
	}
	var out Outcomes
	for part := range strings.SplitSeq(s, ",") {
		code, letter, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.ParseUint(code, 16, 6)
		a, known := map[string]cvm.Attempt{
			"S": cvm.Succeeded, "F": cvm.Failed, "B": cvm.Bypassed, "P": cvm.PadFailed, "L": cvm.TryLimit,
		}[letter]
		if err != nil || !known || !pinMethod(cvm.Method(n)) {
			return nil, bad("outcomes", "PIN methods with S, F, B, P or L wanted: 01=B,02=S")
		}
		out = append(out, Outcome{cvm.Method(n), a})
	}
	return out, nil
}

type rawCVM struct {
	ID       string `json:"id"`
	Terminal *struct {
		Capabilities string `json:"9F33"`
		Type         string `json:"9F35"`
		Transaction  string `json:"9C"`
		Amount       *int64 `json:"amount"`
		Cashback     int64  `json:"amount_other"`
		Currency     string `json:"5F2A"`
	} `json:"terminal"`
	Card *struct {
		AIP      string  `json:"82"`
		List     *string `json:"8E"`
		Currency *string `json:"9F42"`
	} `json:"card"`
	Outcomes string `json:"outcomes"`
	Expect   *struct {
		Results   string `json:"9F34"`
		TVR1      string `json:"tvr1"`
		TVR3      string `json:"tvr3"`
		TSI       string `json:"tsi"`
		Terminate bool   `json:"terminate"`
	} `json:"expect"`
	Use string `json:"use"`
	Why string `json:"why"`
}

func (r *rawCVM) cvm() (*CVM, error) {
	if r.Terminal == nil || r.Card == nil || r.Expect == nil {
		return nil, bad("terminal, card or expect", "missing")
	}
	c := &CVM{ID: r.ID, Why: r.Why, Terminate: r.Expect.Terminate, Cashback: r.Terminal.Cashback}
	for _, read := range []func(*CVM) error{r.readTerminal, r.readCard, r.readExpect} {
		if err := read(c); err != nil {
			return nil, err
		}
	}
	switch r.Use {
	case "", "assert":
	case "review":
		c.Review = true
	default:
		return nil, bad("use", "assert or review wanted")
	}
	var err error
	c.Outcomes, err = outcomesOf(r.Outcomes)
	return c, err
}

func (r *rawCVM) readTerminal(c *CVM) error {
	caps, err := bytesOf("terminal.9F33", r.Terminal.Capabilities, 3, 3)
	if err != nil {
		return err
	}
	c.Capabilities = [3]byte(caps)
	if c.TerminalType, err = byteOf("terminal.9F35", r.Terminal.Type); err != nil {
		return err
	}
	if c.Transaction, err = byteOf("terminal.9C", r.Terminal.Transaction); err != nil {
		return err
	}
	currency, err := digitsOf("terminal.5F2A", r.Terminal.Currency, 4)
	if err != nil {
		return err
	}
	if r.Terminal.Amount == nil || *r.Terminal.Amount < 0 || c.Cashback < 0 {
		return bad("terminal.amount", "minor units, 0 or more, wanted")
	}
	c.Amount = emv.Amount{Minor: *r.Terminal.Amount, Currency: emv.Currency(currency)}
	return nil
}

func (r *rawCVM) readCard(c *CVM) error {
	aip, err := bytesOf("card.82", r.Card.AIP, 2, 2)
	if err != nil {
		return err
	}
	c.AIP = [2]byte(aip)
	if r.Card.List != nil {
		if c.List, err = bytesOf("card.8E", *r.Card.List, 0, 252); err != nil {
			return err
		}
	}
	if r.Card.Currency != nil && *r.Card.Currency != "" {
		b, err := bytesOf("card.9F42", *r.Card.Currency, 2, 2)
		if err != nil {
			return err
		}
		c.Currency = (*[2]byte)(b)
	}
	return nil
}

func (r *rawCVM) readExpect(c *CVM) (err error) {
	if c.Terminate {
		return nil
	}
	results, err := bytesOf("expect.9F34", r.Expect.Results, 3, 3)
	if err != nil {
		return err
	}
	c.Results = [3]byte(results)
	for _, field := range []struct {
		name, value string
		into        *byte
	}{{"tvr1", r.Expect.TVR1, &c.TVR1}, {"tvr3", r.Expect.TVR3, &c.TVR3}, {"tsi", r.Expect.TSI, &c.TSI1}} {
		b, err := bytesOf("expect."+field.name, field.value, 1, 2)
		if err != nil {
			return err
		}
		*field.into = b[0]
	}
	return nil
}
