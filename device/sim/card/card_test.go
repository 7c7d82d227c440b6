package card_test

import (
	"bytes"
	"encoding/hex"
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
// recoverICC walks from the scheme's key to the card's modulus.
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

// started is union-rich after GET PROCESSING OPTIONS.
// FuzzTransmit: no TPDU makes the card panic, answer too much or nothing.
