package t1

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// echo answers with the command and 9000.
type echo struct {
	commands [][]byte
	dies     bool
}

func (e *echo) Reset() { e.commands = nil }

func (e *echo) Exchange(c []byte) []byte {
	e.commands = append(e.commands, bytes.Clone(c))
	if e.dies {
		return nil
	}
	return append(bytes.Clone(c), 0x90, 0x00)
}

// sealed is a block with its LRC, by hand.
func sealed(b ...byte) []byte {
	var x byte
	for _, v := range b {
		x ^= v
	}
	return append(b, x)
}

func fresh(t *testing.T, c Config) (*Card, *echo) {
	t.Helper()
	app := &echo{}
	c.Application = app
	card, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	card.Reset()
	return card, app
}

// Each row is what the terminal says and what the card answers, block by block.
func TestDialogues(t *testing.T) {
	type step struct{ say, hear []byte }
	ifs3 := step{sealed(0, 0xC1, 1, 3), sealed(0, 0xE1, 1, 3)}
	ask := sealed(0, 0x00, 1, 0xAA)
	answer := sealed(0, 0x00, 3, 0xAA, 0x90, 0x00)
	for _, row := range []struct {
		name  string
		fault Fault
		steps []step
	}{
		{"command and answer, twice", Fault{}, []step{{ask, answer}, {sealed(0, 0x40, 1, 0xBB), sealed(0, 0x40, 3, 0xBB, 0x90, 0x00)}}},
		{"IFS, then an answer in two blocks", Fault{}, []step{
			ifs3,
			{sealed(0, 0x00, 2, 0xAA, 0xBB), sealed(0, 0x20, 3, 0xAA, 0xBB, 0x90)},
			{sealed(0, 0x90, 0), sealed(0, 0x40, 1, 0x00)},
		}},
		{"chain to the card", Fault{}, []step{{sealed(0, 0x20, 1, 0xAA), sealed(0, 0x90, 0)}, {sealed(0, 0x40, 1, 0xBB), sealed(0, 0x00, 4, 0xAA, 0xBB, 0x90, 0x00)}}},
		{"damaged block", Fault{}, []step{{[]byte{0, 0, 1, 0xAA, 0}, sealed(0, 0x81, 0)}, {ask, answer}}},
		{"block longer than it says", Fault{}, []step{{append(ask, 0), sealed(0, 0x81, 0)}}},
		{"wrong N(S)", Fault{}, []step{{sealed(0, 0x40, 1, 0xAA), sealed(0, 0x82, 0)}}},
		{"answer asked for again", Fault{}, []step{{ask, answer}, {sealed(0, 0x82, 0), answer}}},
		{"R-block before anything", Fault{}, []step{{sealed(0, 0x80, 0), sealed(0, 0x80, 0)}}},
		{"acknowledgement lost: it says the block again", Fault{}, []step{
			ifs3,
			{sealed(0, 0x00, 2, 0xAA, 0xBB), sealed(0, 0x20, 3, 0xAA, 0xBB, 0x90)},
			{sealed(0, 0x80, 0), sealed(0, 0x20, 3, 0xAA, 0xBB, 0x90)},
			{sealed(0, 0x90, 0), sealed(0, 0x40, 1, 0x00)},
		}},
		{"resynchronised", Fault{}, []step{{ask, answer}, {sealed(0, 0xC0, 0), sealed(0, 0xE0, 0)}, {ask, answer}}},
		{"terminal aborts its chain", Fault{}, []step{{sealed(0, 0x20, 1, 0xAA), sealed(0, 0x90, 0)}, {sealed(0, 0xC2, 0), sealed(0, 0xE2, 0)}, {sealed(0, 0x40, 1, 0xBB), sealed(0, 0x00, 3, 0xBB, 0x90, 0x00)}}},
		{"IFS of nothing", Fault{}, []step{{sealed(0, 0xC1, 1, 0), sealed(0, 0x82, 0)}}},
		{"response that was not asked for", Fault{}, []step{{sealed(0, 0xE3, 1, 1), sealed(0, 0x81, 0)}}},
		{"asks for time, twice", Fault{Kind: Waiting, Times: 2, Value: 9}, []step{
			{ask, sealed(0, 0xC3, 1, 9)},
			{sealed(0, 0xE3, 1, 9), sealed(0, 0xC3, 1, 9)},
			{sealed(0, 0xE3, 1, 9), answer},
			{sealed(0, 0x80, 0), answer},
		}},
		{"asks again when the response is damaged", Fault{Kind: Waiting, Times: 1, Value: 9}, []step{
			{ask, sealed(0, 0xC3, 1, 9)},
			{[]byte{0, 0xE3, 1, 9, 0}, sealed(0, 0xC3, 1, 9)},
			{sealed(0, 0x80, 0), sealed(0, 0xC3, 1, 9)},
			{sealed(0, 0xE3, 1, 9), answer},
		}},
		{"aborts", Fault{Kind: Aborting, Times: 1}, []step{{ask, sealed(0, 0xC2, 0)}, {sealed(0, 0xE2, 0), sealed(0, 0x80, 0)}, {ask, answer}}},
		{"keeps a wrong N(R)", Fault{Kind: KeepNR}, []step{{ask, sealed(0, 0x90, 0)}, {sealed(0, 0x80, 0), sealed(0, 0x90, 0)}}},
		{"deaf, then not", Fault{Kind: Deaf, Times: 1}, []step{{ask, nil}, {ask, answer}}},
		{"silent, then not", Fault{Kind: Silent, Times: 1}, []step{{ask, nil}, {sealed(0, 0x82, 0), answer}}},
		{"second answer is damaged", Fault{Kind: Short, Skip: 1, Times: 1}, []step{{ask, answer}, {sealed(0, 0x40, 1, 0xBB), sealed(0, 0x40, 3, 0xBB, 0x90, 0x00)[:6]}}},
	} {
		card, _ := fresh(t, Config{})
		card.Misbehave(row.fault)
		for i, s := range row.steps {
			if got := card.Transmit(s.say); !bytes.Equal(got, s.hear) {
				t.Errorf("%s, block %d: % X gave % X, want % X", row.name, i+1, s.say, got, s.hear)
			}
		}
	}
}

