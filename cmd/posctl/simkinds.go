package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"posd/cmd/internal/frontend"
	"posd/device"
	simabecs "posd/device/sim/abecs"
	"posd/device/sim/card"
	"posd/device/sim/cards"
	simccid "posd/device/sim/ccid"
	simescpos "posd/device/sim/escpos"
	simphoenix "posd/device/sim/phoenix"
	simpn532 "posd/device/sim/pn532"
	"posd/device/sim/t1"
	simvfpad "posd/device/sim/vfpad"
	simvpcd "posd/device/sim/vpcd"
	"posd/emv"
	"posd/ui/text"
)

// simulator is one device, as the command line drives it.
type simulator struct {
	run       func(ctx context.Context, port device.Port) error
	beside    func() (func(ctx context.Context) error, error) // opens what else has to run; nil for nothing
	serve     func(ctx context.Context) error                 // in place of run, of one on the network
	where     string                                          // of one on the network
	insert    func(c *card.Card) error
	remove    func()
	press     func(keys string) error
	show      func() string
	misbehave func(fault, times int, delay time.Duration) // fault counts from 1, 0 is none
}

// simKind is a kind of device.
type simKind struct {
	name       string
	words      text.Key
	slot, keys bool // it takes cards; it has a keypad and a display
	network    bool
	flags      func(t *tool, flags *pflag.FlagSet, o *simOptions)
	faults     []string // in the order of the simulator's constants, from 1
	build      func(s *stage) (simulator, error)
}

