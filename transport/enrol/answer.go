package enrol

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"posd/emv/keyblock/remote"
)

// Record is what host and terminal both hold of the terminal.
type Record struct {
	Serial   string `json:"serial"`
	Terminal string `json:"terminal"` // 8 characters
	Merchant string `json:"merchant"` // 15 characters
	Name     string `json:"name"`     // of the merchant
	Bank     string `json:"bank"`     // of the merchant's account
	Access   string `json:"access"`   // 4g, wifi, ethernet
	Hotline  string `json:"hotline"`
	Suite    string `json:"suite"`   // of the keys: tdes, aes, sm4
	Version  int64  `json:"version"` // of the host's record
}

// Answer is what the host gave, checked. The zero value of a part is that it was not asked
// for.
type Answer struct {
	Record      Record
	Parameters  []byte            // opaque, for the terminal's parameters
	Certificate []byte            // PEM: the terminal's, and the authority's behind it
	Key         []byte            // PEM, PKCS #8: the certificate's; a secret
	CA          []byte            // PEM: the pinned authority
	Leaf        *x509.Certificate // the terminal's
	Authority   *ecdsa.PublicKey  // who signs the delivery
	Context     remote.Context
	Delivery    remote.Delivery // of the master key
	KCV         string          // of the master key, 6 hexadecimal digits
}

// String says whom it is for; secrets do not print.
func (a Answer) String() string { return "enrolment of " + a.Record.Terminal }

// Format hides the secrets for every verb.
func (a Answer) Format(f fmt.State, _ rune) { fmt.Fprint(f, a.String()) }

// What goes over the line.
type (
	enrolRequest struct {
		Serial       string `json:"serial"`
		Code         string `json:"code"`
		CSR          string `json:"csr"`
		TransportKey string `json:"transport_key"`
		Nonce        []byte `json:"nonce"`
	}
	renewRequest struct {
		CSR string `json:"csr"`
	}
	masterKey struct {
		Wrapped   []byte `json:"wrapped"`
		Block     string `json:"block"`
		Signature []byte `json:"signature"`
		KCV       string `json:"kcv"`
	}
	answered struct {
		Record      Record     `json:"record"`
		Certificate string     `json:"certificate"`
		MasterKey   *masterKey `json:"master_key"`
		Parameters  []byte     `json:"parameters"`

		authority *x509.Certificate
		now       time.Time
	}
)

// read reads an answer or a refusal.
func (a *answered) read(path string, resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("enrol: %s: read answer: %w", path, err)
	case len(text) > maxAnswer:
		return fmt.Errorf("enrol: %s: answer of more than %d bytes: %w", path, maxAnswer, ErrAnswer)
	case resp.StatusCode != http.StatusOK:
		return refusal(path, resp.StatusCode, text)
	}
	if err := json.Unmarshal(text, a); err != nil {
		return fmt.Errorf("enrol: %s: %w: %w", path, ErrAnswer, err)
	}
	return nil
}

// refusal reads RFC 9457; what else answers is named by its status.
func refusal(path string, status int, text []byte) error {
	var p struct{ Code, Title string }
	if err := json.Unmarshal(text, &p); err != nil || p.Code == "" {
		return fmt.Errorf("enrol: %s: status %d: %w", path, status, ErrAnswer)
	}
	const longest = 120
	return fmt.Errorf("enrol: %s: %w", path, &Refusal{Code: p.Code[:min(len(p.Code), 20)], Title: p.Title[:min(len(p.Title), longest)]})
}

// certified checks the certificate: for our key, by the pinned authority, with our serial
// number and the terminal number of the record.
func (a *answered) certified(id *Identity) (Answer, error) {
	block, _ := pem.Decode([]byte(a.Certificate))
	if block == nil {
		return Answer{}, fmt.Errorf("enrol: certificate is no PEM: %w", ErrAnswer)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Answer{}, fmt.Errorf("enrol: certificate: %w: %w", ErrAnswer, err)
	}
	authority, ok := a.authority.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return Answer{}, fmt.Errorf("enrol: authority's key is %T: %w", a.authority.PublicKey, ErrHost)
	}
	if err := a.check(leaf, id); err != nil {
		return Answer{}, fmt.Errorf("enrol: certificate: %w: %w", ErrAnswer, err)
	}
	key, err := id.keyPEM()
	return Answer{
		Record: a.Record, Parameters: a.Parameters, Certificate: []byte(a.Certificate), Key: key, Leaf: leaf, Authority: authority,
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.authority.Raw}),
	}, err
}

func (a *answered) check(leaf *x509.Certificate, id *Identity) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.authority)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: a.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	switch {
	case err != nil:
		return err
	case !id.key.PublicKey.Equal(leaf.PublicKey):
		return errors.New("for another key")
	case leaf.Subject.SerialNumber != id.serial || a.Record.Serial != id.serial:
		return fmt.Errorf("for serial number %q", leaf.Subject.SerialNumber)
	case leaf.Subject.CommonName != a.Record.Terminal || len(a.Record.Terminal) != 8 || len(a.Record.Merchant) != 15:
		return fmt.Errorf("of terminal %q, record says %q of merchant %q", leaf.Subject.CommonName, a.Record.Terminal, a.Record.Merchant)
	}
	return nil
}