func TestCommandTooLong(t *testing.T) {
	card, app := fresh(t, Config{})
	card.Transmit(sealed(append([]byte{0, 0x20, 254}, make([]byte, 254)...)...))
	got := card.Transmit(sealed(append([]byte{0, 0x40, 254}, make([]byte, 254)...)...))
	if want := sealed(0, 0xC2, 0); !bytes.Equal(got, want) || len(app.commands) > 0 {
		t.Errorf("got % X and %d commands, want % X", got, len(app.commands), want)
	}
}

func TestCardThatDiesIsSilentUntilReset(t *testing.T) {
	card, app := fresh(t, Config{})
	app.dies = true
	for range 3 {
		if got := card.Transmit(sealed(0, 0x00, 1, 0xAA)); got != nil {
			t.Errorf("got % X", got)
		}
	}
	app.dies = false
	if card.Reset(); card.Transmit(sealed(0, 0x00, 1, 0xAA)) == nil {
		t.Error("silent after a reset")
	}
	if c := card.Counts(); c.Commands != 2 || c.Blocks != 4 {
		t.Errorf("%+v", c)
	}
}

func TestAnswersToReset(t *testing.T) {
	for _, row := range []struct {
		name string
		c    Config
		want []byte
	}{
		{"usual", Config{}, []byte{0x3B, 0xE0, 0, 0, 0x81, 0x31, 0xFE, 0x45, 0xEB}},
		{"all of it", Config{IFSC: 16, BWI: 1, CWI: 2, CRC: true, Historical: []byte("hi")}, []byte{0x3B, 0xE2, 0, 0, 0x81, 0x71, 0x10, 0x12, 0x01, 'h', 'i', 0x10}},
		{"given", Config{ATR: []byte{0x3B, 0x80, 0x81, 0x11, 0x10, 0x00}}, []byte{0x3B, 0x80, 0x81, 0x11, 0x10, 0x00}},
	} {
		card, _ := fresh(t, row.c)
		if got := card.Reset(); !bytes.Equal(got, row.want) {
			t.Errorf("%s: % X, want % X", row.name, got, row.want)
		}
	}
	for _, row := range []struct {
		atr  []byte
		ifsc int
		crc  bool
	}{
		{[]byte{0x3B, 0x80, 0x01, 0x81}, 32, false},
		{[]byte{0x3B, 0x80, 0x81, 0x11, 0x10, 0x00}, 16, false},
		{[]byte{0x3B, 0x80, 0x81, 0x51, 0x40, 0x01, 0x00}, 64, true},
	} {
		if card, _ := fresh(t, Config{ATR: row.atr}); card.ifsc != row.ifsc || card.crc != row.crc {
			t.Errorf("% X: IFSC %d, CRC %v", row.atr, card.ifsc, card.crc)
		}
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		c    Config
		want string
	}{
		{Config{}, "Application"},
		{Config{Application: &echo{}, IFSC: 255}, "IFSC 255"},
		{Config{Application: &echo{}, BWI: 10}, "BWI 10"},
		{Config{Application: &echo{}, Historical: make([]byte, 16)}, "16 historical"},
		{Config{Application: &echo{}, ATR: []byte{0x3B}}, "1 bytes"},
		{Config{Application: &echo{}, ATR: []byte{0x3B, 0x80}}, "ends within"},
	} {
		if _, err := New(row.c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v, want %q in it", err, row.want)
		}
	}
	card, err := New(Config{Application: &echo{}})
	if err != nil || card.Transmit(sealed(0, 0xC0, 0)) != nil {
		t.Errorf("%v, or a card that was not reset answered", err)
	}
}

// FuzzCard has a terminal that says whatever comes: each answer is a whole block, and no
// command is longer than a command.
func FuzzCard(f *testing.F) {
	f.Add([]byte{0xC1, 1, 3, 0x00, 2, 0xAA, 0xBB, 0x90, 0}, byte(0))
	f.Add([]byte{0x20, 1, 0xAA, 0xC2, 0, 0x40, 1, 0xBB}, byte(Waiting))
	f.Fuzz(func(t *testing.T, says []byte, fault byte) {
		card, app := fresh(t, Config{})
		card.Misbehave(Fault{Kind: FaultKind(fault), Value: fault, Skip: int(fault >> 6)})
		for len(says) >= 2 {
			n := min(int(says[1]), len(says)-2)
			got := card.Transmit(sealed(slices.Concat([]byte{0, says[0], byte(n)}, says[2:2+n])...))
			says = says[2+n:]
			broken := map[FaultKind]bool{BadCheck: true, Short: true, WrongNAD: true}[FaultKind(fault)]
			if _, _, ok := card.open(got); got != nil && !ok && !broken {
				t.Errorf("answer % X", got)
			}
		}
		for _, c := range app.commands {
			if len(c) > maxCommand {
				t.Errorf("command of %d bytes", len(c))
			}
		}
	})
}
