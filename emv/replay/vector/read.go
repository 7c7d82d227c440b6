package vector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxCases bounds a file.
const MaxCases = 100_000

// Case is a scenario or a CVM case; the other is nil. Err says why a case could not be
// read, and then both are.
type Case struct {
	ID       string
	Scenario *Scenario
	CVM      *CVM
	Err      error
}

// Read reads the cases of a file: the vector files as they are, one case, or one case a
// line. A case that is not right is among them with its error; the error of Read is about
// the file itself.
func Read(data []byte) ([]Case, error) {
	var cases []Case
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		var value json.RawMessage
		err := dec.Decode(&value)
		switch {
		case errors.Is(err, io.EOF) && len(cases) == 0:
			return nil, fmt.Errorf("vector: read: no case: %w", ErrFormat)
		case errors.Is(err, io.EOF):
			return cases, nil
		case err != nil:
			return cases, fmt.Errorf("vector: read: byte %d: %w", dec.InputOffset(), err)
		}
		if cases, err = appendCases(cases, value); err != nil {
			return cases, err
		}
	}
}

// appendCases takes a value of a file: a list in "vectors", or one case.
func appendCases(cases []Case, value json.RawMessage) ([]Case, error) {
	var file struct {
		Vectors []json.RawMessage `json:"vectors"`
	}
	list := []json.RawMessage{value}
	if json.Unmarshal(value, &file) == nil && file.Vectors != nil {
		list = file.Vectors
	}
	if len(cases)+len(list) > MaxCases {
		return cases, fmt.Errorf("vector: read: more than %d cases: %w", MaxCases, ErrFormat)
	}
	for _, raw := range list {
		cases = append(cases, one(raw))
	}
	return cases, nil
}

// one reads one case. A card with a script makes it a scenario.
func one(value json.RawMessage) Case {
	var probe struct {
		ID   string `json:"id"`
		Card struct {
			Answers json.RawMessage `json:"answers"`
			AIP     json.RawMessage `json:"82"`
		} `json:"card"`
	}
	err := json.Unmarshal(value, &probe)
	c := Case{ID: probe.ID}
	switch {
	case err == nil && probe.ID == "":
		err = bad("id", "missing")
	case err == nil && probe.Card.Answers != nil:
		c.Scenario, err = readScenario(value)
	case err == nil && probe.Card.AIP != nil:
		c.CVM, err = readCVM(value)
	case err == nil:
		err = bad("card", "neither answers nor tag 82")
	}
	if err != nil {
		c.Err = fmt.Errorf("vector: read %q: %w", probe.ID, plain(err))
		c.Scenario, c.CVM = nil, nil
	}
	return c
}

// plain keeps values out of the errors of the JSON decoder.
func plain(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return bad(wrong.Field, "not a "+wrong.Type.String())
	}
	return err
}

func readScenario(value []byte) (*Scenario, error) {
	var raw rawScenario
	if err := json.Unmarshal(value, &raw); err != nil {
		return nil, err
	}
	s, err := raw.scenario()
	if err != nil {
		return nil, err
	}
	return s, raw.readCard(s)
}

func readCVM(value []byte) (*CVM, error) {
	var raw rawCVM
	if err := json.Unmarshal(value, &raw); err != nil {
		return nil, err
	}
	return raw.cvm()
}