var simKinds = []simKind{
	{
		name: "ccid", words: "dev.ccid", slot: true, build: buildCCID,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.StringVar(&o.profile, "profile", "gempc", t.word("dev.ccid.profile"))
		},
		faults: []string{
			simccid.Silent - 1: "silent", simccid.BadLRC - 1: "bad-lrc", simccid.NoEcho - 1: "no-echo", simccid.WrongSeq - 1: "wrong-seq",
			simccid.Late - 1: "late", simccid.TimeRequests - 1: "time-requests", simccid.Extensions - 1: "extensions",
			simccid.PowerUpFails - 1: "power-up-fails", simccid.ShortAnswer - 1: "short-answer",
		},
	},
	{
		name: "phoenix", words: "dev.phoenix", slot: true, build: buildPhoenix,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.BoolVar(&o.noEcho, "no-echo", false, t.word("cli.flag_no_echo"))
		},
		faults: []string{
			simphoenix.Silent - 1: "silent", simphoenix.Mute - 1: "mute", simphoenix.Garble - 1: "garble", simphoenix.OneByOne - 1: "one-by-one",
			simphoenix.Nulls - 1: "nulls", simphoenix.Late - 1: "late", simphoenix.DiesHalfway - 1: "dies-halfway",
			simphoenix.MuteCold - 1: "mute-cold", simphoenix.MuteAtReset - 1: "mute-at-reset", simphoenix.BadTS - 1: "bad-ts",
			simphoenix.ShortATR - 1: "short-atr", simphoenix.PPSMute - 1: "pps-mute", simphoenix.PPSWrong - 1: "pps-wrong",
			simphoenix.PPSDeclined - 1: "pps-declined",
		},
	},
	{
		name: "pn532", words: "dev.pn532", slot: true, build: buildPN532,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.StringVar(&o.radio, "type", "A", t.word("cli.flag_type"))
		},
		faults: []string{
			simpn532.Silent - 1: "silent", simpn532.NoACK - 1: "no-ack", simpn532.BadDCS - 1: "bad-dcs", simpn532.ShortAnswer - 1: "short-answer",
			simpn532.WrongCode - 1: "wrong-code", simpn532.Previous - 1: "previous", simpn532.ErrorFrame - 1: "error-frame",
			simpn532.Late - 1: "late", simpn532.Status - 1: "status",
		},
	},
	{
		name: "vpcd", words: "dev.vpcd", slot: true, network: true, build: buildVPCD,
		faults: []string{
			simvpcd.Silent - 1: "silent", simvpcd.Short - 1: "short", simvpcd.TooLong - 1: "too-long", simvpcd.Half - 1: "half",
			simvpcd.Late - 1: "late", simvpcd.Hangup - 1: "hangup",
		},
	},
	{
		name: "vfpad", words: "dev.vfpad", keys: true, build: buildVFPad,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.StringVar(&o.kbpk, "kbpk", testKBPK, t.word("cli.flag_kbpk"))
			flags.StringArrayVar(&o.slots, "slot", []string{"0=" + testMasterKey}, t.word("cli.flag_slot"))
		},
		faults: []string{
			simvfpad.Silent - 1: "silent", simvfpad.GarbledOnce - 1: "garbled-once", simvfpad.Garbled - 1: "garbled", simvfpad.NAKs - 1: "naks",
			simvfpad.LateAnswer - 1: "late-answer", simvfpad.LostACK - 1: "lost-ack", simvfpad.Twice - 1: "twice",
		},
	},
	{
		name: "abecs", words: "dev.abecs", slot: true, keys: true, build: buildAbecs,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.BoolVar(&o.antenna, "antenna", false, t.word("cli.flag_antenna"))
			flags.StringArrayVar(&o.slots, "slot", []string{"0=" + testMasterKey}, t.word("cli.flag_slot"))
		},
		faults: []string{
			simabecs.Silent - 1: "silent", simabecs.GarbledOnce - 1: "garbled-once", simabecs.Garbled - 1: "garbled", simabecs.NAKs - 1: "naks",
			simabecs.NoEOT - 1: "no-eot", simabecs.LateAnswer - 1: "late-answer", simabecs.Strays - 1: "strays",
		},
	},
	{
		name: "escpos", words: "dev.escpos", build: buildESCPOS,
		flags: func(t *tool, flags *pflag.FlagSet, o *simOptions) {
			flags.IntVar(&o.columns, "columns", 32, t.word("dev.escpos.columns"))
		},
		faults: append([]string{
			simescpos.Silent - 1: "silent", simescpos.GarbledOnce - 1: "garbled-once", simescpos.Garbled - 1: "garbled",
			simescpos.Lagging - 1: "lagging", simescpos.Unconfirming - 1: "unconfirming",
		}, "paper-out", "paper-low", "cover-open", "power-off"),
	},
}

// newCard makes a card of a file, or of the cards that come with the program.
func newCard(name string) (*card.Card, error) {
	var p *card.Profile
	var err error
	if strings.HasSuffix(name, ".card") || strings.ContainsRune(name, '/') {
		var words []byte
		if words, err = os.ReadFile(name); err == nil {
			p, err = cards.Parse(filepath.Base(name), words)
		}
	} else {
		p, err = cards.Load(name)
	}
	if err != nil {
		return nil, fmt.Errorf("posctl: sim: card: %w", err)
	}
	return card.New(p, rand.Reader)
}

// speaksT1 tells whether a card's answer to reset names T=1 first. ISO/IEC 7816-3, 8.2.3.
func speaksT1(atr []byte) bool {
	if len(atr) < 2 || atr[1]&0x80 == 0 {
		return false
	}
	at := 2
	for _, bit := range []byte{0x10, 0x20, 0x40} {
		if atr[1]&bit != 0 {
			at++
		}
	}
	return at < len(atr) && atr[at]&0x0F == 1
}

// application is a card without its protocol.
type application struct{ *card.Card }

func (a application) Reset() { a.Card.Reset() }

// inserter puts a card in that is at T=0 or T=1, as its file says.
func (s *stage) inserter(put func(simccid.Card)) func(*card.Card) error {
	return func(c *card.Card) error {
		if !speaksT1(c.Profile().ATR) {
			put(c)
			return nil
		}
		blocks, err := t1.New(t1.Config{Application: application{c}, ATR: c.Profile().ATR})
		if err != nil {
			return err
		}
		put(blocks)
		return nil
	}
}

