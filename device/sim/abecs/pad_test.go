package abecs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/device/sim/keypad"
)

var master = []byte("0123456789abcdef")

func newPad(t testing.TB) *Pad {
	t.Helper()
	p, err := New(Config{MasterKeys: map[int][]byte{0: master}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// feed gives the pad bytes and returns what it put on the line.
func feed(p *Pad, b ...byte) []byte {
	p.mu.Lock()
	for _, c := range b {
		p.take(c)
	}
	p.mu.Unlock()
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

func packet(data string) []byte { return encode([]byte(data)) }

func acked(data string) []byte { return append([]byte{ack}, packet(data)...) }

func gpnBlock(method, slot, pan string, least, most int) string {
	return fmt.Sprintf("GPN093%s%s%032d%02d%-19s1%02d%02d%-32s", method, slot, 0, len(pan), pan, least, most, "SENHA")
}

// What the specification prints, and what it says of errors: Abecs 2.20, 2.2, 3.3 and 6.5.
func TestExchangesByteForByte(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []byte
	}{
		{"OPN", []byte("\x16OPN\x17\xA8\xA9"), acked("OPN000")},
		{"CAN", []byte{can}, []byte{eot}},
		{"NAK without a response before it", []byte{nak}, nil},
		{"DSP", packet("DSP032" + strings.Repeat("A", 32)), []byte("\x06\x16DSP000\x17\x39\x63")},
		{"DSP without a block", packet("DSP"), acked("DSP011")},
		{"no command", packet("XYZ"), acked("ERR010")},
		{"two letters", packet("XY"), acked("ERR010")},
		{"a block that is cut off", packet("DSP032A"), acked("DSP011")},
		{"enciphered without a session", packet("\x12" + strings.Repeat("A", 16)), acked("ERR003")},
		{"old OPN with an empty block", packet("OPN000"), acked("OPN000")},
		{"GIN of an acquirer", packet("GIN00202"), acked("GIN000042Abecs               001.00 2502282.20   00")},
		{"CHP on without a card", packet("CHP00501000"), acked("CHP043")},
		{"CHP off without a card", packet("CHP00500000"), acked("CHP000003000")},
		{"CHP of a SAM", packet("CHP00511000"), acked("CHP011")},
		{"CHP shorter than it says", packet("CHP0050200A"), acked("CHP011")},
		{"CEX without options", packet("CEX"), acked("CEX019")},
		{"CEX at once", packet("CEX015\x00\x06\x00\x06001000\x00\x0C\x00\x01\x00"), acked("CEX012")},
		{"CEX of a removed card", packet("CEX010\x00\x06\x00\x06002000"), acked("CEX000006\x80\x40\x00\x0291")},
		{"CEX with half an object", packet("CEX003\x00\x06\x00"), acked("CEX011")},
		{"GPN without a key", packet(gpnBlock("1", "07", "6277000000000011", 4, 12)), acked("GPN042")},
		{"GPN with DUKPT and no key", packet(gpnBlock("3", "00", "6277000000000011", 4, 12)), acked("GPN042")},
		{"GPN with three digits", packet(gpnBlock("1", "00", "6277000000000011", 3, 12)), acked("GPN011")},
		{"GPN of another method", packet(gpnBlock("2", "00", "6277000000000011", 4, 12)), acked("GPN011")},
		{"GPN without a card number", packet(gpnBlock("1", "00", "", 4, 12)), acked("GPN010")},
		{"RMC without a card", packet("RMC032" + strings.Repeat(" ", 32)), acked("RMC000")},
	} {
		p := newPad(t)
		if got := feed(p, tc.in...); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: % X, want % X", tc.name, got, tc.want)
		}
		p.reset()
	}
}

func TestNAKRepeatsTheResponse(t *testing.T) {
	p := newPad(t)
	first := feed(p, packet("OPN")...)
	if again := feed(p, nak); !bytes.Equal(again, first[1:]) {
		t.Errorf("% X, then % X", first, again)
	}
}

// A packet that cannot be read is answered by NAK after half a second of silence, and one that
// stops after two seconds.
func TestPacketsThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want time.Duration
	}{
		"CRC": {"\x16OPN\x17\x00\x00", 500 * time.Millisecond}, "torn": {"\x16OPN", 2 * time.Second},
		"too long": {"\x16" + strings.Repeat("A", maxData+1), 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, begin := newPad(t), time.Now()
				if got := feed(p, []byte(tc.in)...); got != nil {
					t.Errorf("% X at once", got)
				}
				if got := <-p.out; !bytes.Equal(got, []byte{nak}) || time.Since(begin) != tc.want {
					t.Errorf("% X after %v, want NAK after %v", got, time.Since(begin), tc.want)
				}
				if got := feed(p, packet("OPN")...); !bytes.Equal(got, acked("OPN000")) {
					t.Errorf("after it: % X", got)
				}
			})
		})
	}
}

func TestCANAndNewCommandsEndWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPad(t)
		for name, stop := range map[string]struct{ in, want []byte }{
			"CAN": {[]byte{can}, []byte{eot}}, "OPN": {packet("OPN"), acked("OPN000")},
		} {
			got := feed(p, packet(gpnBlock("1", "00", "6277000000000011", 4, 12))...)
			if !bytes.Equal(got, []byte{ack}) || !p.Waiting() || p.Display() != "SENHA" {
				t.Fatalf("%s: % X, display %q", name, got, p.Display())
			}
			_ = p.Press("12")
			if p.Display() != "SENHA\n**" {
				t.Errorf("%s: display %q", name, p.Display())
			}
			if got := feed(p, stop.in...); !bytes.Equal(got, stop.want) || p.Waiting() || p.Display() != "" {
				t.Errorf("%s: % X, display %q", name, got, p.Display())
			}
			_ = p.Press("34E")
			if got := sentBy(p); got != nil {
				t.Errorf("%s: keys of an idle pad send % X", name, got)
			}
		}
		p.reset()
	})
}

func TestAMinuteWithoutAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, begin := newPad(t), time.Now()
		feed(p, packet(gpnBlock("1", "00", "6277000000000011", 4, 12))...)
		<-time.After(50 * time.Second)
		_ = p.Press("1")
		if got := <-p.out; !bytes.Equal(got, packet("GPN012")) || time.Since(begin) != 110*time.Second {
			t.Errorf("% X after %v", got, time.Since(begin))
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"slot": {MasterKeys: map[int][]byte{100: master}}, "short key": {MasterKeys: map[int][]byte{1: master[:8]}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := newPad(t).Press("12Q"); !errors.Is(err, keypad.ErrKeys) || strings.Contains(err.Error(), "12") {
		t.Errorf("Press: %v", err)
	}
}

// FuzzLine: no bytes make the pad panic, or an idle one enter without GPN.
func FuzzLine(f *testing.F) {
	f.Add(packet(gpnBlock("1", "00", "6277000000000011", 4, 12)))
	f.Add(append(packet("CHP00501000"), packet("CEX010\x00\x06\x00\x06111100")...))
	f.Add([]byte("\x16OPN\x17\xA8\xA9\x15\x18\x13\x16"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPad(t)
		defer p.reset()
		feed(p, b...)
		if strings.Contains(p.Display(), "*") {
			t.Error("entry without a key")
		}
		feed(p, encode(b)...)
		_ = p.Press("1234E")
		p.Insert(nil)
	})
}
