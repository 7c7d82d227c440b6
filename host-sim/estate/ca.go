package estate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// How long certificates hold. One that starts a little in the past forgives a
// terminal whose clock is late.
const (
	caLife       = 20 * 365 * 24 * time.Hour
	serverLife   = 825 * 24 * time.Hour
	terminalLife = 5 * 365 * 24 * time.Hour
	clockSlack   = 24 * time.Hour
)

// Files of a CA's folder.
const (
	caCertFile = "ca.pem"
	caKeyFile  = "ca-key.pem"
)

// CA is the certificate authority of one host.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// TerminalLife is how long certificates of terminals hold from now on; 0 is five years.
	// It is set before the first one is issued.
	TerminalLife time.Duration
}

// life is that of a terminal's certificate.
func (ca *CA) life() time.Duration {
	if ca.TerminalLife > 0 {
		return ca.TerminalLife
	}
	return terminalLife
}

// Identity is a certificate with its private key, both PEM.
type Identity struct {
	Cert []byte
	Key  []byte // PKCS #8; a secret
}

// TLS returns the identity as crypto/tls wants it.
func (id Identity) TLS() (tls.Certificate, error) {
	c, err := tls.X509KeyPair(id.Cert, id.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("estate: certificate and key: %w", err)
	}
	return c, nil
}

// NewCA makes an authority with a key of its own.
func NewCA(name string, now time.Time) (*CA, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	id, err := issue(template, nil)
	if err != nil {
		return nil, err
	}
	return LoadCA(id)
}

// LoadCA reads an authority from its PEM files.
func LoadCA(id Identity) (*CA, error) {
	pair, err := id.TLS()
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("estate: load CA: an ECDSA key and a CA certificate are needed, not %T, CA %v", pair.PrivateKey, pair.Leaf.IsCA)
	}
	return &CA{cert: pair.Leaf, key: key}, nil
}

// OpenCA loads the authority in folder dir, or makes one there: ca.pem and ca-key.pem
// (mode 0600).
func OpenCA(dir, name string, now time.Time) (*CA, error) {
	cert, err := os.ReadFile(filepath.Join(dir, caCertFile))
	if errors.Is(err, fs.ErrNotExist) {
		return createCA(dir, name, now)
	}
	if err != nil {
		return nil, fmt.Errorf("estate: open CA: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, fmt.Errorf("estate: open CA: %w", err)
	}
	return LoadCA(Identity{cert, key})
}

func createCA(dir, name string, now time.Time) (*CA, error) {
	ca, err := NewCA(name, now)
	if err != nil {
		return nil, err
	}
	key, err := keyPEM(ca.key)
	if err != nil {
		return nil, err
	}
	if err := (Identity{ca.PEM(), key}).Write(dir, caCertFile, caKeyFile); err != nil {
		return nil, err
	}
	return ca, nil
}

// Write stores the identity in folder dir, the key with mode 0600. It replaces no file.
func (id Identity) Write(dir, cert, key string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("estate: write identity: %w", err)
	}
	if err := writeNew(filepath.Join(dir, key), id.Key, 0o600); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, cert), id.Cert, 0o644)
}

func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("estate: write identity: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("estate: write %s: %w", path, err)
	}
	return nil
}

// PEM returns the authority's certificate.
func (ca *CA) PEM() []byte { return certPEM(ca.cert.Raw) }

// Pool returns a pool with the authority as the only root.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// IssueServer issues a certificate of the host for names and IP addresses.
func (ca *CA) IssueServer(hosts []string, now time.Time) (Identity, error) {
	if len(hosts) == 0 {
		return Identity{}, errors.New("estate: issue server certificate: no host name or address")
	}
	template := leaf(pkix.Name{CommonName: hosts[0]}, x509.ExtKeyUsageServerAuth, now, serverLife)
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return issue(template, ca)
}

// IssueTerminal issues a terminal's certificate: common name TID, serial number SN.
func (ca *CA) IssueTerminal(tid, sn string, now time.Time) (Identity, error) {
	if err := errors.Join(checkTID(tid), checkSN(sn)); err != nil {
		return Identity{}, fmt.Errorf("estate: issue terminal certificate: %w", err)
	}
	return issue(leaf(pkix.Name{CommonName: tid, SerialNumber: sn}, x509.ExtKeyUsageClientAuth, now, ca.life()), ca)
}

func leaf(subject pkix.Name, use x509.ExtKeyUsage, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:               subject,
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{use},
		BasicConstraintsValid: true,
	}
}

// issue makes a key and signs its certificate by ca, or by itself where ca is nil.
func issue(template *x509.Certificate, ca *CA) (Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("estate: make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Identity{}, fmt.Errorf("estate: make serial number: %w", err)
	}
	template.SerialNumber = serial
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Identity{}, fmt.Errorf("estate: sign certificate of %s: %w", template.Subject.CommonName, err)
	}
	private, err := keyPEM(key)
	return Identity{certPEM(der), private}, err
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("estate: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
