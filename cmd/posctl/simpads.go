package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	simabecs "posd/device/sim/abecs"
	"posd/device/sim/card"
	simescpos "posd/device/sim/escpos"
	simpole "posd/device/sim/pole"
	simvfpad "posd/device/sim/vfpad"
	"posd/emv"
)

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

// buildPole is a customer display, whose text is printed whenever it changes.
func buildPole(s *stage) (simulator, error) {
	var pole *simpole.Display
	var before string
	pole = simpole.New(func() {
		rows := pole.Rows()
		if now := onOneLine(strings.Join(rows[:], "\n")); now != before {
			before = now
			s.say("cli.sim_shows", now)
		}
	})
	return simulator{run: pole.Run, misbehave: func(int, int, time.Duration) {}}, nil
}
