package card

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"posd/emv/apdu"
)

const maxMisbehaviour = 32

// Misbehaviour is one "misbehave" line: how a command's answer is spoilt.
type Misbehaviour struct {
	Command string // a name of the instruction table, ac1, ac2, script, atr or any
	Nth     int    // only the n-th of its kind since the reset; 0 for each
	Action  string // sw, cut, flip, answer or mute
	Number  int    // of cut: bytes left; of flip: position from 1, negative from the end
	Bytes   []byte // of sw: the status word; of answer: data and status word
}

// parseMisbehaviour reads: command [n] action [argument].
func parseMisbehaviour(text string) (m Misbehaviour, err error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return m, errors.New("command, which one (optional), action and argument wanted, as in \"read-record 3 cut 10\"")
	}
	m.Command, err = parseWord(words[0], "any", "atr", "select", "read-record", "gpo", "get-data", "internal-authenticate",
		"ac1", "ac2", "external-authenticate", "verify", "get-challenge", "script")
	if err != nil {
		return m, err
	}
	words = words[1:]
	if n, err := strconv.Atoi(words[0]); err == nil && n > 0 && len(words) > 1 {
		m.Nth, words = n, words[1:]
	}
	m.Action = words[0]
	return m, m.argument(strings.Join(words[1:], " "))
}

func (m *Misbehaviour) argument(text string) (err error) {
	switch m.Action {
	case "mute":
		if text != "" {
			err = fmt.Errorf("mute takes no argument")
		}
	case "sw":
		m.Bytes, err = parseHex(text, 2, 2)
	case "answer":
		m.Bytes, err = parseHex(text, 2, apdu.MaxResponseData+2)
	case "cut":
		m.Number, err = parseNumber(text, 0, apdu.MaxResponseData)
	case "flip":
		m.Number, err = parseNumber(text, -apdu.MaxResponseData, apdu.MaxResponseData)
		if m.Number == 0 {
			err = errors.New("flip takes a position from 1, or from -1 at the end")
		}
	default:
		_, err = parseWord(m.Action, "sw", "cut", "flip", "answer", "mute")
	}
	if err == nil && m.Command == "atr" && m.Action == "sw" {
		err = errors.New("an answer to reset has no status word")
	}
	return err
}

// spoil changes the answer to the n-th command of a name; mute takes it away.
func (m *Misbehaviour) spoil(answer []byte, tail int) (spoilt []byte, mute bool) {
	body := len(answer) - tail
	switch m.Action {
	case "mute":
		return nil, true
	case "sw", "answer":
		return m.Bytes, false
	case "cut":
		cut := append([]byte(nil), answer[:min(m.Number, body)]...)
		return append(cut, answer[body:]...), false
	}
	at := m.Number - 1
	if m.Number < 0 {
		at = body + m.Number
	}
	flipped := append([]byte(nil), answer...)
	if at >= 0 && at < body {
		flipped[at] ^= 0x01
	}
	return flipped, false
}
