package card_test

import (
	"bytes"
	"crypto/sha1"
	"math/big"
	"testing"

	"posd/device/sim/cards"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tlv"
)

func opened(t *testing.T, modulus, exponent, signed, outside []byte) []byte {
	t.Helper()
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	clear := new(big.Int).Exp(new(big.Int).SetBytes(signed), e, n).FillBytes(make([]byte, len(modulus)))
	end := len(clear) - 21
	sum := sha1.Sum(append(bytes.Clone(clear[1:end]), outside...))
	if clear[0] != 0x6A || clear[len(clear)-1] != 0xBC || !bytes.Equal(sum[:], clear[end:end+20]) {
		t.Fatalf("not recoverable: % X", clear)
	}
	return clear
}

func recoverICC(t *testing.T, objects map[tlv.Tag][]byte, static []byte) (modulus, exponent []byte) {
	t.Helper()
	_, index, caModulus, caExponent, _ := cards.TestCA()
	if got := objects[0x8F]; len(got) != 1 || got[0] != index {
		t.Fatalf("CA index % X", got)
	}
	key := func(modulus, exponent []byte, cert, rem, exp tlv.Tag, at int, more []byte) []byte {
		outside := append(append(bytes.Clone(objects[rem]), objects[exp]...), more...)
		clear := opened(t, modulus, exponent, objects[cert], outside)
		inside := clear[at : len(clear)-21]
		return append(bytes.Clone(inside), objects[rem]...)[:clear[at-2]]
	}
	issuerModulus := key(caModulus, caExponent, 0x90, 0x92, 0x9F32, 15, nil)
	return key(issuerModulus, objects[0x9F32], 0x9F46, 0x9F48, 0x9F47, 21, static), objects[0x9F47]
}

func TestDynamicDataAuthentication(t *testing.T) {
	c := load(t, "union-rich", "", "")
	aip, afl := begin(t, c, debit, nil)
	objects, static := readAll(t, c, aip, afl)
	modulus, exponent := recoverICC(t, objects, static)
	signed := find(t, send(t, c, apdu.InternalAuthenticate(un), apdu.OK), 0x80)
	opened(t, modulus, exponent, signed, un)
	again := find(t, send(t, c, apdu.InternalAuthenticate(un), apdu.OK), 0x80)
	if bytes.Equal(signed, again) {
		t.Error("the dynamic number is the same twice")
	}
	send(t, c, apdu.InternalAuthenticate(un[:3]), 0x6700)
}

func TestCombinedSignature(t *testing.T) {
	c := load(t, "union-cda", "", "")
	pdol := unhex("0156 22")
	aip, afl := begin(t, c, credit, pdol)
	objects, static := readAll(t, c, aip, afl)
	modulus, exponent := recoverICC(t, objects, static)
	body := find(t, send(t, c, apdu.GenerateAC(emv.ARQC, true, cdol1), apdu.OK), 0x77)
	clear := opened(t, modulus, exponent, find(t, body, 0x9F4B), un)
	number := int(clear[4])
	kind, ac, hash := clear[5+number], clear[6+number:14+number], clear[14+number:34+number]
	got := cryptogram{emv.Cryptogram(kind), 1, [8]byte(ac), find(t, body, 0x9F10)}
	if got.kind != emv.ARQC || got.ac != wantAC(t, c.Profile(), got, aip) {
		t.Errorf("cryptogram in the signature: %+v", got)
	}
	data := append(bytes.Clone(pdol), cdol1...)
	for o := range tlv.All(body) {
		if o.Tag != 0x9F4B {
			data = tlv.Append(data, o.Tag, o.Value)
		}
	}
	if want := sha1.Sum(data); !bytes.Equal(hash, want[:]) {
		t.Errorf("transaction data hash % X, want % X", hash, want)
	}
	aac := find(t, send(t, c, apdu.GenerateAC(emv.AAC, true, cdol2), apdu.OK), 0x77)
	if _, signed := tlv.Find(aac, 0x9F4B); signed {
		t.Error("an AAC is signed")
	}
}

func TestStaticSignature(t *testing.T) {
	c := load(t, "union-sda", "", "")
	aip, afl := begin(t, c, debit, nil)
	objects, static := readAll(t, c, aip, afl)
	_, _, caModulus, caExponent, _ := cards.TestCA()
	outside := append(bytes.Clone(objects[0x92]), objects[0x9F32]...)
	clear := opened(t, caModulus, caExponent, objects[0x90], outside)
	modulus := append(bytes.Clone(clear[15:len(clear)-21]), objects[0x92]...)[:clear[13]]
	opened(t, modulus, objects[0x9F32], objects[0x93], static)
}

func TestEncipheredPIN(t *testing.T) {
	c := load(t, "union-rich", "", "")
	aip, afl := begin(t, c, debit, nil)
	objects, static := readAll(t, c, aip, afl)
	modulus, exponent := recoverICC(t, objects, static)
	seal := func(challenge []byte) []byte {
		clear := append(unhex("7F 26 123456 FFFFFFFF"), challenge...)
		clear = append(clear, make([]byte, len(modulus)-len(clear))...)
		n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
		return new(big.Int).Exp(new(big.Int).SetBytes(clear), e, n).FillBytes(make([]byte, len(modulus)))
	}
	challenge := send(t, c, apdu.GetChallenge(), apdu.OK)
	sealed := seal(challenge)
	send(t, c, apdu.Verify(apdu.EncipheredPIN, sealed), apdu.OK)
	send(t, c, apdu.Verify(apdu.EncipheredPIN, sealed), apdu.ConditionsNotSatisfied) // a challenge counts once
	send(t, c, apdu.GetChallenge(), apdu.OK)
	send(t, c, apdu.Verify(apdu.EncipheredPIN, sealed), apdu.ConditionsNotSatisfied)
}
