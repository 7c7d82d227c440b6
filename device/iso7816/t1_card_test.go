package iso7816_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"posd/device"
	"posd/device/iso7816"
	"posd/device/sim/t1"
)

// counter answers a command with as many bytes as its P2 says, 256 for 0, each its own
// offset, and with the command's data in front.
type counter struct{ seen [][]byte }

func (c *counter) Reset() { c.seen = nil }

func (c *counter) Exchange(command []byte) []byte {
	c.seen = append(c.seen, bytes.Clone(command))
	return answerOf(command)
}

func answerOf(command []byte) []byte {
	if len(command) < 5 {
		return []byte{0x67, 0x00}
	}
	n := int(command[3])
	if n == 0 {
		n = 256
	}
	var data []byte
	if len(command) > 5 {
		if len(command) != 6+int(command[4]) {
			return []byte{0x67, 0x00}
		}
		data = command[5 : 5+int(command[4])]
	}
	for i := len(data); i < n; i++ {
		data = append(data[:i:i], byte(i))
	}
	return append(data[:n:n], 0x90, 0x00)
}

// commandOf has so many bytes of data and an answer of n.
func commandOf(data, n int) []byte {
	c := []byte{0x00, 0xB2, 0x01, byte(n)}
	if data > 0 {
		c = append(append(c, byte(data)), bytes.Repeat([]byte{0xA5}, data)...)
	}
	return append(c, byte(n))
}

type rig struct {
	*iso7816.T1
	card   *t1.Card
	app    *counter
	blocks int
	waits  []byte
}

// connect resets a card. Silence takes a second.
func connect(t *testing.T, c t1.Config) *rig {
	t.Helper()
	r := &rig{app: &counter{}}
	c.Application = r.app
	var err error
	if r.card, err = t1.New(c); err != nil {
		t.Fatal(err)
	}
	atr, err := iso7816.ParseATR(r.card.Reset())
	if err != nil {
		t.Fatal(err)
	}
	r.T1 = iso7816.NewT1(atr, func(_ context.Context, block []byte, bwts byte) ([]byte, error) {
		r.blocks++
		r.waits = append(r.waits, bwts)
		answer := r.card.Transmit(block)
		if answer == nil {
			<-time.After(time.Second)
			return nil, fmt.Errorf("%w: no block", device.ErrMute)
		}
		return answer, nil
	})
	return r
}

// Sizes around every boundary of blocks, in both directions.
func TestT1Sizes(t *testing.T) {
	for _, c := range []t1.Config{{}, {IFSC: 1}, {IFSC: 16}, {IFSC: 32, CRC: true}, {CRC: true}} {
		r := connect(t, c)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, data := range []int{0, 1, 11, 26, 27, 247, 248, 249, 255} {
			for _, n := range []int{max(data, 1), 251, 252, 253, 254, 255, 256} {
				if n < data {
					continue
				}
				command := commandOf(data, n%256)
				got, err := r.Transmit(t.Context(), command)
				if want := answerOf(command); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("IFSC %d, CRC %v, %d bytes out, %d in: got %d bytes, %v", c.IFSC, c.CRC, data, n, len(got), err)
				}
			}
		}
		if counts := r.card.Counts(); counts.Damaged > 0 || counts.Resynchs > 0 || counts.Commands != len(r.app.seen) {
			t.Errorf("IFSC %d, CRC %v: %+v", c.IFSC, c.CRC, counts)
		}
	}
}

var allFaults = map[string]t1.Fault{
	"deaf": {Kind: t1.Deaf}, "silent": {Kind: t1.Silent}, "bad check": {Kind: t1.BadCheck}, "short": {Kind: t1.Short},
	"wrong NAD": {Kind: t1.WrongNAD}, "reserved": {Kind: t1.Reserved}, "wrong N(S)": {Kind: t1.WrongNS},
	"repeat": {Kind: t1.Repeat}, "wrong N(R) kept": {Kind: t1.KeepNR}, "chatter": {Kind: t1.Chatter},
	"empty": {Kind: t1.Empty}, "too long": {Kind: t1.TooLong}, "waiting": {Kind: t1.Waiting, Value: 2},
	"waiting nothing": {Kind: t1.Waiting}, "resize": {Kind: t1.Resize, Value: 20}, "resize to nothing": {Kind: t1.Resize},
	"aborting": {Kind: t1.Aborting}, "resynching": {Kind: t1.Resynching}, "bad IFS": {Kind: t1.BadIFS},
}

