package kernel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Identify reads the card and asks it for nothing: no cryptogram, no PIN, no issuer.
func TestIdentify(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*setup)
		outcome emv.Outcome
		read    bool
	}{
		{"a card", func(*setup) {}, emv.Approved, true},
		{"expired: the host decides", func(u *setup) { u.card = newCard(plainWith(tag.ApplicationExpirationDate, "200131")) }, emv.Approved, true},
		{"no application in common", func(u *setup) { u.card.on(select_, "6A82") }, emv.NotAccepted, false},
		{"no card number", func(u *setup) { u.card = newCard(plainWithout(tag.ApplicationPAN)) }, emv.Terminated, false},
		{"record refused", func(u *setup) { u.card.on("00B2010C", "6985") }, emv.Terminated, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := newSetup(plain())
			test.change(u)
			id, res, err := u.identify(t)
			if err != nil || res.Outcome != test.outcome {
				t.Fatalf("%v (%s), %v; want %v", res.Outcome, res.Why, err, test.outcome)
			}
			if id.PAN.IsZero() == test.read || res.Offline != nil || res.Online {
				t.Errorf("identity %v, result %+v", id.PAN, res)
			}
			if n := len(u.card.sentWith("80AE")) + len(u.card.sentWith("0020")) + len(u.holder.asked) + u.issuer.asked; n != 0 {
				t.Errorf("%d things were asked beside who the card is: %q", n, u.card.sent)
			}
		})
	}
}

func TestIdentityIsWhole(t *testing.T) {
	id, res, err := newSetup(plain()).identify(t)
	if err != nil {
		t.Fatal(err)
	}
	if id.PAN.Masked() != "627700******0017" || id.Expiry != [3]byte{0x30, 0x12, 0x31} || id.PANSequence != 1 || id.Track2.Expiry() != "3012" {
		t.Errorf("%v %X %d, track 2 with expiry %s", id.PAN, id.Expiry, id.PANSequence, id.Track2.Expiry())
	}
	if fmt.Sprintf("%X", res.Facts.AID) != aid {
		t.Errorf("AID %X", res.Facts.AID)
	}
	if shown := fmt.Sprintf("%v %+v", id, &id); strings.Contains(shown, "6277000000000017") {
		t.Errorf("it prints its number: %s", shown)
	}
}

func TestIdentifyFails(t *testing.T) {
	u := newSetup(plain())
	u.card.pullAt = 2
	if id, _, err := u.identify(t); !errors.Is(err, errPulled) || !id.PAN.IsZero() {
		t.Errorf("a card that was pulled: %v, %v", id.PAN, err)
	}
	k, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Identify(context.Background(), u.tx, nil, u.holder); err == nil {
		t.Error("no card port is no error")
	}
	if _, _, err := k.Identify(context.Background(), u.tx, u.card, nil); err == nil {
		t.Error("no cardholder port is no error")
	}
	if _, _, err := k.Identify(context.Background(), Transaction{}, u.card, u.holder); err == nil {
		t.Error("an empty transaction is no error")
	}
}

func (u *setup) identify(t *testing.T) (Identity, Result, error) {
	t.Helper()
	k, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k.Identify(context.Background(), u.tx, u.card, u.holder)
}

func plainWith(t tlv.Tag, value string) record {
	r := plain()
	r[t] = value
	return r
}

func plainWithout(t tlv.Tag) record {
	r := plain()
	delete(r, t)
	return r
}

// Point 35 and point 36, for a payment that the merchant does not take without the issuer:
// the terminal asks for an ARQC where it would have asked for a TC, and for an AAC where
// the issuer cannot be reached; where the issuer may have heard, for an AAC in any case.
func TestNoOffline(t *testing.T) {
	offline := func(u *setup) {
		u.card = newCard(plainWith(tag.IssuerActionCodeOnline, "0000000000"))
		u.card.on("80AE40", tc1)
	}
	tests := []struct {
		name      string
		offline   bool // the card's codes let it be approved at once
		noOffline bool
		unable    error
		asked     []string // P1 of the GENERATE ACs
		outcome   emv.Outcome
		arc       string
	}{
		{"may be taken, no bit set", true, false, nil, []string{"40"}, emv.Approved, "Y1"},
		{"may not be taken", true, true, nil, []string{"80", "40"}, emv.Approved, "00"},
		{"may be taken, issuer not reached", false, false, ErrUnableToGoOnline, []string{"80", "40"}, emv.Approved, "Y3"},
		{"may not be taken, issuer not reached", false, true, ErrUnableToGoOnline, []string{"80", "00"}, emv.Declined, "Z3"},
		{"may be taken, issuer may have heard", false, false, ErrNoOffline, []string{"80", "00"}, emv.Declined, "Z3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := newSetup(plain())
			if test.offline {
				offline(u)
			}
			u.tx.NoOffline, u.issuer.err = test.noOffline, test.unable
			res := u.run(t)
			if res.Outcome != test.outcome || string(res.ARC[:]) != test.arc {
				t.Errorf("%v with %s (%s), want %v with %s", res.Outcome, res.ARC, res.Why, test.outcome, test.arc)
			}
			var asked []string
			for _, cmd := range u.card.sentWith("80AE") {
				asked = append(asked, cmd[4:6])
			}
			if fmt.Sprint(asked) != fmt.Sprint(test.asked) {
				t.Errorf("asked for %q, want %q", asked, test.asked)
			}
			alone := test.outcome == emv.Approved && test.arc != "00"
			if (res.Offline != nil) != alone {
				t.Errorf("what is uploaded is there: %v", res.Offline != nil)
			}
			if alone {
				checkOffline(t, res.Offline, test.arc)
			}
		})
	}
}

// checkOffline looks at what is uploaded of an offline approval: the TC, and the code by
// which the terminal approved; no track.
func checkOffline(t *testing.T, o *Offline, arc string) {
	t.Helper()
	cid, _ := tlv.Find(o.ICC, tag.CryptogramInformationData)
	code, _ := tlv.Find(o.ICC, tag.AuthorisationResponseCode)
	ac, _ := tlv.Find(o.ICC, tag.ApplicationCryptogram)
	if fmt.Sprintf("%X", cid) != "40" || string(code) != arc || fmt.Sprintf("%X", ac) != "C0FFEE0000000002" {
		t.Errorf("9F27 %X, 8A %q, 9F26 %X", cid, code, ac)
	}
	if o.PAN.IsZero() || !o.Track2.IsZero() || o.PANSequence != 1 {
		t.Errorf("card %v, sequence %d, track there: %v", o.PAN, o.PANSequence, !o.Track2.IsZero())
	}
}
