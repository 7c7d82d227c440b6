package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"posd/cmd/internal/frontend"
	"posd/device/sim/card"
	simccid "posd/device/sim/ccid"
	simphoenix "posd/device/sim/phoenix"
	simpn532 "posd/device/sim/pn532"
	"posd/device/sim/t1"
	simvpcd "posd/device/sim/vpcd"
)

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
