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

	"posd/emv"
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

// Key is a key sealed under the master key for one usage and one suite of algorithms: of
// 8, 16 or 24 bytes for TDES, 16 or 32 for AES, 16 for SM4. It is safe to store; empty for
// no key.
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
	code     []byte // activation codes
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
	if m.code, err = derive(master, "posd host activation code 1"); err != nil {
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

// PANHash is the keyed hash by which a card is found: HMAC-SHA-256 under a key of the
// module. The space of card numbers is small enough to try all, so a plain hash hides
// nothing.
func (m *Module) PANHash(pan emv.PAN) []byte {
	mac := hmac.New(sha256.New, m.panHash)
	mac.Write(pan.Append(nil))
	return mac.Sum(nil)
}

func zero(b []byte) { clear(b) }
