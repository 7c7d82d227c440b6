package enrol

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"rsc.io/qr"
)

// ErrActivation says that a text is no activation.
var ErrActivation = errors.New("not an activation")

// Activation is what a new terminal is told: by hand, or by one QR code.
type Activation struct {
	Serial      string
	Code        string   // XXXXX-XXXXX; empty where only the device is to be shown
	Host        string   // host:port of the enrolment listener
	Fingerprint [32]byte // SHA-256 of the authority's certificate; zero for none
}

// scheme and limits of the text.
const (
	scheme        = "posd-enrol"
	maxActivation = 300
)

// String is the activation as one line:
//
//	posd-enrol://HOST:PORT?sn=SERIAL&code=CODE&ca=SHA256
func (a Activation) String() string {
	v := url.Values{"sn": {a.Serial}}
	if a.Code != "" {
		v.Set("code", a.Code)
	}
	if a.Fingerprint != [32]byte{} {
		v.Set("ca", hex.EncodeToString(a.Fingerprint[:]))
	}
	return (&url.URL{Scheme: scheme, Host: a.Host, RawQuery: v.Encode()}).String()
}

// ParseActivation reads what String wrote. Errors: [ErrActivation].
func ParseActivation(text string) (Activation, error) {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || len(text) > maxActivation || u.Scheme != scheme || u.Path != "" || u.User != nil || u.Fragment != "" {
		return Activation{}, fmt.Errorf("enrol: %d characters: %w", len(text), ErrActivation)
	}
	v, err := url.ParseQuery(u.RawQuery)
	if err != nil || v.Get("sn") == "" {
		return Activation{}, fmt.Errorf("enrol: no serial number: %w", ErrActivation)
	}
	a := Activation{Serial: v.Get("sn"), Code: v.Get("code"), Host: u.Host}
	if print := v.Get("ca"); print != "" {
		if a.Fingerprint, err = ParseFingerprint(print); err != nil {
			return Activation{}, err
		}
	}
	return a, nil
}

// ParseFingerprint reads 64 hexadecimal digits, with or without colons. Errors:
// [ErrActivation].
func ParseFingerprint(text string) (out [32]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	if err != nil || len(b) != len(out) {
		return out, fmt.Errorf("enrol: fingerprint: 64 hexadecimal digits wanted: %w", ErrActivation)
	}
	return [32]byte(b), nil
}

// QR returns the text as a QR code, error correction M; Black tells of each point. A
// printer or a screen adds four points of white around it.
func (a Activation) QR() (*qr.Code, error) {
	code, err := qr.Encode(a.String(), qr.M)
	if err != nil {
		return nil, fmt.Errorf("enrol: QR code: %w", err)
	}
	return code, nil
}
