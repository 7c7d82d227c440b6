package kernel

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// virtual is the virtual card, whose PDOL asks for something, unlike those of the
// vectors. change may alter a command on its way.
type virtual struct {
	card   *card.Card
	change func(*apdu.Command)
}

func (v *virtual) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	cmd.Data = append([]byte(nil), cmd.Data...)
	if v.change != nil {
		v.change(&cmd)
	}
	answer := v.card.Exchange(cmd.Append(nil))
	if answer == nil {
		return apdu.Response{}, errors.New("mute")
	}
	return apdu.ParseResponse(answer)
}

// TestCDASignsTheWholeConversation: point 20. The card's signature covers the values of
// PDOL and CDOL1, and at the second GENERATE AC those of CDOL2: a byte of any of them that
// the card saw otherwise than the terminal sent it makes CDA fail.
func TestCDASignsTheWholeConversation(t *testing.T) {
	p, err := cards.Load("union-cda")
	if err != nil {
		t.Fatal(err)
	}
	generate := func(p1 emv.Cryptogram) func(*apdu.Command) {
		return func(cmd *apdu.Command) {
			if cmd.INS == apdu.InsGenerateAC && emv.Cryptogram(cmd.P1&0xC0) == p1 {
				cmd.Data[len(cmd.Data)-1] ^= 1
			}
		}
	}
	for _, row := range []struct {
		what   string
		change func(*apdu.Command)
		failed bool
	}{
		{"nothing", nil, false},
		{"PDOL", func(cmd *apdu.Command) {
			if cmd.INS == apdu.InsGetProcessingOptions {
				cmd.Data[len(cmd.Data)-1] ^= 1
			}
		}, true},
		{"CDOL1", generate(emv.ARQC), true},
		{"CDOL2", generate(emv.TC), true},
	} {
		c, err := card.New(p, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c.Reset()
		u := newSetup(plain())
		u.cfg.Data[tag.TerminalType] = []byte{0x21}
		u.cfg.Data[tag.TerminalCapabilities] = unhex("E028C8") // signature, no CVM, CDA
		u.app().AID = unhex("A000000333010102")
		rid, index, modulus, exponent, sum := cards.TestCA()
		u.cfg.CAKeys = []oda.CAKey{{RID: rid, Index: index, Modulus: modulus, Exponent: exponent, SHA1: sum}}
		u.issuer.err = ErrUnableToGoOnline
		if row.what == "CDOL2" || row.what == "nothing" {
			u.cfg.Data[tag.TerminalType] = []byte{0x22}
		}
		k, err := NewReplay(u.cfg, Recording{First: kindOf(emv.ARQC), Second: kindOf(emv.TC)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := k.Run(t.Context(), u.tx, &virtual{c, row.change}, u.holder, u.issuer)
		if err != nil || (r.Facts.TVR&emv.CDAFailed != 0) != row.failed || (r.Outcome == emv.Approved) == row.failed {
			t.Errorf("%s: %v (%s), TVR %s, %v", row.what, r.Outcome, r.Why, r.Facts.TVR.Names(), err)
		}
	}
}

func kindOf(c emv.Cryptogram) *emv.Cryptogram { return &c }

// TestMissingAuthenticationData: point 18. Each object that a method cannot begin without
// is missed alone: the method has failed, "ICC data missing" is set, and the card is not
// asked for a signature.
func TestMissingAuthenticationData(t *testing.T) {
	dynamic := []tlv.Tag{0x8F, 0x90, 0x9F32, 0x9F46, 0x9F47}
	for name, row := range map[string]struct {
		bit   emv.TVR
		needs []tlv.Tag
	}{
		"sda-keys-1408-1120-768":  {emv.SDAFailed, []tlv.Tag{0x8F, 0x90, 0x9F32, 0x93}},
		"dda-keys-1408-1408-1152": {emv.DDAFailed, dynamic},
		"cda-keys-1408-1120-768":  {emv.CDAFailed, dynamic},
	} {
		sc, bit := named(t, name), row.bit
		for _, missing := range row.needs {
			f := sc.fakeOf()
			f.bend = func(_ int, answer []byte) []byte { return without(answer, missing) }
			r, _ := sc.plays(t, f, nil)
			if r.Facts.TVR&(bit|emv.ICCDataMissing) != bit|emv.ICCDataMissing || r.Facts.TSI&emv.ODAPerformed == 0 {
				t.Errorf("%s without %v: TVR %s, TSI %v (%s)", name, missing, r.Facts.TVR.Names(), r.Facts.TSI, r.Why)
			}
			if len(f.sentWith("0088")) != 0 || len(f.sentWith("80AE9")) != 0 {
				t.Errorf("%s without %v: a signature was asked for", name, missing)
			}
		}
	}
}

// without takes an object out of a record.
func without(answer []byte, t tlv.Tag) []byte {
	data := answer[:len(answer)-2]
	content, err := tlv.Template(data, tag.ReadRecordTemplate)
	if err != nil {
		return answer
	}
	var kept []byte
	for obj, err := range tlv.All(content) {
		if err != nil {
			return answer
		}
		if obj.Tag != t {
			kept = tlv.Append(kept, obj.Tag, obj.Value)
		}
	}
	return append(tlv.Append(nil, tag.ReadRecordTemplate, kept), 0x90, 0x00)
}
