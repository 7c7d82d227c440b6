package kernel

import (
	"bytes"
	"context"
	"strings"
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

// FuzzSession: point 45. Whatever the card and its issuer say, a session ends, within its
// bounds, in a way that is defined. The terminal is that of one of the scenarios, with
// its CA keys, so that a whole session of the corpus gets as far as its last cryptogram.
func FuzzSession(f *testing.F) {
	issuers := []string{"", "91080102030405060708", "710C9F1804010203048604841E0000", "72068604842400007206"}
	f.Add(uint8(0), []byte{}, []byte{})
	all := readScenarios(f)
	kernels := make([]*Kernel, len(all))
	for i, sc := range all {
		f.Add(uint8(i), sc.record(f), unhex(issuers[i%len(issuers)]))
		kernels[i] = sc.stand(f).kernel
	}
	f.Fuzz(func(t *testing.T, which uint8, card, answer []byte) {
		i := int(which) % len(all)
		c := &tape{left: card}
		issuer := &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}, ICC: answer}}
		r, err := kernels[i].Run(context.Background(), all[i].transaction(), c, &person{pins: many(3)}, issuer)
		if c.n > maxCommands {
			t.Fatalf("%d commands", c.n)
		}
		if err == nil {
			defined(t, r, issuer)
		}
	})
}

// FuzzOwnSession: point 45, with a terminal that decides for itself, a cardholder who
// chooses and types, and a card without certificates.
func FuzzOwnSession(f *testing.F) {
	f.Add([]byte{}, []byte{})
	u := newSetup(plain())
	u.cfg.UsePSE = true
	u.cfg.Applications[0].Partial = true
	k, err := New(u.cfg)
	if err != nil {
		f.Fatal(err)
	}
	for _, rules := range []string{"1F00", "4100" + "0200", "5E03" + "1F00"} {
		rec := plain()
		rec[tag.CVMList] = "0000000000000000" + rules
		card := newCard(rec).on("80CA9F17", "9F170103 9000").on("0020", "63C2", "9000").on("841E", "9000")
		var recorded []byte
		card.bend = func(_ int, answer []byte) []byte {
			recorded = append(append(recorded, byte(len(answer)-2)), answer...)
			return answer
		}
		holder := &person{pins: many(3)}
		if _, err := k.Run(context.Background(), u.tx, card, holder, u.issuer); err != nil {
			f.Fatal(err)
		}
		f.Add(recorded, unhex("91080102030405060708710C9F1804010203048604841E0000"))
	}
	f.Fuzz(func(t *testing.T, card, answer []byte) {
		c := &tape{left: card}
		issuer := &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}, ICC: answer}}
		r, err := k.Run(context.Background(), u.tx, c, &person{choose: []int{0, 0, 0}, pins: many(16)}, issuer)
		if c.n > maxCommands {
			t.Fatalf("%d commands", c.n)
		}
		if err == nil {
			defined(t, r, issuer)
		}
	})
}

// FuzzAFL: points 12 and 13. An answer to GET PROCESSING OPTIONS that is accepted names
// only records that can be, and comes back as the same when it is written again.
func FuzzAFL(f *testing.F) {
	for _, sc := range readScenarios(f) {
		for _, a := range sc.Card.Answers {
			if strings.HasPrefix(a.C, "80A8") {
				f.Add(unhex(a.R[:len(a.R)-4]))
			}
		}
	}
	f.Add(unhex("770E82021C00940808010100F801FF00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		aip, afl, err := parseOptions(data)
		if err != nil {
			return
		}
		for i := 0; i < len(afl); i += 4 {
			l, err := parseLocator([4]byte(afl[i:]))
			if err != nil || l.sfi < 1 || l.sfi > 30 || l.first < 1 || l.last > 255 || l.first+l.signed-1 > l.last {
				t.Fatalf("%X accepted: %+v, %v", data, l, err)
			}
			if again := [4]byte{l.sfi << 3, byte(l.first), byte(l.last), byte(l.signed)}; again != [4]byte(afl[i:]) {
				t.Fatalf("%X came back as %X", afl[i:i+4], again)
			}
		}
		again := tlv.Append(nil, tag.ResponseTemplate1, append([]byte{byte(aip >> 8), byte(aip)}, afl...))
		if aip2, afl2, err := parseOptions(again); err != nil || aip2 != aip || !bytes.Equal(afl2, afl) {
			t.Fatalf("%X came back as %04X %X, %v", data, uint16(aip2), afl2, err)
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