func buildCCID(s *stage) (simulator, error) {
	profiles := []string{simccid.GemPC: "gempc", simccid.SEC1210: "sec1210"}
	profile := slices.Index(profiles, s.opts.profile)
	if profile < 0 {
		return simulator{}, &usageError{fmt.Sprintf("--profile %q: %s", s.opts.profile, strings.Join(profiles, ", "))}
	}
	volts := map[byte]string{0: "5 V, 3 V, 1.8 V", 1: "5 V", 2: "3 V", 3: "1.8 V"}
	r := simccid.New(simccid.Config{Profile: simccid.Profile(profile), OnEvent: func(e simccid.Event) {
		switch e.Kind {
		case simccid.Inserted:
			s.say("cli.sim_inserted", s.opts.card)
		case simccid.Removed:
			s.say("cli.sim_removed")
		case simccid.PoweredOn:
			s.say("cli.sim_powered", volts[e.Power])
		case simccid.PoweredOff:
			s.say("cli.sim_unpowered")
		}
	}})
	return simulator{
		run: r.Run, insert: s.inserter(r.Insert), remove: r.Remove,
		misbehave: func(fault, times int, delay time.Duration) {
			r.Misbehave(simccid.Fault{Kind: simccid.FaultKind(fault), Times: times, Delay: delay})
		},
	}, nil
}

func buildPhoenix(s *stage) (simulator, error) {
	r := simphoenix.New(simphoenix.Config{NoEcho: s.opts.noEcho, OnEvent: func(e simphoenix.Event) {
		switch {
		case e.Kind == simphoenix.Inserted:
			s.say("cli.sim_inserted", s.opts.card)
		case e.Kind == simphoenix.Removed:
			s.say("cli.sim_removed")
		case e.Kind == simphoenix.PoweredOn && e.Warm:
			s.say("cli.sim_reset")
		case e.Kind == simphoenix.PoweredOn:
			s.say("cli.sim_powered", "CMDVCCN")
		case e.Kind == simphoenix.PoweredOff:
			s.say("cli.sim_unpowered")
		}
	}})
	if s.opts.link == "" {
		return simulator{}, &usageError{s.tool.word("cli.sim_lines_link")}
	}
	lines := r.Lines()
	return simulator{
		run: r.Run, remove: r.Remove,
		insert: func(c *card.Card) error {
			r.Insert(c)
			return nil
		},
		beside: func() (func(context.Context) error, error) {
			return s.openLines(frontend.Lines{CMDVCCN: lines.CMDVCCN, RSTIN: lines.RSTIN, OFFN: lines.OFFN})
		},
		misbehave: func(fault, times int, delay time.Duration) {
			r.Misbehave(simphoenix.Fault{Kind: simphoenix.FaultKind(fault), Times: times, Delay: delay})
		},
	}, nil
}

// openLines has the front end's lines served at a socket beside the link.
func (s *stage) openLines(lines frontend.Lines) (func(context.Context) error, error) {
	path := s.opts.link + frontend.Suffix
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path) // of a simulator that was killed; if it stays, Listen says so
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("posctl: sim: %w", err)
	}
	s.say("cli.sim_lines", path)
	return func(ctx context.Context) error { return frontend.Serve(ctx, l, lines) }, nil
}

