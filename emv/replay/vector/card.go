package vector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"posd/emv/apdu"
)

// Else is what a card answers to a command that its script does not list: by
// instruction, or 0 for all others.
type Else map[byte]apdu.SW

// commands are the names that Else is written with.
var commands = map[string]byte{
	"SELECT": apdu.InsSelect, "READ RECORD": apdu.InsReadRecord, "GET DATA": apdu.InsGetData,
	"GET PROCESSING OPTIONS": apdu.InsGetProcessingOptions, "GENERATE AC": apdu.InsGenerateAC,
	"INTERNAL AUTHENTICATE": apdu.InsInternalAuthenticate, "EXTERNAL AUTHENTICATE": apdu.InsExternalAuthenticate,
	"VERIFY": apdu.InsVerify, "GET CHALLENGE": apdu.InsGetChallenge, "others": 0,
}

// elseOf reads "SELECT 6A82, READ RECORD 6A83, others 6D00", which is also what nothing
// means.
func elseOf(s string) (Else, error) {
	e := Else{apdu.InsSelect: apdu.FileNotFound, apdu.InsReadRecord: apdu.RecordNotFound, 0: apdu.InstructionNotSupported}
	if s == "" {
		return e, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		words := strings.Fields(part)
		if len(words) < 2 {
			return nil, bad("card.else", "commands with status words wanted")
		}
		last := len(words) - 1
		ins, known := commands[strings.Join(words[:last], " ")]
		sw, err := bytesOf("card.else", words[last], 2, 2)
		if !known || err != nil {
			return nil, bad("card.else", "commands with status words wanted")
		}
		e[ins] = apdu.SW(sw[0])<<8 | apdu.SW(sw[1])
	}
	return e, nil
}

// Card answers by the script of a scenario. It is used by one session at a time, and its
// Transmit is that of kernel.Card.
type Card struct {
	script   *Scenario
	selected int // index of the last SELECT that matched
	next     int // of a log: the exchange that is due
	buf      [5 + apdu.MaxCommandData + 1]byte
}

// Card returns a card that has just been put in.
func (s *Scenario) Card() *Card { return &Card{script: s} }

// Reset takes the card out and puts it in again.
func (c *Card) Reset() { c.selected, c.next = 0, 0 }

// ErrOrder says that a command is not the one that a log has next.
var ErrOrder = errors.New("the log has another command")

// ErrMute says that the log has no answer: the card was gone.
var ErrMute = errors.New("the card gave no answer")

// Transmit answers a command. A log answers only the command that is due.
func (c *Card) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	wire := cmd.Append(c.buf[:0])
	if c.script.Ordered {
		return c.follow(wire)
	}
	i, ok := c.find(cmd, wire)
	if !ok {
		return apdu.Response{SW: c.script.Else.answer(cmd.INS)}, nil
	}
	return apdu.ParseResponse(c.script.Answers[i].Answer)
}

// follow takes the next exchange of a log.
func (c *Card) follow(wire []byte) (apdu.Response, error) {
	due, ok := c.Due()
	switch {
	case !ok || !sameCommand(due.Command, wire):
		return apdu.Response{}, fmt.Errorf("vector: command %d: %w", c.next+1, ErrOrder)
	case len(due.Answer) == 0:
		return apdu.Response{}, fmt.Errorf("vector: command %d: %w", c.next+1, ErrMute)
	}
	c.next++
	return apdu.ParseResponse(due.Answer)
}

// Due returns the exchange of a log that comes next; ok is false at its end.
func (c *Card) Due() (x Exchange, ok bool) {
	if !c.script.Ordered || c.next >= len(c.script.Answers) {
		return Exchange{}, false
	}
	return c.script.Answers[c.next], true
}

// sameCommand compares commands. Logs of a T=0 reader often lack the Le of a command with
// data.
func sameCommand(recorded, sent []byte) bool {
	if bytes.Equal(recorded, sent) {
		return true
	}
	return len(recorded) > 5 && len(sent) == len(recorded)+1 && sent[len(recorded)] == 0 && bytes.HasPrefix(sent, recorded)
}

// find looks a command up. A record belongs to the file of the last SELECT before it.
func (c *Card) find(cmd apdu.Command, wire []byte) (int, bool) {
	answers := c.script.Answers
	from := 0
	if cmd.INS == apdu.InsReadRecord {
		from = c.selected
	}
	for i := from; i < len(answers); i++ {
		if cmd.INS == apdu.InsReadRecord && i > from && c.otherFile(answers[i]) {
			break
		}
		if bytes.Equal(answers[i].Command, wire) {
			if cmd.INS == apdu.InsSelect {
				c.selected = i
			}
			return i, true
		}
	}
	return 0, false
}

// otherFile tells of a SELECT that succeeds and is for another name than the file that
// is selected.
func (c *Card) otherFile(x Exchange) bool {
	if x.Command[1] != apdu.InsSelect || len(x.Answer) == 2 {
		return false
	}
	now := c.script.Answers[c.selected].Command
	return len(now) < 5 || len(x.Command) < 5 || !bytes.Equal(now[4:], x.Command[4:])
}

func (e Else) answer(ins byte) apdu.SW {
	if sw, ok := e[ins]; ok {
		return sw
	}
	return e[0]
}
