package remote

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"posd/emv/keyblock"
)

var (
	// ErrSignature says that the authority did not sign this delivery for this terminal and
	// this request.
	ErrSignature = errors.New("not signed by the host's authority for this terminal")
	// ErrKey says that the terminal's RSA key is none that is used here.
	ErrKey = errors.New("RSA key of 2048 to 4096 bits wanted")
)

// Bounds of the terminal's RSA key and of the nonce.
const (
	MinBits        = 2048
	MaxBits        = 4096
	NonceSize      = 16
	protectionSize = 32
	statementName  = "posd master key delivery 1"
	wrapName       = "posd master key wrap 1"
)

// Context is whom a delivery is for, and which request it answers.
type Context struct {
	Serial   string
	Terminal string // terminal number
	Merchant string
	Nonce    []byte // 16 random bytes of the terminal
}

// Delivery is a master key on its way to a terminal. It tells nothing to who has not the
// terminal's private key.
type Delivery struct {
	Wrapped   []byte // protection key of 32 bytes under the terminal's RSA key
	Block     string // TR-31, version D, under the protection key
	Signature []byte // ECDSA over SHA-256 of the statement, ASN.1
}

// Seal wraps a master key for a terminal's RSA key, and has the authority sign it. random
// gives the protection key, the padding and what the signature needs. Errors: [ErrKey],
// those of keyblock.WrapMaster.
func Seal(random io.Reader, authority crypto.Signer, to *rsa.PublicKey, c Context, s keyblock.Suite, master []byte) (d Delivery, err error) {
	if err := c.check(to); err != nil {
		return Delivery{}, fmt.Errorf("remote: seal: %w", err)
	}
	protection := make([]byte, protectionSize)
	defer clear(protection)
	if _, err := io.ReadFull(random, protection); err != nil {
		return Delivery{}, fmt.Errorf("remote: seal: protection key: %w", err)
	}
	if d.Block, err = keyblock.WrapMaster(protection, s, master, keyblock.VersionD, random); err != nil {
		return Delivery{}, fmt.Errorf("remote: seal: %w", err)
	}
	if d.Wrapped, err = rsa.EncryptOAEP(sha256.New(), random, to, protection, c.label()); err != nil {
		return Delivery{}, fmt.Errorf("remote: seal: %w", err)
	}
	digest, err := c.statement(to, d)
	if err != nil {
		return Delivery{}, fmt.Errorf("remote: seal: %w", err)
	}
	if d.Signature, err = authority.Sign(random, digest, crypto.SHA256); err != nil {
		return Delivery{}, fmt.Errorf("remote: seal: sign: %w", err)
	}
	return d, nil
}

// Open checks the signature before anything else, and returns the master key with its
// suite; the key is the caller's to wipe. Errors: [ErrSignature], [ErrKey], those of
// keyblock.Unwrap, keyblock.ErrUsage.
func Open(authority *ecdsa.PublicKey, key *rsa.PrivateKey, c Context, d Delivery) (keyblock.Suite, []byte, error) {
	if authority == nil || key == nil {
		return "", nil, fmt.Errorf("remote: open: authority or key is missing: %w", ErrKey)
	}
	if err := c.check(&key.PublicKey); err != nil {
		return "", nil, fmt.Errorf("remote: open: %w", err)
	}
	digest, err := c.statement(&key.PublicKey, d)
	if err != nil {
		return "", nil, fmt.Errorf("remote: open: %w", err)
	}
	if !ecdsa.VerifyASN1(authority, digest, d.Signature) {
		return "", nil, fmt.Errorf("remote: open: %w", ErrSignature)
	}
	protection, err := rsa.DecryptOAEP(sha256.New(), nil, key, d.Wrapped, c.label())
	if err != nil {
		return "", nil, fmt.Errorf("remote: open: protection key: %w", err)
	}
	defer clear(protection)
	return open(protection, d.Block)
}

// open unwraps the block and checks what it carries.
func open(protection []byte, block string) (keyblock.Suite, []byte, error) {
	h, master, err := keyblock.Unwrap(protection, block)
	if err != nil {
		return "", nil, fmt.Errorf("remote: open: %w", err)
	}
	s, err := keyblock.MasterSuite(h)
	if err == nil {
		err = s.CheckMaster(master)
	}
	if err != nil {
		clear(master)
		return "", nil, fmt.Errorf("remote: open: %w", err)
	}
	return s, master, nil
}

func (c Context) check(key *rsa.PublicKey) error {
	if key == nil || key.N == nil || key.N.BitLen() < MinBits || key.N.BitLen() > MaxBits {
		return ErrKey
	}
	if len(c.Nonce) != NonceSize || c.Serial == "" || c.Terminal == "" {
		return fmt.Errorf("nonce of %d bytes, %d wanted, serial number %q, terminal %q", len(c.Nonce), NonceSize, c.Serial, c.Terminal)
	}
	return nil
}

// label is that of OAEP.
func (c Context) label() []byte {
	return join(wrapName, c.Serial, c.Terminal, c.Merchant, string(c.Nonce))
}

// statement is SHA-256 over all that the authority vouches for: whom it is for, the key
// that it is wrapped for, and the two wrapped parts.
func (c Context) statement(to *rsa.PublicKey, d Delivery) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(to)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(join(statementName, c.Serial, c.Terminal, c.Merchant, string(c.Nonce), string(spki), string(d.Wrapped), d.Block))
	return sum[:], nil
}

// join writes each part behind its length, four bytes, so that no two lists read the same.
func join(parts ...string) (out []byte) {
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