// hopeless are what even one of breaks a session: the card ends it, lies about what it has
// had, puts bytes in the answer, or insists on what is not allowed.
var hopeless = map[t1.FaultKind]bool{t1.Aborting: true, t1.KeepNR: true, t1.Empty: true, t1.Resize: true}

// Each fault strikes once, at each block of a dialogue with chains both ways. What comes
// back is right, or an error; and no command reaches the card twice.
func TestT1OneFault(t *testing.T) {
	command := commandOf(40, 100)
	for name, fault := range allFaults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mended, failed := 0, 0
				for skip := range 12 {
					r := connect(t, t1.Config{IFSC: 16})
					fault.Skip, fault.Times = skip, 1
					r.card.Misbehave(fault)
					err := r.Start(t.Context())
					var got []byte
					if err == nil {
						got, err = r.Transmit(t.Context(), command)
					}
					switch {
					case err == nil && bytes.Equal(got, answerOf(command)):
						mended++
					case err == nil && fault.Kind == t1.KeepNR && bytes.Equal(got, []byte{0x67, 0x00}):
						failed++ // it said that it had a block, and had not
					case err == nil:
						t.Errorf("after %d blocks: got % X", skip, got)
					default:
						failed++
						if !errors.Is(err, device.ErrMute) && !errors.Is(err, device.ErrProtocol) {
							t.Errorf("after %d blocks: %v", skip, err)
						}
					}
					if len(r.app.seen) > 1 {
						t.Errorf("after %d blocks: the card had the command %d times", skip, len(r.app.seen))
					}
				}
				t.Logf("%d mended, %d failed", mended, failed)
				if failed > 0 && !hopeless[fault.Kind] {
					t.Errorf("%d of %d were not mended", failed, mended+failed)
				}
			})
		})
	}
}

// Each fault for ever ends, soon, with an error that has the card's power taken.
func TestT1FaultForEver(t *testing.T) {
	for name, fault := range allFaults {
		for skip := range 6 {
			synctest.Test(t, func(t *testing.T) {
				r := connect(t, t1.Config{IFSC: 16})
				fault.Skip = skip
				r.card.Misbehave(fault)
				begin := time.Now()
				err := r.Start(t.Context())
				for range 3 {
					if err == nil {
						_, err = r.Transmit(t.Context(), commandOf(40, 100))
					}
				}
				if took := time.Since(begin); took > 2*time.Minute || r.blocks > 3000 {
					t.Errorf("%s after %d: %v and %d blocks", name, skip, took, r.blocks)
				}
				if err == nil && fault.Kind != t1.BadIFS {
					t.Errorf("%s after %d: no error", name, skip)
				}
				if err != nil && !errors.Is(err, device.ErrMute) && !errors.Is(err, device.ErrProtocol) {
					t.Errorf("%s after %d: %v", name, skip, err)
				}
				if len(r.app.seen) > 3 {
					t.Errorf("%s after %d: the card had %d commands of 3", name, skip, len(r.app.seen))
				}
			})
		}
	}
}

// A card that asks for time with every breath has a minute, and one wait.
func TestT1CardThatAsksForTimeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connect(t, t1.Config{})
		begin := time.Now()
		s := iso7816.NewT1(mustATR(t, r.card), func(_ context.Context, block []byte, _ byte) ([]byte, error) {
			<-time.After(900 * time.Millisecond)
			return r.card.Transmit(block), nil
		})
		r.card.Misbehave(t1.Fault{Kind: t1.Waiting, Value: 255})
		_, err := s.Transmit(t.Context(), commandOf(0, 5))
		if took := time.Since(begin); !errors.Is(err, device.ErrMute) || !errors.Is(err, iso7816.ErrDeactivate) || took < time.Minute || took > 62*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func mustATR(t *testing.T, card *t1.Card) iso7816.ATR {
	t.Helper()
	atr, err := iso7816.ParseATR(card.Reset())
	if err != nil {
		t.Fatal(err)
	}
	return atr
}

