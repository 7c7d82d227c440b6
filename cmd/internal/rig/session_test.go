package rig_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/issuer"
	"posd/emv/kernel"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// direct is the virtual card without a reader.
type direct struct {
	card *card.Card
	buf  []byte
}

func (d *direct) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	d.buf = cmd.Append(d.buf[:0])
	answer := d.card.Exchange(d.buf)
	if answer == nil {
		return apdu.Response{}, errors.New("mute")
	}
	return apdu.ParseResponse(answer)
}

// person chooses the first application that needs no consent, and types.
type person struct{}

func (person) Select(_ context.Context, candidates []kernel.Candidate) (int, error) {
	return slices.IndexFunc(candidates, func(c kernel.Candidate) bool { return !c.NeedsConsent }), nil
}

func (person) EnterPIN(context.Context, kernel.PINRequest) (kernel.PINResult, error) {
	return kernel.PINResult{Status: kernel.PINEntered}, nil
}

// bank checks the card's cryptogram with the issuer's key and answers with an ARPC.
type bank struct {
	profile *card.Profile
	code    string
}

func (b *bank) Authorize(_ context.Context, req kernel.OnlineRequest) (kernel.OnlineAnswer, error) {
	get := func(t tlv.Tag) []byte { v, _ := tlv.Find(req.ICC, t); return v }
	mk, err := issuer.DeriveICCMasterKey(b.profile.IMK[:], b.profile.PAN, max(b.profile.PANSequence, 0))
	if err != nil {
		return kernel.OnlineAnswer{}, err
	}
	atc := get(tag.ATC)
	sk, err := issuer.SessionKeyCommon(mk, uint16(atc[0])<<8|uint16(atc[1]))
	if err != nil {
		return kernel.OnlineAnswer{}, err
	}
	arqc := [8]byte(get(tag.ApplicationCryptogram))
	data, err := b.authenticate(sk, arqc)
	if err != nil {
		return kernel.OnlineAnswer{}, err
	}
	return kernel.OnlineAnswer{ARC: [2]byte{b.code[0], b.code[1]}, ICC: tlv.Append(nil, tag.IssuerAuthenticationData, data)}, nil
}

// authenticate is tag 91, by the method that the card wants. 80 in the second byte of a
// card status update says that the issuer approves.
func (b *bank) authenticate(sk []byte, arqc [8]byte) ([]byte, error) {
	if b.profile.ARPCMethod == 2 {
		csu := [4]byte{0, 0x80}
		arpc, err := issuer.ARPC2(sk, arqc, csu, nil)
		return append(arpc[:], csu[:]...), err
	}
	arpc, err := issuer.ARPC1(sk, arqc, [2]byte{b.code[0], b.code[1]})
	return append(arpc[:], b.code...), err
}

func newKernel(t testing.TB) *kernel.Kernel {
	k, err := kernel.New(configuration())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// configuration is an online-only terminal that takes the cards of device/sim/cards.
func configuration() kernel.Config {
	rid, index, modulus, exponent, sum := cards.TestCA()
	return kernel.Config{
		Data: map[tlv.Tag][]byte{
			tag.TerminalType: {0x21}, tag.TerminalCapabilities: {0x20, 0x68, 0xC8},
			tag.AdditionalTerminalCapabilities: {0x60, 0, 0xF0, 0xA0, 1}, tag.TerminalCountryCode: {1, 0x56},
			tag.TransactionCurrencyCode: {1, 0x56}, tag.TransactionCurrencyExponent: {2},
			tag.MerchantCategoryCode: {0x54, 0x11}, tag.MerchantIdentifier: []byte("104403154110001"),
			tag.TerminalIdentification: []byte("POSD0001"), tag.IFDSerialNumber: []byte("SIM00001"),
			tag.MerchantNameAndLocation: []byte("TEST"),
		},
		Applications: []kernel.Application{union(1), union(2)},
		CAKeys:       []oda.CAKey{{RID: rid, Index: index, Modulus: modulus, Exponent: exponent, SHA1: sum}},
		OnlineTags:   []tlv.Tag{0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82, 0x9F1A, 0x9F03, 0x9F33, 0x9F34, 0x9F35, 0x9F1E, 0x84, 0x9F09, 0x9F41, 0x9F63},
		UsePSE:       true,
	}
}

// union is UnionPay debit (1) or credit (2).
func union(product byte) kernel.Application {
	return kernel.Application{
		AID: []byte{0xA0, 0, 0, 3, 0x33, 1, 1, product}, Partial: true, Version: [2]byte{0, 0x30},
		TACDefault: 0xFC78FCF8F0, TACDenial: 0x0010000000, TACOnline: 0xFC78FCF8F0,
		DefaultDDOL: tlv.DOL{0x9F, 0x37, 4},
	}
}

func transaction(seq uint32) kernel.Transaction {
	tx := kernel.Transaction{
		Amount: emv.Amount{Minor: 12850, Currency: emv.CNY}, Time: time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC),
		Sequence: seq, Draw: 50,
	}
	tx.UN[0], tx.UN[1] = [4]byte{1, 2, 3, byte(seq)}, [4]byte{4, 5, 6, byte(seq)}
	return tx
}

// The kernel and the virtual card share no code; here they meet without reader, host
// or disk. Each card of device/sim/cards pays, and authenticates itself off line.
func TestKernelMeetsCards(t *testing.T) {
	for _, name := range cards.Names() {
		t.Run(name, func(t *testing.T) {
			p, err := cards.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := card.New(p, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			c.Reset()
			res, err := newKernel(t).Run(t.Context(), transaction(1), &direct{card: c}, person{}, &bank{profile: p, code: "00"})
			if err != nil || res.Outcome != emv.Approved || res.Facts.Kind != emv.TC {
				t.Fatalf("%v, %v: %s; TVR %v (%s), error %v", res.Outcome, res.Facts.Kind, res.Why, res.Facts.TVR, res.Facts.TVR.Names(), err)
			}
			if bad := res.Facts.TVR & (emv.ODANotPerformed | emv.SDAFailed | emv.DDAFailed | emv.CDAFailed | emv.ICCDataMissing | emv.IssuerAuthFailed); bad != 0 {
				t.Errorf("TVR %v: %s", res.Facts.TVR, bad.Names())
			}
		})
	}
}

// BenchmarkSession is one whole chip transaction against the in-process card, whose own
// cryptography (an RSA signature and three cryptograms) is part of the figure.
func BenchmarkSession(b *testing.B) {
	for _, name := range []string{"union-rich", "union-cda"} {
		b.Run(name, func(b *testing.B) {
			p, err := cards.Load(name)
			if err != nil {
				b.Fatal(err)
			}
			c, err := card.New(p, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			k := newKernel(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%60000 == 0 { // before the card's counter (2 bytes) ends
					if c, err = card.New(p, rand.Reader); err != nil {
						b.Fatal(err)
					}
				}
				c.Reset()
				res, err := k.Run(b.Context(), transaction(uint32(i)), &direct{card: c}, person{}, &bank{profile: p, code: "00"})
				if err != nil || res.Outcome != emv.Approved {
					b.Fatal(res.Outcome, res.Why, err)
				}
			}
		})
	}
}
