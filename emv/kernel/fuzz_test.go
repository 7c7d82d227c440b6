package kernel

import (
	"context"
	"testing"

	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// tape is a card whose answers come from the fuzzer: a length byte, so many bytes of
// data, two of status word. At its end it is mute.
type tape struct {
	left []byte
	n    int
}

func (c *tape) Transmit(context.Context, apdu.Command) (apdu.Response, error) {
	c.n++
	if len(c.left) < 3 {
		return apdu.Response{}, errPulled
	}
	n := min(int(c.left[0]), len(c.left)-3)
	answer := c.left[1 : 1+n+2]
	c.left = c.left[1+n+2:]
	return apdu.ParseResponse(answer)
}

// record writes what a scenario's card answers in a whole session as a tape.
func (sc scenario) record(t testing.TB) []byte {
	var out []byte
	m := &meddler{bend: func(_ int, answer []byte) []byte {
		out = append(out, byte(len(answer)-2))
		out = append(out, answer...)
		return answer
	}}
	if _, _, err := sc.meddled(t, m); err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzSession: point 45. Whatever the card says, a session ends, within its bounds, in a
// way that is defined.
func FuzzSession(f *testing.F) {
	f.Add([]byte{}, []byte{})
	if all := readScenarios(f); len(all) > 0 {
		for i := 0; i < len(all); i += 9 {
			f.Add(all[i].record(f), unhex("91080102030405060708"))
		}
	}
	u := newSetup(plain())
	cfg := u.cfg
	cfg.UsePSE = true
	cfg.Applications = append(cfg.Applications, Application{
		AID: unhex("F0000000010101"), Version: [2]byte{0, 0x20}, FloorLimitMinor: 10000, DefaultDDOL: unhex("9F3704"),
	})
	cfg.AutoSelect = true
	k, err := New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, card, answer []byte) {
		c := &tape{left: card}
		issuer := &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}, ICC: answer}}
		holder := &person{pins: many(3)}
		r, err := k.Run(context.Background(), u.tx, c, holder, issuer)
		if c.n > maxCommands {
			t.Fatalf("%d commands", c.n)
		}
		if err == nil {
			defined(t, r, issuer)
		}
	})
}

// FuzzScripts: point 41. However an issuer's answer looks, each script has a result of
// five bytes, and a well-formed script survives being written again.
func FuzzScripts(f *testing.F) {
	f.Add(unhex("710C9F1804010203048604841E0000"))
	f.Add(unhex("7206860484240000720686048424"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, template := range []tlv.Tag{tag.IssuerScriptTemplate1, tag.IssuerScriptTemplate2} {
			for _, sc := range findScripts(answer, template, minScriptLimit) {
				if sc.defect != nil {
					continue
				}
				var again []byte
				if sc.id != [4]byte{} {
					again = tlv.Append(again, tag.IssuerScriptIdentifier, sc.id[:])
				}
				for _, c := range sc.commands {
					again = tlv.Append(again, tag.IssuerScriptCommand, c)
				}
				if back := parseScript(again); back.defect != nil || len(back.commands) != len(sc.commands) || back.id != sc.id {
					t.Fatalf("%X came back as %+v", again, back)
				}
			}
		}
	})
}

// FuzzCryptogram: point 36. An answer that is accepted has what the kernel relies on.
func FuzzCryptogram(f *testing.F) {
	f.Add(unhex("8012800042C0FFEE000000000107010103A00000"))
	f.Add(unhex("771E9F2701809F3602002A9F2608C0FFEE00000000019F100707010103A00000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCryptogram(data)
		if err == nil && (c.cid&kindBits == kindBits || len(c.signed) > len(data)) {
			t.Fatalf("%+v", c)
		}
	})
}
