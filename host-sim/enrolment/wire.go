package enrolment

import (
	"encoding/json"
	"net/http"

	"posd/emv/keyblock/remote"
	"posd/host-sim/estate"
)

// maxBody bounds a request.
const maxBody = 64 << 10

// enrolRequest is the body of POST /v1/enrol.
type enrolRequest struct {
	Serial       string `json:"serial"`
	Code         string `json:"code"`
	CSR          string `json:"csr"`
	TransportKey string `json:"transport_key"`
	Nonce        []byte `json:"nonce"`
}

// renewRequest is the body of POST /v1/renew.
type renewRequest struct {
	CSR string `json:"csr"`
}

// record is what both sides hold of a terminal, and compare.
type record struct {
	Serial   string `json:"serial"`
	Terminal string `json:"terminal"`
	Merchant string `json:"merchant"`
	Name     string `json:"name"`
	Bank     string `json:"bank"`
	Access   string `json:"access"`
	Hotline  string `json:"hotline"`
	Suite    string `json:"suite"`
	Version  int64  `json:"version"`
}

// masterKey is a key delivery.
type masterKey struct {
	Wrapped   []byte `json:"wrapped"`
	Block     string `json:"block"`
	Signature []byte `json:"signature"`
	KCV       string `json:"kcv"` // 6 hexadecimal digits
}

// answer is the body of every good answer; what a path does not give is left out.
type answer struct {
	Record      record     `json:"record"`
	Certificate string     `json:"certificate,omitempty"`
	MasterKey   *masterKey `json:"master_key,omitempty"`
	Parameters  []byte     `json:"parameters,omitempty"`
}

func deliveryOf(d remote.Delivery, kcv string) *masterKey {
	return &masterKey{d.Wrapped, d.Block, d.Signature, kcv}
}

func recordOf(t estate.Terminal, m estate.Merchant, p estate.Profile, suite string) record {
	return record{
		Serial: t.SN, Terminal: t.TID, Merchant: t.MID, Name: m.Name,
		Bank: p.Bank, Access: p.Access, Hotline: p.Hotline, Suite: suite, Version: p.Version,
	}
}

// problem is an error that the terminal is told: a code to act on and a sentence.
type problem struct {
	status int
	code   string
	title  string
}

func (p problem) Error() string { return p.code + ": " + p.title }

// What terminals are told. RFC 9457.
var (
	errRefused  = problem{http.StatusForbidden, "refused", "serial number and activation code do not belong together"}
	errLocked   = problem{http.StatusForbidden, "locked", "too many wrong activation codes: ask for another one"}
	errExpired  = problem{http.StatusForbidden, "expired", "the activation code is too old: ask for another one"}
	errUsed     = problem{http.StatusConflict, "used", "the activation code was used by another request"}
	errRequest  = problem{http.StatusBadRequest, "request", "the request is not understood"}
	errTerminal = problem{http.StatusForbidden, "terminal", "this certificate is not that of an active terminal"}
	errBusy     = problem{http.StatusServiceUnavailable, "busy", "too many requests at once"}
	errFailed   = problem{http.StatusInternalServerError, "failed", "the host failed: try again"}
)

func (p problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": p.title, "status": p.status, "code": p.code})
}
