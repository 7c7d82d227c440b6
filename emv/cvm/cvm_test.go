package cvm

import (
	"errors"
	"testing"

	"posd/emv"
)

func TestParse(t *testing.T) {
	long := make([]byte, 254)
	for _, row := range []struct {
		situation string
		list      []byte
		want      error
	}{
		{"point 24: absent", nil, ErrNoRules},
		{"point 24: amounts alone", make([]byte, 8), ErrNoRules},
		{"point 24: shorter than the amounts", make([]byte, 7), ErrFormat},
		{"point 24: half a rule", make([]byte, 9), ErrFormat},
		{"one rule", make([]byte, 10), nil},
		{"longest", long[:252], nil},
		{"longer than a record holds", long, ErrFormat},
	} {
		if _, err := Parse(row.list); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.situation, err, row.want)
		}
	}
}

// TestSatisfied: point 25, and the limits of each comparison.
func TestSatisfied(t *testing.T) {
	list := List{X: 2000, Y: 500}
	for _, row := range []struct {
		situation string
		condition byte
		terms     Terms
		want      bool
	}{
		{"always", 0x00, Terms{}, true},
		{"unattended cash at an unattended terminal", 0x01, Terms{TerminalType: 0x24, Transaction: cash}, true},
		{"unattended cash at an attended terminal", 0x01, Terms{TerminalType: 0x22, Transaction: cash}, false},
		{"purchase is neither cash nor cashback", 0x02, Terms{TerminalType: 0x22}, true},
		{"cashback is not the rest", 0x02, Terms{Transaction: withCashback}, false},
		{"manual cash is not the rest", 0x02, Terms{TerminalType: 0x21, Transaction: cash}, false},
		{"manual cash", 0x04, Terms{TerminalType: 0x21, Transaction: cash}, true},
		{"cashback", 0x05, Terms{Transaction: withCashback}, true},
		{"under X", 0x06, Terms{SameCurrency: true, AmountMinor: 1999}, true},
		{"X is not under X", 0x06, Terms{SameCurrency: true, AmountMinor: 2000}, false},
		{"under X in another currency", 0x06, Terms{AmountMinor: 1}, false},
		{"over X", 0x07, Terms{SameCurrency: true, AmountMinor: 2001}, true},
		{"X is not over X", 0x07, Terms{SameCurrency: true, AmountMinor: 2000}, false},
		{"over X in another currency", 0x07, Terms{AmountMinor: 2001}, false},
		{"under Y", 0x08, Terms{SameCurrency: true, AmountMinor: 499}, true},
		{"Y is not under Y", 0x08, Terms{SameCurrency: true, AmountMinor: 500}, false},
		{"over Y", 0x09, Terms{SameCurrency: true, AmountMinor: 501}, true},
		{"Y is not over Y", 0x09, Terms{SameCurrency: true, AmountMinor: 500}, false},
		{"an amount above 32 bits is over X", 0x07, Terms{SameCurrency: true, AmountMinor: 1 << 33}, true},
		{"reserved", 0x0A, Terms{SameCurrency: true}, false},
		{"of a payment system", 0x80, Terms{SameCurrency: true}, false},
	} {
		if got := list.Satisfied(Rule{Code: byte(NoCVM), Condition: row.condition}, row.terms); got != row.want {
			t.Errorf("%s: got %v, want %v", row.situation, got, row.want)
		}
	}
}

// TestEvaluateTwiceBypassed: each PIN rule is asked once, and the bits add up.
func TestEvaluateTwiceBypassed(t *testing.T) {
	list, err := Parse(append(make([]byte, 8), 0x41, 0x00, 0x42, 0x00, 0x5E, 0x00))
	if err != nil {
		t.Fatal(err)
	}
	var asked []Method
	v, err := Evaluate(list, Terms{Capabilities: 0xF8}, func(m Method) (Attempt, error) {
		asked = append(asked, m)
		return Bypassed, nil
	})
	if err != nil || len(asked) != 2 || asked[0] != PlaintextPIN || asked[1] != OnlinePIN {
		t.Fatalf("asked %v, error %v", asked, err)
	}
	want := Verdict{Results: [3]byte{0x5E, 0, 0}, TVR: emv.PINNotEntered, Performed: true, Signature: true}
	if v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
}

// TestEvaluateKeepsError: the world failing during a PIN is no outcome.
func TestEvaluateKeepsError(t *testing.T) {
	broken := errors.New("card pulled")
	list, _ := Parse(append(make([]byte, 8), 0x41, 0x00, 0x1F, 0x00))
	_, err := Evaluate(list, Terms{Capabilities: 0xF8}, func(Method) (Attempt, error) { return 0, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// TestMethods: names, and what is enciphered or signed.
func TestMethods(t *testing.T) {
	for _, row := range []struct {
		m                            Method
		name                         string
		offline, enciphered, signing bool
	}{
		{Fail, "fail CVM processing", false, false, false},
		{PlaintextPIN, "plaintext PIN", true, false, false},
		{OnlinePIN, "online PIN", false, false, false},
		{PlaintextPINAndSignature, "plaintext PIN and signature", true, false, true},
		{EncipheredPIN, "enciphered PIN", true, true, false},
		{EncipheredPINAndSignature, "enciphered PIN and signature", true, true, true},
		{Signature, "signature", false, false, true},
		{NoCVM, "no CVM", false, false, false},
		{0x20, "CVM 20", false, false, false},
	} {
		m := row.m
		if m.String() != row.name || m.OfflinePIN() != row.offline || m.Enciphered() != row.enciphered || m.Signs() != row.signing {
			t.Errorf("%v: offline %v, enciphered %v, signs %v", m, m.OfflinePIN(), m.Enciphered(), m.Signs())
		}
	}
}
