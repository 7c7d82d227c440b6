package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Limits of the protocol.
const (
	maxConns     = 16
	maxRequest   = 64 << 10 // bytes
	maxAnswer    = 4 << 20  // bytes
	maxReason    = 200      // bytes of a resolution's reason
	arriveWithin = 60 * time.Second
	takeWithin   = 10 * time.Second
	opWithin     = 30 * time.Second // every operation but those that run alone
)

// request is one line from the client. Fields that an operation does not use are absent.
type request struct {
	Op       string      `json:"op"`
	Pay      *PayRequest `json:"pay,omitempty"`
	Limit    int         `json:"limit,omitempty"`
	ID       string      `json:"id,omitempty"`
	Block    string      `json:"block,omitempty"`
	Operator string      `json:"operator,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	// Who asks, and for whom or with whom.
	Who        Person      `json:"who,omitzero"`
	Other      Person      `json:"other,omitzero"`
	Search     Search      `json:"search,omitzero"`
	Part       Component   `json:"part,omitzero"`
	List       string      `json:"list,omitempty"`
	Print      bool        `json:"print,omitempty"`
	Path       string      `json:"path,omitempty"`
	Password   string      `json:"password,omitempty"`
	Activation *Activation `json:"activation,omitempty"`
	// Technicians are two, of the operations that want them.
	Technicians []Technician `json:"technicians,omitempty"`
}

// answer is one line to the client: one of its two fields is set.
type answer struct {
	OK    json.RawMessage `json:"ok,omitempty"`
	Error *failure        `json:"error,omitempty"`
}

type failure struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

var errLineTooLong = errors.New("line too long")

// readLine returns one line without its end, of at most limit bytes. A last line
// without an end is io.ErrUnexpectedEOF: the sender may have been cut off.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errLineTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// parseRequest reads one line strictly: one object, known fields only.
func parseRequest(line []byte) (request, error) {
	var req request
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return request{}, fmt.Errorf("control: read request: %w: %w", ErrInvalid, err)
	}
	if dec.More() {
		return request{}, fmt.Errorf("control: read request: more after the object: %w", ErrInvalid)
	}
	return req, nil
}

// formatAnswer returns the line for a result or an error.
func formatAnswer(result any, err error) []byte {
	var a answer
	if err == nil {
		a.OK, err = json.Marshal(result)
	}
	if err == nil && len(a.OK) > maxAnswer-64 {
		a.OK, err = nil, fmt.Errorf("control: answer of %d bytes: %d at most", len(a.OK), maxAnswer)
	}
	if err != nil {
		a.Error = &failure{Code: codeOf(err), Text: err.Error()}
	}
	line, _ := json.Marshal(a) // strings and valid JSON only: cannot fail
	return append(line, '\n')
}
