package hsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"posd/emv"
	"posd/emv/keyblock"
)

// PINMethod names how PIN values are made, for the card record and the auditor.
const PINMethod = "HMAC-SHA-256/16"

// Usage is what a key is for. A key opens for its own usage only.
type Usage string

const (
	TMK Usage = "TMK" // terminal master key: wraps the working keys
	TPK Usage = "TPK" // PIN blocks
	TAK Usage = "TAK" // message authentication
	TDK Usage = "TDK" // track data
	IMK Usage = "IMK" // issuer master key for application cryptograms
)

// Key is a TDES key of 8 or 16 bytes, sealed under the master key for one usage. It
// is safe to store; empty for no key.
type Key []byte

// Errors of the module.
var (
	// ErrKey says that a sealed key does not open: damaged, of another usage, or
	// sealed under another master key.
	ErrKey = errors.New("key does not open")
	// ErrSealed says that sealed data does not open.
	ErrSealed = errors.New("sealed data does not open")
	// ErrPINBlock says that a deciphered PIN block has no PIN format: wrong key or
	// wrong card number.
	ErrPINBlock = errors.New("PIN block has no valid format")
)

// Module is the security module in software. Safe for concurrent use, as far as its
// source of randomness is.
type Module struct {
	wrap     cipher.AEAD // keys
	data     cipher.AEAD // card numbers, stored replies
	panHash  []byte
	pinValue []byte
	random   io.Reader
}

// New makes a module of the master key of 32 bytes ([OpenMaster]).
func New(master []byte, random io.Reader) (*Module, error) {
	if len(master) != masterSize || random == nil {
		return nil, fmt.Errorf("hsm: new module: a master key of %d bytes and a source of randomness are needed", masterSize)
	}
	m := &Module{random: random}
	var err error
	if m.wrap, err = aead(master, "posd host key wrap 1"); err != nil {
		return nil, err
	}
	if m.data, err = aead(master, "posd host data 1"); err != nil {
		return nil, err
	}
	if m.panHash, err = derive(master, "posd host card number hash 1"); err != nil {
		return nil, err
	}
	m.pinValue, err = derive(master, "posd host pin value 1")
	return m, err
}

func derive(master []byte, label string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, master, nil, label, masterSize)
	if err != nil {
		return nil, fmt.Errorf("hsm: derive %q: %w", label, err)
	}
	return key, nil
}

func aead(master []byte, label string) (cipher.AEAD, error) {
	key, err := derive(master, label)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("hsm: %q: %w", label, err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("hsm: %q: %w", label, err)
	}
	return gcm, nil
}

// Seal enciphers data for storage, bound to what it is: it opens under the same
// label only.
func (m *Module) Seal(label string, clear []byte) ([]byte, error) {
	return m.seal(m.data, label, clear)
}

// Open undoes [Module.Seal].
func (m *Module) Open(label string, sealed []byte) ([]byte, error) {
	clear, err := open(m.data, label, sealed)
	if err != nil {
		return nil, fmt.Errorf("hsm: open %s: %w", label, ErrSealed)
	}
	return clear, nil
}

func (m *Module) seal(a cipher.AEAD, label string, clear []byte) ([]byte, error) {
	nonce := make([]byte, a.NonceSize(), a.NonceSize()+len(clear)+a.Overhead())
	if _, err := io.ReadFull(m.random, nonce); err != nil {
		return nil, fmt.Errorf("hsm: seal %s: %w", label, err)
	}
	return a.Seal(nonce, nonce, clear, []byte(label)), nil
}

func open(a cipher.AEAD, label string, sealed []byte) ([]byte, error) {
	n := a.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	return a.Open(nil, sealed[:n], sealed[n:], []byte(label))
}

// NewKey makes a random key of size 8 or 16 bytes with odd parity.
func (m *Module) NewKey(u Usage, size int) (Key, error) {
	clear := make([]byte, size)
	defer zero(clear)
	if _, err := io.ReadFull(m.random, clear); err != nil {
		return nil, fmt.Errorf("hsm: make %s: %w", u, err)
	}
	oddParity(clear)
	return m.Import(u, clear)
}

// Import seals a clear key of 8 or 16 bytes.
func (m *Module) Import(u Usage, clear []byte) (Key, error) {
	if len(clear) != 8 && len(clear) != 16 {
		return nil, fmt.Errorf("hsm: import %s: %d bytes, 8 or 16 wanted", u, len(clear))
	}
	return m.seal(m.wrap, string(u), clear)
}

// use opens a key for as long as fn runs.
func (m *Module) use(u Usage, k Key, fn func(clear []byte) error) error {
	clear, err := open(m.wrap, string(u), k)
	if err != nil {
		return fmt.Errorf("hsm: open %s: %w", u, ErrKey)
	}
	defer zero(clear)
	return fn(clear)
}

// KCV returns the check value of a key.
func (m *Module) KCV(u Usage, k Key) (v keyblock.KCV, err error) {
	err = m.use(u, k, func(clear []byte) error {
		v, err = keyblock.CheckValue(clear)
		return err
	})
	return v, err
}

// PANHash is the keyed hash by which a card is found: HMAC-SHA-256 under a key of the
// module. The space of card numbers is small enough to try all, so a plain hash hides
// nothing.
func (m *Module) PANHash(pan emv.PAN) []byte {
	mac := hmac.New(sha256.New, m.panHash)
	mac.Write(pan.Append(nil))
	return mac.Sum(nil)
}

func oddParity(key []byte) {
	for i, b := range key {
		if bits.OnesCount8(b)%2 == 0 {
			key[i] = b ^ 1
		}
	}
}

func zero(b []byte) { clear(b) }