func TestT1CardWithThreeRequestsForTime(t *testing.T) {
	r := connect(t, t1.Config{})
	r.card.Misbehave(t1.Fault{Kind: t1.Waiting, Times: 3, Value: 7})
	got, err := r.Transmit(t.Context(), commandOf(0, 5))
	if err != nil || len(got) != 7 {
		t.Fatalf("% X, %v", got, err)
	}
	if want := []byte{1, 7, 7, 7}; !bytes.Equal(r.waits, want) {
		t.Errorf("block waiting times %v, want %v", r.waits, want)
	}
}

// A session that ended stays so, and says why; nothing is sent.
func TestT1SessionThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connect(t, t1.Config{})
		r.card.Misbehave(t1.Fault{Kind: t1.Silent})
		_, first := r.Transmit(t.Context(), commandOf(0, 5))
		r.card.Misbehave(t1.Fault{})
		sent := r.blocks
		_, err := r.Transmit(t.Context(), commandOf(0, 5))
		if !errors.Is(first, iso7816.ErrDeactivate) || !errors.Is(err, device.ErrMute) || r.blocks != sent {
			t.Errorf("%v, then %v with %d blocks", first, err, r.blocks-sent)
		}
	})
	gone := errors.New("cable")
	s := iso7816.NewT1(iso7816.ATR{Raw: []byte{0x3B, 0}}, func(context.Context, []byte, byte) ([]byte, error) { return nil, gone })
	for range 2 {
		if _, err := s.Transmit(t.Context(), commandOf(0, 5)); !errors.Is(err, gone) || errors.Is(err, iso7816.ErrDeactivate) {
			t.Errorf("line: %v", err)
		}
	}
	if _, err := s.Transmit(t.Context(), []byte{0, 0xA4, 4}); err == nil || errors.Is(err, gone) {
		t.Errorf("no APDU: %v", err)
	}
}

// endless answers with more than an APDU holds.
type endless struct{}

func (endless) Reset()                 {}
func (endless) Exchange([]byte) []byte { return make([]byte, 2000) }

func TestT1ResponseThatIsTooLong(t *testing.T) {
	r := connect(t, t1.Config{})
	card, err := t1.New(t1.Config{Application: endless{}})
	if err != nil {
		t.Fatal(err)
	}
	card.Reset()
	r.card = card
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Transmit(t.Context(), commandOf(0, 5)); !errors.Is(err, device.ErrProtocol) || !errors.Is(err, iso7816.ErrDeactivate) || r.blocks > 3 {
		t.Errorf("%v after %d blocks", err, r.blocks)
	}
}

// FuzzT1 has a whole session with a card that answers with whatever comes, block by
// block: it ends within its limits.
func FuzzT1(f *testing.F) {
	f.Add([]byte{0, 0xB2, 1, 0x0C, 0}, []byte{6, 0, 0xE1, 1, 0xFE, 0x1E, 0, 6, 0, 0, 2, 0x90, 0, 0x92})
	f.Add([]byte{0, 0xA4, 4, 0, 2, 0x3F, 0, 0}, []byte{4, 0, 0x91, 0, 0x91, 5, 0, 0xC3, 1, 2, 0xC0, 4, 0, 0xC0, 0, 0xC0})
	f.Fuzz(func(t *testing.T, command, card []byte) {
		atr, err := iso7816.ParseATR([]byte{0x3B, 0x80, 0x81, 0x11, 0x10, 0x00})
		if err != nil {
			t.Fatal(err)
		}
		blocks := 0
		s := iso7816.NewT1(atr, func(_ context.Context, block []byte, _ byte) ([]byte, error) {
			if blocks++; len(block) > 257 {
				t.Errorf("block of %d bytes", len(block))
			}
			if len(card) == 0 {
				return nil, device.ErrMute
			}
			n := min(int(card[0]), len(card)-1)
			answer := card[1 : 1+n : 1+n]
			card = card[1+n:]
			if n > 2 && answer[n-1] == 0x99 { // else next to nothing has a good check
				answer = bytes.Clone(answer)
				answer[n-1] = 0
				for _, b := range answer[:n-1] {
					answer[n-1] ^= b
				}
			}
			return answer, nil
		})
		_ = s.Start(t.Context())
		got, err := s.Transmit(t.Context(), command)
		if err == nil && (len(got) < 2 || len(got) > 258) {
			t.Errorf("response of %d bytes", len(got))
		}
		if blocks > 4000 {
			t.Errorf("%d blocks", blocks)
		}
	})
}
