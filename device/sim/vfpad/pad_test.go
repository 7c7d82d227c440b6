package vfpad

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"posd/device/sim/keypad"
)

var (
	protection = bytes.Repeat([]byte{0x0B}, 16)
	master     = []byte("0123456789abcdef")
)

func newPad(t testing.TB) *Pad {
	t.Helper()
	p, err := New(Config{Protection: protection, Slots: map[int][]byte{0: master}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// feed gives the pad bytes and returns what it put on the line.
func feed(p *Pad, b ...byte) []byte {
	var in input
	for _, c := range b {
		if e := in.add(c); e.kind != nothing {
			p.react(e)
		}
	}
	return sentBy(p)
}

func sentBy(p *Pad) (out []byte) {
	for {
		select {
		case b := <-p.out:
			out = append(out, b...)
		default:
			return out
		}
	}
}

func TestExchangesByteForByte(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []byte
	}{
		{"cancel when idle", encode(stx, "72"), []byte{ack}},
		{"wrong check", []byte("\x0272\x03\x00"), []byte{nak}},
		{"select", encode(si, "080"), append([]byte{ack}, encode(si, "080")...)},
		{"select a slot that is none", encode(si, "08A"), append([]byte{ack}, encode(si, "081")...)},
		{"check a key that is there", encode(si, "040"), append([]byte{ack}, encode(si, "04F")...)},
		{"check a key that is not", encode(si, "041"), append([]byte{ack}, encode(si, "040")...)},
		{"not a key block", encode(si, "021B0000"), append([]byte{ack}, encode(si, "02?A")...)},
		{"PIN without master key", encode(stx, "Z62.62770000\x1C0123456789ABCDEF0412NPIN"), append([]byte{ack}, encode(stx, "719")...)},
		{"short account", encode(stx, "Z62.627700\x1C0123456789ABCDEF0412NPIN"), append([]byte{ack}, encode(stx, "712")...)},
		{"no lengths", encode(stx, "Z62.62770000\x1C0123456789ABCDEF"), append([]byte{ack}, encode(stx, "718")...)},
		{"unknown", encode(stx, "Q9"), nil},
		{"Z60 without a prompt", encode(stx, "Z60.62770000\x1C0123456789ABCDEF"), []byte{ack, eot}},
		{"70 with a short amount", append(encode(si, "080"), append([]byte{ack}, encode(stx, "70.62770000\x1C0123456789ABCDEF1.0")...)...), concat([]byte{ack}, encode(si, "080"), []byte{eot, ack}, encode(stx, "718"))},
		{"70 with DUKPT and no D or C", encode(stx, "7062770000\x1C12.00"), append([]byte{ack}, encode(stx, "715")...)},
		{"70 with DUKPT and no key", encode(stx, "7062770000\x1CD12.00"), append([]byte{ack}, encode(stx, "71A")...)},
		{"76 without a key", encode(stx, "7662770000\x1CD12.00"), append([]byte{ack}, encode(stx, "71A")...)},
		{"initial key that is none", encode(stx, "90B0000"), append([]byte{ack}, encode(stx, "911A")...)},
		{"key set", encode(stx, "961"), []byte{ack}},
		{"a rate that is none", encode(si, "139"), append([]byte{ack}, encode(si, "131")...)},
		{"MAC out of order", encode(stx, "Z666010\x1C0123456789ABCDEF\x1C\x1C00"), append([]byte{ack}, encode(stx, "Z672")...)},
		{"MAC of an empty slot", encode(stx, "Z666009\x1C0123456789ABCDEF\x1C\x1C00"), append([]byte{ack}, encode(stx, "Z673")...)},
		{"MAC of another kind", encode(stx, "Z663000\x1C0123456789ABCDEF\x1C\x1C00"), append([]byte{ack}, encode(stx, "Z676")...)},
		{"part of a MAC", encode(stx, "Z665000\x1C0123456789ABCDEF\x1C\x1CTEXT"), append([]byte{ack}, encode(stx, "Z671")...)},
	} {
		if got := feed(newPad(t), tc.in...); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: % X, want % X", tc.name, got, tc.want)
		}
	}
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestThreeGarbledFramesEndTheExchange(t *testing.T) {
	p := newPad(t)
	bad := []byte("\x0272\x03\x00")
	if got := feed(p, bytes.Repeat(bad, 3)...); !bytes.Equal(got, []byte{nak, nak, eot}) {
		t.Errorf("got % X", got)
	}
}

func TestCancelDuringEntry(t *testing.T) {
	p := newPad(t)
	feed(p, append(encode(si, "080"), ack)...)
	feed(p, encode(stx, "Z62.62770000\x1C0123456789ABCDEF0412NENTER PIN")...)
	if err := p.Type("12"); err != nil || p.Display() != "ENTER PIN\n**" {
		t.Errorf("display %q, %v", p.Display(), err)
	}
	if got := feed(p, encode(stx, "Z2\x1AHELLO")...); got != nil {
		t.Errorf("an entering pad answers % X", got)
	}
	if got := feed(p, encode(stx, "72")...); !bytes.Equal(got, []byte{eot}) || p.Entering() {
		t.Errorf("72 in the middle of entry: % X", got)
	}
	p.PressEnter()
	p.PressCancel()
	if got := sentBy(p); got != nil {
		t.Errorf("keys of an idle pad send % X", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"no protection key": {},
		"slot":              {Protection: protection, Slots: map[int][]byte{10: master}},
		"short key":         {Protection: protection, Slots: map[int][]byte{1: master[:8]}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := newPad(t).Press("12Q"); !errors.Is(err, keypad.ErrKeys) || strings.Contains(err.Error(), "12") {
		t.Errorf("Press: %v", err)
	}
}

// FuzzLine: no bytes make the pad panic, or an idle one enter without Z62.
func FuzzLine(f *testing.F) {
	f.Add(append(append(encode(si, "080"), ack), encode(stx, "Z62.62770000\x1C0123456789ABCDEF0412NPIN\x1C\x1CWAIT")...))
	f.Add(encode(si, "020B0072K0TD00N0000"))
	f.Add([]byte("\x0272\x03\x00\x15\x04\x06"))
	f.Add(append(encode(stx, "Z2\x1APIN"), encode(stx, "Z60.62770000")...))
	f.Add(append(encode(stx, "Z667000\x1C0123456789ABCDEF\x1C\x1C00"), encode(stx, "Z666010\x1C0123456789ABCDEF\x1C\x1C00")...))
	f.Add(append(encode(stx, "7062770000\x1CD12.00"), encode(stx, "Q42")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPad(t)
		defer p.reset()
		feed(p, b...)
		if p.Entering() && !bytes.Contains(b, []byte("Z6")) && !bytes.Contains(b, []byte("70")) {
			t.Error("entry without a request")
		}
		p.Swipe("A", "1=2", "3")
		if err := p.Press("1234E"); err != nil {
			t.Fatal(err)
		}
	})
}
