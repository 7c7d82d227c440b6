package hsm

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/emv/keyblock/remote"
)

// ExportTMK returns a terminal master key for its way into a terminal: in clear, its check
// value, and a TR-31 key block under the key loader's protection key of 16 bytes, which
// says that it may decipher other keys and no more: version B for TDES, D for the others.
func (m *Module) ExportTMK(tmk Key, kbpk []byte) (clear []byte, v keyblock.KCV, block string, err error) {
	if v, err = m.KCV(TMK, tmk); err != nil {
		return nil, v, "", err
	}
	err = m.use(TMK, tmk, func(s keyblock.Suite, key []byte) error {
		version := keyblock.VersionD
		if s == keyblock.TDES {
			version = keyblock.VersionB
		}
		clear = bytes.Clone(key)
		block, err = keyblock.WrapMaster(kbpk, s, key, version, m.random)
		return err
	})
	if err != nil {
		zero(clear)
		return nil, v, "", fmt.Errorf("hsm: export TMK: %w", err)
	}
	return clear, v, block, nil
}

// DeliverTMK wraps a terminal master key for a terminal's RSA key, signed by the host's
// authority, and returns its check value. See package emv/keyblock/remote.
func (m *Module) DeliverTMK(tmk Key, authority crypto.Signer, to *rsa.PublicKey, c remote.Context) (d remote.Delivery, v keyblock.KCV, err error) {
	err = m.use(TMK, tmk, func(s keyblock.Suite, key []byte) error {
		if v, err = s.CheckValue(key); err != nil {
			return err
		}
		d, err = remote.Seal(m.random, authority, to, c, s, key)
		return err
	})
	if err != nil {
		return remote.Delivery{}, keyblock.KCV{}, fmt.Errorf("hsm: deliver TMK: %w", err)
	}
	return d, v, nil
}

// SplitTMK returns a terminal master key in two components of random looks, each with its
// check value, for two people to enter: XOR of the two is the key. They are the caller's to
// print and wipe. ANSI X9.24-1, split knowledge; PCI PIN.
func (m *Module) SplitTMK(tmk Key) (parts [2][]byte, kcvs [2]keyblock.KCV, err error) {
	err = m.use(TMK, tmk, func(s keyblock.Suite, key []byte) error {
		first := make([]byte, len(key))
		if _, err := io.ReadFull(m.random, first); err != nil {
			return err
		}
		second := make([]byte, len(key))
		subtle.XORBytes(second, first, key)
		parts = [2][]byte{first, second}
		for i := range parts {
			if kcvs[i], err = s.CheckValue(parts[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return [2][]byte{}, kcvs, fmt.Errorf("hsm: split TMK: %w", err)
	}
	return parts, kcvs, nil
}

// VerifyBinding holds field 59 of a message (usage A2) against the serial number that the
// terminal number is bound to. tmk is the terminal's; lastSix the last six digits of the
// card number of the same message, empty where it has no card. Errors: binding.ErrFormat,
// binding.ErrProof.
func (m *Module) VerifyBinding(tmk Key, field59 []byte, serial, lastSix string) (binding.Terminal, error) {
	t, err := binding.Parse(field59)
	if err != nil {
		return binding.Terminal{}, err
	}
	if lastSix == "" {
		lastSix = "000000"
	}
	if t.Factor != lastSix {
		return t, fmt.Errorf("hsm: verify binding: factor is not of this card: %w", binding.ErrProof)
	}
	err = m.use(TMK, tmk, func(s keyblock.Suite, master []byte) error {
		key, err := binding.Key(s, master)
		if err != nil {
			return err
		}
		defer zero(key)
		block, err := s.NewCipher(key)
		if err != nil {
			return err
		}
		return t.Verify(block, serial)
	})
	return t, err
}

// CodeHash is what is stored of an activation code: HMAC-SHA-256 under a key of the module
// over serial number and code, so that who has the database cannot try codes.
func (m *Module) CodeHash(serial, code string) []byte {
	mac := hmac.New(sha256.New, m.code)
	fmt.Fprintf(mac, "%d %s %s", len(serial), serial, code)
	return mac.Sum(nil)
}
