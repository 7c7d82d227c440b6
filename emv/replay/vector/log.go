package vector

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxLogLines bounds a log: a session has at most 512 commands.
const maxLogLines = 4096

// ReadLog makes a scenario of a log of APDUs and of its parameters. A line of the log is
// a command (> 00A4…), its answer with status word (< 6F… 9000), or a remark (#). A
// command without an answer is a card that was gone. The parameters are a scenario
// without its card; name is the ID where they have none.
func ReadLog(log, params []byte, name string) (*Scenario, error) {
	var raw rawScenario
	if err := json.Unmarshal(params, &raw); err != nil {
		return nil, fmt.Errorf("vector: read parameters: %w", plain(err))
	}
	s, err := raw.scenario()
	if err != nil {
		return nil, fmt.Errorf("vector: read parameters: %w", err)
	}
	if s.ID == "" {
		s.ID = name
	}
	s.Ordered = true
	if s.Answers, err = parseLog(string(log)); err != nil {
		return nil, fmt.Errorf("vector: read log: %w", err)
	}
	return s, nil
}

func parseLog(log string) ([]Exchange, error) {
	var out []Exchange
	n := 0
	for line := range strings.Lines(log) {
		n++
		line = strings.TrimSpace(line)
		if n > maxLogLines {
			return nil, bad("line", fmt.Sprintf("more than %d", maxLogLines))
		}
		if line == "" || line[0] == '#' {
			continue
		}
		field := fmt.Sprintf("line %d", n)
		switch value := strings.TrimSpace(line[1:]); line[0] {
		case '>':
			b, err := bytesOf(field, value, 4, 261)
			if err != nil {
				return nil, err
			}
			out = append(out, Exchange{Command: b})
		case '<':
			b, err := bytesOf(field, value, 2, 258)
			if err != nil {
				return nil, err
			}
			if len(out) == 0 || out[len(out)-1].Answer != nil {
				return nil, bad(field, "an answer without a command")
			}
			out[len(out)-1].Answer = b
		default:
			return nil, bad(field, "> or < or # wanted")
		}
	}
	if len(out) == 0 {
		return nil, bad("log", "no command")
	}
	return out, nil
}