func buildPN532(s *stage) (simulator, error) {
	tags := map[string]func(simpn532.Chip) simpn532.Tag{"A": simpn532.CardA, "B": simpn532.CardB}
	tag := tags[strings.ToUpper(s.opts.radio)]
	if tag == nil {
		return simulator{}, &usageError{fmt.Sprintf("--type %q: A, B", s.opts.radio)}
	}
	r := simpn532.New(simpn532.Config{OnEvent: func(e simpn532.Event) {
		switch e {
		case simpn532.Inserted:
			s.say("cli.sim_near", s.opts.card)
		case simpn532.Removed:
			s.say("cli.sim_away")
		case simpn532.Activated:
			s.say("cli.sim_activated")
		case simpn532.FieldOff:
			s.say("cli.sim_field_off")
		}
	}})
	return simulator{
		run: r.Run, remove: r.Remove,
		insert: func(c *card.Card) error {
			if !r.Insert(tag(c)) {
				return errors.New(s.tool.word("cli.sim_field_full"))
			}
			return nil
		},
		misbehave: func(fault, times int, delay time.Duration) {
			r.Misbehave(simpn532.Fault{Kind: simpn532.FaultKind(fault), Times: times, Delay: delay, Code: 0x01})
		},
	}, nil
}

// vpcdAddress is where vsmartcard's reader and ours listen.
const vpcdAddress = "127.0.0.1:35963"

func buildVPCD(s *stage) (simulator, error) {
	if s.opts.connect != "" && s.opts.listen != "" {
		return simulator{}, &usageError{s.tool.word("cli.sim_one_way")}
	}
	connect, where := simvpcd.Dial(vpcdAddress), vpcdAddress
	switch {
	case s.opts.connect != "":
		connect, where = simvpcd.Dial(s.opts.connect), s.opts.connect
	case s.opts.listen != "":
		connect, where = simvpcd.Accept(s.opts.listen), s.opts.listen
	}
	slot := simvpcd.New(connect)
	return simulator{
		serve: slot.Run, where: where,
		insert: func(c *card.Card) error {
			slot.Insert(told{c, s})
			s.say("cli.sim_inserted", s.opts.card)
			return nil
		},
		remove: func() {
			slot.Remove()
			s.say("cli.sim_removed")
		},
		misbehave: func(fault, times int, delay time.Duration) {
			slot.Misbehave(simvpcd.Fault{Kind: simvpcd.FaultKind(fault), Times: times, Delay: delay})
		},
	}, nil
}

// told is a card whose resets are told.
type told struct {
	*card.Card
	stage *stage
}

func (c told) Reset() []byte {
	c.stage.say("cli.sim_reset")
	return c.Card.Reset()
}

// TEST KEYS, published here: what a simulated pad opens key blocks with, and its master key.
const (
	testKBPK      = "89E88CF7931444F334BD7547FC3F380C"
	testMasterKey = "0123456789ABCDEFFEDCBA9876543210"
)

func buildVFPad(s *stage) (simulator, error) {
	kbpk, err := hex.DecodeString(s.opts.kbpk)
	if err != nil {
		return simulator{}, &usageError{s.tool.word("cli.sim_bad_key", "--kbpk")}
	}
	slots, err := s.keySlots()
	if err != nil {
		return simulator{}, err
	}
	pad, err := simvfpad.New(simvfpad.Config{
		Protection: kbpk, Slots: slots, Random: rand.Reader,
		Cardholder: func(e simvfpad.Entry) string { return s.cardholder(e.PAN, e.Prompt) },
	})
	if err != nil {
		return simulator{}, &usageError{err.Error()}
	}
	return simulator{
		run: pad.Run, press: pad.Press, show: pad.Display,
		misbehave: func(fault, _ int, _ time.Duration) { pad.Misbehave(simvfpad.Fault(fault)) },
	}, nil
}

// keySlots are the master keys of --slot; --pin is looked at as well.
func (s *stage) keySlots() (map[int][]byte, error) {
	slots := map[int][]byte{}
	for _, slot := range s.opts.slots {
		number, value, _ := strings.Cut(slot, "=")
		n, err1 := strconv.Atoi(number)
		key, err2 := hex.DecodeString(value)
		if err1 != nil || err2 != nil {
			return nil, &usageError{s.tool.word("cli.sim_bad_key", "--slot")}
		}
		slots[n] = key
	}
	if strings.Trim(s.opts.pin, "0123456789") != "" {
		return nil, &usageError{s.tool.word("cli.sim_bad_pin")}
	}
	return slots, nil
}

