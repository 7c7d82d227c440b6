package control

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"
)

// Enroller makes the terminal known to its host (入网).
type Enroller interface {
	// EnrolTerminal uses an activation code. ctx ends only with the agent. A code that the
	// host refuses is ErrInvalid.
	EnrolTerminal(ctx context.Context, a Activation) (Enrolment, error)
}

// Activation is what a technician was given for a new terminal. It prints without the code.
type Activation struct {
	Code      string `json:"code"`
	Address   string `json:"address,omitempty"`   // host:port of the enrolment listener; empty for the configuration's
	Authority string `json:"authority,omitempty"` // SHA-256 of the authority's certificate, hexadecimal; empty for the configuration's
}

// Format tells where to, in every verb.
func (a Activation) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "activation at %q", a.Address) }

// check refuses what cannot be meant.
func (a Activation) check() error {
	if a.Code == "" || len(a.Code) > maxCode || strings.Trim(a.Code, codeChars) != "" {
		return fmt.Errorf("control: enrol-terminal: the activation code is not one: %w", ErrInvalid)
	}
	if _, _, err := net.SplitHostPort(a.Address); a.Address != "" && err != nil {
		return fmt.Errorf("control: enrol-terminal: address %.60q: host:port wanted: %w", a.Address, ErrInvalid)
	}
	if print, err := hex.DecodeString(a.Authority); a.Authority != "" && (err != nil || len(print) != 32) {
		return fmt.Errorf("control: enrol-terminal: authority: 64 hexadecimal digits wanted: %w", ErrInvalid)
	}
	return nil
}

// maxCode is the most characters of an activation code, with what people put in between.
const (
	maxCode   = 40
	codeChars = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz- "
)

// Enrolment is what the terminal knows of itself since it was enrolled. It is read from the
// terminal's own store: no network is needed.
type Enrolment struct {
	Enrolled  bool      `json:"enrolled"` // it has a certificate by enrolment
	Serial    string    `json:"serial"`
	Terminal  string    `json:"terminal"`
	Merchant  string    `json:"merchant"`
	Name      string    `json:"name"`
	Bank      string    `json:"bank"` // account numbers in it are masked
	Access    string    `json:"access"`
	Hotline   string    `json:"hotline"`
	Suite     string    `json:"suite"` // of the keys: tdes, aes, sm4
	Since     time.Time `json:"since,omitzero"`
	Compared  time.Time `json:"compared,omitzero"` // when the host last said what it holds
	Expires   time.Time `json:"expires,omitzero"`  // the certificate
	Renews    time.Time `json:"renews,omitzero"`   // when the next one is asked for
	Address   string    `json:"address"`           // of the host's enrolment listener
	Authority string    `json:"authority"`         // SHA-256 of its authority's certificate, hexadecimal; empty where not known
	// Differences are between the record and the host's, and between the record and the
	// configuration.
	Differences []Difference `json:"differences"`
}

// Difference is one field in which the record differs from another place.
type Difference struct {
	Field string `json:"field"`
	Here  string `json:"here"`
	There string `json:"there"`
	With  string `json:"with"`  // host, configuration
	Grave bool   `json:"grave"` // payments are at stake
}

// String is the difference for a log or a finding.
func (d Difference) String() string {
	return fmt.Sprintf("%s: record %q, %s %q", d.Field, d.Here, d.With, d.There)
}

// EnrolTerminal has a new terminal enrolled, which may take a minute, and returns its
// record. The agent then starts anew: its socket is away for a moment.
func (c *Client) EnrolTerminal(ctx context.Context, a Activation) (Enrolment, error) {
	var out Enrolment
	err := c.ask(ctx, 0, request{Op: "enrol-terminal", Activation: &a}, &out)
	return out, err
}

func mustActivate(r request) error {
	if r.Activation == nil {
		return fmt.Errorf("control: enrol-terminal: activation is missing: %w", ErrInvalid)
	}
	return r.Activation.check()
}
