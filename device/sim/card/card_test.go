package card_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"posd/device/sim/card"
	"posd/device/sim/cards"
	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/issuer"
	"posd/emv/tlv"
)

// counter is a random source that a test can predict.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(*c)
	}
	return len(p), nil
}

// load makes a card of a file that comes with the program, with lines added at its
// top (card) and its end (last application).
func load(t *testing.T, name, top, end string) *card.Card {
	t.Helper()
	p, err := cards.Load(name)
	if top+end != "" {
		p, err = cards.Parse(name+".card", []byte(top+"\n"+text(t, name)+"\n"+end))
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := card.New(p, new(counter))
	if err != nil {
		t.Fatal(err)
	}
	c.Reset()
	return c
}

func send(t *testing.T, c *card.Card, cmd apdu.Command, want apdu.SW) []byte {
	t.Helper()
	answer := c.Exchange(cmd.Append(nil))
	if answer == nil {
		t.Fatalf("INS %02X: mute", cmd.INS)
	}
	r, err := apdu.ParseResponse(answer)
	if err != nil {
		t.Fatalf("INS %02X: %v", cmd.INS, err)
	}
	if r.SW != want {
		t.Fatalf("INS %02X: SW %04X, want %04X", cmd.INS, uint16(r.SW), uint16(want))
	}
	return r.Data
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func find(t *testing.T, data []byte, path ...tlv.Tag) []byte {
	t.Helper()
	for _, tag := range path {
		value, ok := tlv.Find(data, tag)
		if !ok {
			t.Fatalf("no %v in % X", tag, data)
		}
		data = value
	}
	return data
}

var (
	debit  = unhex("A000000333010101")
	credit = unhex("A000000333010102")
	un     = unhex("01020304")
	// CDOL1 of the cards: amount 12.00, no cashback, China, TVR, CNY, date, sale, UN, time.
	cdol1 = unhex("000000001200 000000000000 0156 0400048000 0156 261123 00 01020304 120000")
	cdol2 = append([]byte("00"), cdol1...)
)

// begin selects and starts a payment; it returns AIP and AFL.
func begin(t *testing.T, c *card.Card, aid, pdol []byte) (aip, afl []byte) {
	t.Helper()
	send(t, c, apdu.Select(aid, false), apdu.OK)
	answer := send(t, c, apdu.GetProcessingOptions(tlv.Append(nil, 0x83, pdol)), apdu.OK)
	if body, ok := tlv.Find(answer, 0x77); ok {
		return find(t, body, 0x82), find(t, body, 0x94)
	}
	body := find(t, answer, 0x80)
	return body[:2], body[2:]
}

// readAll returns the objects of all records and the static data to be authenticated.
func readAll(t *testing.T, c *card.Card, aip, afl []byte) (objects map[tlv.Tag][]byte, static []byte) {
	t.Helper()
	objects = map[tlv.Tag][]byte{}
	for ; len(afl) > 0; afl = afl[4:] {
		for n := afl[1]; n <= afl[2]; n++ {
			body := find(t, send(t, c, apdu.ReadRecord(afl[0]>>3, n), apdu.OK), 0x70)
			for o, err := range tlv.All(body) {
				if err != nil {
					t.Fatal(err)
				}
				objects[o.Tag] = o.Value
			}
			if n < afl[1]+afl[3] {
				static = append(static, body...)
			}
		}
	}
	return objects, append(static, aip...)
}

// cryptogram is an answer to GENERATE AC in either format.
type cryptogram struct {
	kind emv.Cryptogram
	atc  uint16
	ac   [8]byte
	iad  []byte
}

func readAC(t *testing.T, answer []byte) (c cryptogram) {
	t.Helper()
	if body, ok := tlv.Find(answer, 0x77); ok {
		atc := find(t, body, 0x9F36)
		return cryptogram{
			emv.Cryptogram(find(t, body, 0x9F27)[0]), uint16(atc[0])<<8 | uint16(atc[1]),
			[8]byte(find(t, body, 0x9F26)), find(t, body, 0x9F10),
		}
	}
	body := find(t, answer, 0x80)
	return cryptogram{emv.Cryptogram(body[0]), uint16(body[1])<<8 | uint16(body[2]), [8]byte(body[3:11]), body[11:]}
}

// sessionKey is what the issuer's host would use.
func sessionKey(t *testing.T, p *card.Profile, atc uint16) []byte {
	t.Helper()
	mk, err := issuer.DeriveICCMasterKey(p.IMK[:], p.PAN, p.PANSequence)
	if err != nil {
		t.Fatal(err)
	}
	sk, err := issuer.SessionKeyCommon(mk, atc)
	if err != nil {
		t.Fatal(err)
	}
	return sk
}

// wantAC is the cryptogram that the host computes.
func wantAC(t *testing.T, p *card.Profile, got cryptogram, aip []byte) [8]byte {
	t.Helper()
	data := append(bytes.Clone(cdol1[:29]), aip...)
	data = append(data, byte(got.atc>>8), byte(got.atc))
	ac, err := issuer.ARQC(sessionKey(t, p, got.atc), append(data, got.iad...))
	if err != nil {
		t.Fatal(err)
	}
	return ac
}

func TestOnlinePaymentToTheEnd(t *testing.T) {
	c := load(t, "union-rich", "", "")
	p := c.Profile()
	aip, afl := begin(t, c, debit, nil)
	objects, _ := readAll(t, c, aip, afl)
	if got, _ := emv.PANFromCN(objects[0x5A]); got != p.PAN {
		t.Errorf("tag 5A has %v", got)
	}
	if got := objects[0x8E]; !bytes.Equal(got, unhex("0000000000000000 4203 5E03 1F00")) {
		t.Errorf("CVM list % X", got)
	}
	arqc := readAC(t, send(t, c, apdu.GenerateAC(emv.TC, false, cdol1), apdu.OK))
	if arqc.kind != emv.ARQC || arqc.atc != 1 || arqc.ac != wantAC(t, p, arqc, aip) {
		t.Fatalf("first cryptogram: %+v", arqc)
	}
	if !bytes.Equal(arqc.iad, unhex("06 01 12 03A01000")) {
		t.Errorf("IAD % X", arqc.iad)
	}
	arpc, err := issuer.ARPC1(sessionKey(t, p, 1), arqc.ac, [2]byte{'0', '0'})
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, apdu.ExternalAuthenticate(append(arpc[:], '0', '0')), apdu.OK)
	send(t, c, apdu.ExternalAuthenticate(append(arpc[:], '0', '0')), apdu.ConditionsNotSatisfied)
	tc := readAC(t, send(t, c, apdu.GenerateAC(emv.TC, false, cdol2), apdu.OK))
	if tc.kind != emv.TC || tc.ac != wantAC(t, p, tc, aip) {
		t.Errorf("second cryptogram: %+v", tc)
	}
	send(t, c, apdu.GenerateAC(emv.TC, false, cdol2), apdu.ConditionsNotSatisfied)
	if got := send(t, c, apdu.GetData(0x9F13), apdu.OK); !bytes.Equal(got, unhex("9F13 02 0001")) {
		t.Errorf("last online ATC: % X", got)
	}
	if got := send(t, c, apdu.ReadRecord(11, 1), apdu.OK); !bytes.Equal(got, unhex("261123 000000001200 0156 00 0001")) {
		t.Errorf("log: % X", got)
	}
}

func TestCounterOutlivesTheReset(t *testing.T) {
	c := load(t, "union-rich", "", "")
	for want := range uint16(3) {
		c.Reset()
		begin(t, c, debit, nil)
		if got := c.ATC(); got != want+1 {
			t.Errorf("ATC %d, want %d", got, want+1)
		}
	}
}

func TestWrongIssuerAnswerMakesItDecline(t *testing.T) {
	for _, name := range []string{"union-rich", "union-cda"} {
		c := load(t, name, "", "")
		aid, pdol := debit, []byte(nil)
		if name == "union-cda" {
			aid, pdol = credit, unhex("0156 22")
		}
		begin(t, c, aid, pdol)
		send(t, c, apdu.GenerateAC(emv.ARQC, false, cdol1), apdu.OK)
		send(t, c, apdu.ExternalAuthenticate(make([]byte, 10)), apdu.AuthFailed)
		if got := readAC(t, send(t, c, apdu.GenerateAC(emv.TC, false, cdol2), apdu.OK)); got.kind != emv.AAC {
			t.Errorf("%s: %v after a wrong answer of the issuer", name, got.kind)
		}
	}
}

func TestMethod2AndARequiredAnswer(t *testing.T) {
	c := load(t, "union-cda", "", "")
	aip, _ := begin(t, c, credit, unhex("0156 22"))
	arqc := readAC(t, send(t, c, apdu.GenerateAC(emv.ARQC, false, cdol1), apdu.OK))
	if arqc.ac != wantAC(t, c.Profile(), arqc, aip) || arqc.iad[1] != 0x02 {
		t.Errorf("cryptogram %+v", arqc)
	}
	csu := [4]byte{0, 0x82, 0, 0}
	arpc, err := issuer.ARPC2(sessionKey(t, c.Profile(), arqc.atc), arqc.ac, csu, nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, apdu.ExternalAuthenticate(append(arpc[:], csu[:]...)), apdu.OK)
	if got := readAC(t, send(t, c, apdu.GenerateAC(emv.TC, false, cdol2), apdu.OK)); got.kind != emv.TC {
		t.Errorf("%v after the issuer's answer", got.kind)
	}
	begin(t, c, credit, unhex("0156 22"))
	send(t, c, apdu.GenerateAC(emv.ARQC, false, cdol1), apdu.OK)
	if got := readAC(t, send(t, c, apdu.GenerateAC(emv.TC, false, cdol2), apdu.OK)); got.kind != emv.AAC {
		t.Errorf("%v without the issuer's answer", got.kind)
	}
}

// opened is the public RSA operation, and the checks that every recovery begins with.
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

// recoverICC walks from the scheme's key to the card's modulus.
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

func TestSelection(t *testing.T) {
	c := load(t, "signature", "", "")
	fci := find(t, send(t, c, apdu.Select([]byte("1PAY.SYS.DDF01"), false), apdu.OK), 0x6F)
	if sfi := find(t, fci, 0xA5, 0x88); sfi[0] != 1 {
		t.Errorf("directory in SFI %d", sfi[0])
	}
	second := find(t, send(t, c, apdu.ReadRecord(1, 2), apdu.OK), 0x70, 0x61)
	if got := find(t, second, 0x4F); hex.EncodeToString(got) != "a00000033301010201" {
		t.Errorf("second entry % X", got)
	}
	if got := find(t, second, 0x87); got[0] != 0x81 {
		t.Errorf("priority % X: confirmation is missing", got)
	}
	send(t, c, apdu.ReadRecord(1, 3), apdu.RecordNotFound)

	part := unhex("A000000333")
	for _, want := range []string{"a000000333010101", "a00000033301010201"} {
		fci := find(t, send(t, c, apdu.Select(part, want != "a000000333010101"), apdu.OK), 0x6F)
		if got := find(t, fci, 0x84); hex.EncodeToString(got) != want {
			t.Errorf("DF name % X, want %s", got, want)
		}
	}
	send(t, c, apdu.Select(part, true), apdu.FileNotFound)
	send(t, c, apdu.Select(unhex("A000000004"), false), apdu.FileNotFound)
	send(t, load(t, "union-sda", "", ""), apdu.Select([]byte("1PAY.SYS.DDF01"), false), apdu.FileNotFound)
}

func TestOfflinePIN(t *testing.T) {
	c := load(t, "union-sda", "", "")
	begin(t, c, debit, nil)
	wrong, right := unhex("24 9999 FFFFFFFFFF"), unhex("24 1234 FFFFFFFFFF")
	send(t, c, apdu.Verify(apdu.PlaintextPIN, wrong), 0x63C2)
	send(t, c, apdu.Verify(apdu.PlaintextPIN, right), apdu.OK)
	for _, want := range []apdu.SW{0x63C2, 0x63C1, 0x6983, 0x6983} {
		send(t, c, apdu.Verify(apdu.PlaintextPIN, wrong), want)
	}
	send(t, c, apdu.Verify(apdu.PlaintextPIN, right), 0x6983)
	if got := send(t, c, apdu.GetData(0x9F17), apdu.OK); !bytes.Equal(got, unhex("9F17 01 00")) {
		t.Errorf("PIN tries % X", got)
	}
	ac := readAC(t, send(t, c, apdu.GenerateAC(emv.ARQC, false, cdol1), apdu.OK))
	if ac.iad[4]&0x06 != 0x06 || ac.iad[5]&0x40 == 0 {
		t.Errorf("CVR % X does not tell of the failed PIN", ac.iad[3:])
	}
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

func TestScripts(t *testing.T) {
	c := load(t, "union-rich", "", "")
	p := c.Profile()
	begin(t, c, debit, nil)
	block := apdu.Command{CLA: 0x84, INS: 0x1E, Data: make([]byte, 8)}
	send(t, c, block, apdu.ConditionsNotSatisfied) // before the first cryptogram
	arqc := readAC(t, send(t, c, apdu.GenerateAC(emv.ARQC, false, cdol1), apdu.OK))
	send(t, c, block, 0x6988)

	mk, err := issuer.DeriveICCMasterKey(unhex("1122334455667788 99AABBCCDDEEFF00"), p.PAN, p.PANSequence)
	if err != nil {
		t.Fatal(err)
	}
	sk, err := issuer.SessionKeyFrom(mk, arqc.ac)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := issuer.MAC(sk, append(unhex("841E000008 0001"), arqc.ac[:]...), issuer.Pad80)
	if err != nil {
		t.Fatal(err)
	}
	block.Data = mac[:]
	send(t, c, block, apdu.OK)
	if !c.Blocked() {
		t.Error("the application is not blocked")
	}
	send(t, c, apdu.GenerateAC(emv.AAC, false, cdol2), apdu.ConditionsNotSatisfied)
	fci := send(t, c, apdu.Select(debit, false), apdu.SelectedFileInvalidated)
	find(t, fci, 0x6F, 0x84)
}

func TestPINUnblockByScript(t *testing.T) {
	c := load(t, "union-sda", "", "")
	begin(t, c, debit, nil)
	for range 3 {
		c.Exchange(apdu.Verify(apdu.PlaintextPIN, make([]byte, 8)).Append(nil))
	}
	if got := c.PINTriesLeft(); got != 0 {
		t.Fatalf("%d tries left", got)
	}
	send(t, c, apdu.GenerateAC(emv.ARQC, false, cdol1), apdu.OK)
	send(t, c, apdu.Command{CLA: 0x84, INS: 0x24, Data: make([]byte, 8)}, apdu.OK)
	if got := c.PINTriesLeft(); got != 3 {
		t.Errorf("%d tries after the unblock", got)
	}
	got := readAC(t, send(t, c, apdu.GenerateAC(emv.TC, false, cdol2), apdu.OK))
	if got.iad[6]>>4 != 1 {
		t.Errorf("CVR % X counts no script command", got.iad[3:])
	}
}

func TestCardRisk(t *testing.T) {
	for _, tc := range []struct {
		name, end string
		asked     []emv.Cryptogram
		want      []emv.Cryptogram
	}{
		{"as asked", "", []emv.Cryptogram{emv.AAC, emv.ARQC}, []emv.Cryptogram{emv.AAC, emv.ARQC}},
		{"three offline, then online", "", []emv.Cryptogram{emv.TC, emv.TC, emv.TC, emv.TC}, []emv.Cryptogram{emv.TC, emv.TC, emv.TC, emv.ARQC}},
		{"always online", "ac1: arqc", []emv.Cryptogram{emv.TC, emv.AAC}, []emv.Cryptogram{emv.ARQC, emv.AAC}},
		{"never", "ac1: aac", []emv.Cryptogram{emv.TC, emv.ARQC}, []emv.Cryptogram{emv.AAC, emv.AAC}},
	} {
		c := load(t, "union-sda", "", tc.end+"\n")
		for i, asked := range tc.asked {
			begin(t, c, debit, nil)
			if got := readAC(t, send(t, c, apdu.GenerateAC(asked, false, cdol1), apdu.OK)).kind; got != tc.want[i] {
				t.Errorf("%s: payment %d: asked %v, got %v, want %v", tc.name, i+1, asked, got, tc.want[i])
			}
		}
	}
}

func TestMalformedCommands(t *testing.T) {
	for _, tc := range []struct {
		name string
		cmd  string
		want uint16
	}{
		{"unknown instruction", "00 12 00 00 00", 0x6D00},
		{"wrong class", "80 A4 04 00 05 A000000333", 0x6E00},
		{"SELECT by another way", "00 A4 00 00 05 A000000333", 0x6A86},
		{"SELECT with data missing", "00 A4 04 00 08 A000000333", 0x6700},
		{"SELECT of four bytes", "00 A4 04 00 04 A0000003", 0x6700},
		{"SFI 0", "00 B2 01 04 00", 0x6A86},
		{"record 0", "00 B2 00 0C 00", 0x6A86},
		{"file that is not there", "00 B2 01 A4 00", 0x6A82},
		{"GPO without template", "80 A8 00 00 02 8200", 0x6A80},
		{"GPO with PDOL data that were not asked for", "80 A8 00 00 03 830101", 0x6A80},
		{"GET DATA of a tag that is not there", "80 CA 9F 02 00", 0x6A88},
		{"GENERATE AC before GPO", "80 AE 80 00 01 00", 0x6985},
		{"GENERATE AC of kind 11", "80 AE C0 00 01 00", 0x6A86},
		{"VERIFY before GPO", "00 20 00 80 08 24 1234 FFFFFFFFFF", 0x6985},
		{"EXTERNAL AUTHENTICATE before an ARQC", "00 82 00 00 08 0000000000000000", 0x6985},
		{"GET RESPONSE with nothing there", "00 C0 00 00 10", 0x6985},
		{"two bytes", "00 A4", 0x6700},
	} {
		c := load(t, "union-rich", "", "")
		send(t, c, apdu.Select(debit, false), apdu.OK)
		if got := c.Transmit(unhex(tc.cmd)); fmt.Sprintf("%04X", tc.want) != fmt.Sprintf("%X", got) {
			t.Errorf("%s: %X, want %04X", tc.name, got, tc.want)
		}
	}
}

func TestLengthsAtT0(t *testing.T) {
	c := load(t, "union-rich", "", "")
	answer := c.Transmit(unhex("00 A4 04 00 08 A000000333010101"))
	if len(answer) != 2 || answer[0] != 0x61 {
		t.Fatalf("SELECT: % X, want 61xx", answer)
	}
	n := answer[1]
	if got := c.Transmit([]byte{0, 0xC0, 0, 0, n + 1}); !bytes.Equal(got, []byte{0x6C, n}) {
		t.Errorf("GET RESPONSE for more: % X", got)
	}
	first := c.Transmit([]byte{0, 0xC0, 0, 0, 10})
	if !bytes.Equal(first[10:], []byte{0x61, n - 10}) {
		t.Errorf("GET RESPONSE for ten bytes ends % X", first[10:])
	}
	rest := c.Transmit([]byte{0, 0xC0, 0, 0, n - 10})
	if whole := append(first[:10:10], rest...); whole[0] != 0x6F || len(whole) != int(n)+2 {
		t.Errorf("in two parts: % X", whole)
	}
	for _, tc := range []struct{ command, want string }{
		{"80 CA 9F 36 00", "6C05"}, {"80 CA 9F 36 05", "9F360200009000"}, {"80 CA 9F 36 04", "6C05"},
	} {
		if got := c.Transmit(unhex(tc.command)); !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s: % X, want %s", tc.command, got, tc.want)
		}
	}
	if got := c.Transmit(unhex("00 84 00 00 00")); !bytes.Equal(got, unhex("6C08")) {
		t.Errorf("GET CHALLENGE: % X", got)
	}
}

func TestMisbehaviour(t *testing.T) {
	gpo := apdu.GetProcessingOptions([]byte{0x83, 0})
	good := send(t, started(t, ""), apdu.ReadRecord(1, 1), apdu.OK)
	for _, tc := range []struct {
		line string
		want string
	}{
		{"gpo sw 6985", "6985"},
		{"gpo answer 8002 0000 9000", "800200009000"},
		{"any 2 sw 6F00", "6F00"},
		{"gpo mute", ""},
		{"gpo 2 mute", "80"},
		{"gpo cut 1", "809000"},
		{"gpo flip 1", "81"},
	} {
		c := load(t, "union-rich", "misbehave: "+tc.line, "")
		send(t, c, apdu.Select(debit, false), apdu.OK)
		got := c.Exchange(gpo.Append(nil))
		if want := unhex(tc.want); !bytes.HasPrefix(got, want) || tc.want == "" && got != nil {
			t.Errorf("%s: % X, want % X", tc.line, got, want)
		}
		if tc.want == "" && (c.Exchange(gpo.Append(nil)) != nil || c.Reset() == nil) {
			t.Errorf("%s: a mute card stays mute until its reset", tc.line)
		}
	}
	flipped := send(t, started(t, "misbehave: read-record 1 flip -1"), apdu.ReadRecord(1, 1), apdu.OK)
	if flipped[len(flipped)-1] != good[len(good)-1]^1 || !bytes.Equal(flipped[:len(good)-1], good[:len(good)-1]) {
		t.Errorf("flip -1: % X", flipped)
	}
	if got := load(t, "union-rich", "misbehave: atr mute", "").Reset(); got != nil {
		t.Errorf("mute at the reset: % X", got)
	}
	if got := load(t, "union-rich", "misbehave: atr answer 3B00", "").Reset(); !bytes.Equal(got, unhex("3B00")) {
		t.Errorf("another ATR: % X", got)
	}
}

// started is union-rich after GET PROCESSING OPTIONS.
func started(t *testing.T, top string) *card.Card {
	c := load(t, "union-rich", top, "")
	begin(t, c, debit, nil)
	return c
}

func TestNewWants(t *testing.T) {
	p, err := cards.Load("union-rich")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.New(p, nil); err == nil {
		t.Error("New took a card without random source")
	}
	if _, err := card.New(&card.Profile{}, new(counter)); err == nil {
		t.Error("New took a card without application")
	}
	for _, shown := range []string{fmt.Sprint(p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p)} {
		if shown != "card union-rich" {
			t.Errorf("a profile prints as %q: it has keys and a PIN", shown)
		}
	}
}

// FuzzTransmit: no TPDU makes the card panic, answer too much or nothing.
func FuzzTransmit(f *testing.F) {
	for _, seed := range []string{"00A4040005A000000333", "80A80000028300", "00B2010C00", "80AE8000", "00C0000010", "841E000008", "0020008008241234"} {
		f.Add(unhex(seed), unhex("80CA9F3605"))
	}
	p, err := cards.Load("union-cda")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c, err := card.New(p, new(counter))
		if err != nil {
			t.Fatal(err)
		}
		c.Reset()
		c.Exchange(apdu.Select(credit, false).Append(nil))
		c.Exchange(unhex("80A8000005 8303 015622 00"))
		for _, tpdu := range [][]byte{first, second, first} {
			if got := c.Transmit(tpdu); len(got) < 2 || len(got) > apdu.MaxResponseData+2 {
				t.Errorf("% X: %d bytes", tpdu, len(got))
			}
		}
	})
}