// cardholder is asked for a PIN, and types that of --pin.
func (s *stage) cardholder(pan emv.PAN, prompt string) (keys string) {
	s.say("cli.sim_pin", pan.Masked(), onOneLine(prompt))
	if s.opts.pin == "" {
		return ""
	}
	s.say("cli.sim_typed", strconv.Itoa(len(s.opts.pin)))
	return s.opts.pin + "E"
}

// onOneLine is a display's text without the blanks that fill its lines.
func onOneLine(display string) string {
	var lines []string
	for _, line := range strings.Split(display, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " / ")
}

func buildAbecs(s *stage) (simulator, error) {
	slots, err := s.keySlots()
	if err != nil {
		return simulator{}, err
	}
	pad, err := simabecs.New(simabecs.Config{
		MasterKeys: slots, Random: rand.Reader,
		Cardholder: func(e simabecs.Entry) string { return s.cardholder(e.PAN, e.Prompt) },
	})
	if err != nil {
		return simulator{}, &usageError{err.Error()}
	}
	return simulator{
		run: pad.Run, press: pad.Press, show: pad.Display,
		insert: func(c *card.Card) error {
			if s.opts.antenna {
				pad.Tap(told{c, s})
				s.say("cli.sim_near", s.opts.card)
				return nil
			}
			pad.Insert(told{c, s})
			s.say("cli.sim_inserted", s.opts.card)
			return nil
		},
		remove: func() {
			pad.Remove()
			pad.Tap()
			s.say("cli.sim_removed")
		},
		misbehave: func(fault, _ int, _ time.Duration) { pad.Misbehave(simabecs.Fault(fault)) },
	}, nil
}

func buildESCPOS(s *stage) (simulator, error) {
	var image int // rows of the picture that is coming in
	var last simescpos.Line
	p, err := simescpos.New(simescpos.Config{Columns: s.opts.columns, OnLine: func(l simescpos.Line) {
		if image > 0 && l.Image.Width != last.Image.Width {
			s.print(fmt.Sprintf("| [image %dx%d]", last.Image.Width, image))
			image = 0
		}
		if last = l; l.Image.Dots != "" {
			image += l.Image.Height
			return
		}
		for _, row := range simescpos.Text([]simescpos.Line{l}, s.opts.columns) {
			s.print(strings.TrimRight("| "+row, " "))
		}
	}})
	if err != nil {
		return simulator{}, &usageError{err.Error()}
	}
	return simulator{run: p.Run, misbehave: func(fault, times int, _ time.Duration) { printerFault(p, fault, times) }}, nil
}

// Faults of a printer beside those of its simulator.
const (
	paperOut = iota + int(simescpos.Unconfirming) + 1
	paperLow
	coverOpen
	powerOff
)

// printerFault has the printer want something, or misbehave; none of it is the printer as it
// was. Times are the lines until paper is out, or the bytes until power is gone.
func printerFault(p *simescpos.Printer, fault, times int) {
	switch {
	case fault == paperOut && times > 0:
		p.SetLinesLeft(times)
	case fault == paperOut:
		p.SetPaperOut(true)
	case fault == paperLow:
		p.SetPaperLow(true)
	case fault == coverOpen:
		p.SetCoverOpen(true)
	case fault == powerOff && times > 0:
		p.SetBytesLeft(times)
	case fault == powerOff:
		p.SetPower(false)
	case fault != 0:
		p.Misbehave(simescpos.Fault(fault))
	default:
		p.Misbehave(simescpos.None)
		p.SetPower(true)
		p.SetPaperOut(false)
		p.SetPaperLow(false)
		p.SetCoverOpen(false)
	}
}
