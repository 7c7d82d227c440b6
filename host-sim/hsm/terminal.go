package hsm

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"

	"posd/emv"
	"posd/emv/keyblock"
	"posd/emv/pinblock"
	"posd/transport/iso8583"
)

// Layout says which working keys a sign-on brings, and how long they are.
type Layout uint8

const (
	SingleKeys         Layout = iota + 1 // TPK and TAK of 8 bytes: function 001
	DoubleKeys                           // TPK of 16, TAK of 8: function 003
	DoubleKeysAndTrack                   // and TDK of 16: function 004
)

// WorkingKeys are the keys of a sign-on as the host keeps them. TDK is empty where
// the layout has none.
type WorkingKeys struct{ TPK, TAK, TDK Key }

// NewWorkingKeys makes random working keys: sealed for the host, and under the
// terminal's master key, with check values, for the terminal.
func (m *Module) NewWorkingKeys(tmk Key, l Layout) (WorkingKeys, keyblock.WorkingKeys, error) {
	var own WorkingKeys
	var wrapped keyblock.WorkingKeys
	rows := []struct {
		usage Usage
		size  int
		own   *Key
		out   *keyblock.Cryptogram
	}{
		{TPK, 16, &own.TPK, &wrapped.PIN},
		{TAK, 8, &own.TAK, &wrapped.MAC},
		{TDK, 16, &own.TDK, &wrapped.Track},
	}
	switch l {
	case SingleKeys:
		rows[0].size, rows = 8, rows[:2]
	case DoubleKeys:
		rows = rows[:2]
	case DoubleKeysAndTrack:
	default:
		return WorkingKeys{}, keyblock.WorkingKeys{}, fmt.Errorf("hsm: make working keys: unknown layout %d", l)
	}
	for _, row := range rows {
		var err error
		if *row.own, err = m.NewKey(row.usage, row.size); err != nil {
			return WorkingKeys{}, keyblock.WorkingKeys{}, err
		}
		if *row.out, err = m.export(row.usage, *row.own, tmk); err != nil {
			return WorkingKeys{}, keyblock.WorkingKeys{}, err
		}
	}
	return own, wrapped, nil
}

// export enciphers a working key under the terminal's master key, block by block.
func (m *Module) export(u Usage, k, tmk Key) (out keyblock.Cryptogram, err error) {
	err = m.use(u, k, func(clear []byte) error {
		return m.use(TMK, tmk, func(master []byte) error {
			out, err = keyblock.WrapECB(master, clear)
			return err
		})
	})
	return out, err
}

// MACCipher returns the terminal's MAC key as a cipher, which keeps the key to itself.
func (m *Module) MACCipher(tak Key) (cipher.Block, error) { return m.cipherOf(TAK, tak) }

// TrackCipher returns the terminal's track key as a cipher.
func (m *Module) TrackCipher(tdk Key) (cipher.Block, error) { return m.cipherOf(TDK, tdk) }

func (m *Module) cipherOf(u Usage, k Key) (block cipher.Block, err error) {
	err = m.use(u, k, func(clear []byte) error {
		block, err = iso8583.NewTDES(clear)
		return err
	})
	return block, err
}

// pinValueSize is the length of a PIN value in bytes.
const pinValueSize = 16

// PINValue makes the value that a PIN of 4 to 12 digits is checked against.
func (m *Module) PINValue(pan emv.PAN, pin string) ([]byte, error) {
	if len(pin) < 4 || len(pin) > 12 || strings.Trim(pin, "0123456789") != "" {
		return nil, errors.New("hsm: PIN value: a PIN has 4 to 12 digits")
	}
	return m.valueOf(pan, []byte(pin)), nil
}

// valueOf is HMAC-SHA-256 over card number, separator and PIN.
func (m *Module) valueOf(pan emv.PAN, pin []byte) []byte {
	mac := hmac.New(sha256.New, m.pinValue)
	mac.Write(append(pan.Append(nil), '/'))
	mac.Write(pin)
	return mac.Sum(nil)[:pinValueSize]
}

// VerifyPIN deciphers a PIN block of format ISO 0 and holds the PIN against its value.
// A block that has no PIN format fails with [ErrPINBlock].
func (m *Module) VerifyPIN(tpk Key, pan emv.PAN, block, value []byte) (ok bool, err error) {
	if len(block) != 8 {
		return false, fmt.Errorf("hsm: verify PIN: block of %d bytes: %w", len(block), ErrPINBlock)
	}
	key, err := m.cipherOf(TPK, tpk)
	if err != nil {
		return false, err
	}
	var clear [8]byte
	defer zero(clear[:])
	key.Decrypt(clear[:], block)
	pin, err := pinblock.Decode0(clear, pan)
	if err != nil {
		return false, fmt.Errorf("hsm: verify PIN: %w", ErrPINBlock)
	}
	defer zero(pin)
	return subtle.ConstantTimeCompare(m.valueOf(pan, pin), value) == 1, nil
}

// blockPadding fills length and a key of 16 bytes up to whole blocks of 8.
const blockPadding = 6

// ExportTMK returns a terminal master key of 16 bytes for its way into a terminal: in
// clear, its check value, and a TR-31 key block of version B under the key loader's
// protection key of 16 bytes, which says that it may decipher other keys and no more.
func (m *Module) ExportTMK(tmk Key, kbpk []byte) (clear []byte, v keyblock.KCV, block string, err error) {
	if v, err = m.KCV(TMK, tmk); err != nil {
		return nil, v, "", err
	}
	header := keyblock.Header{
		Version: keyblock.VersionB, Usage: keyblock.UsageKeyEncryption, Algorithm: keyblock.AlgorithmTDES,
		Mode: keyblock.ModeDecrypt, KeyVersion: "00", Exportability: keyblock.ExportableNever,
	}
	padding := make([]byte, blockPadding)
	if _, err := io.ReadFull(m.random, padding); err != nil {
		return nil, v, "", fmt.Errorf("hsm: export TMK: %w", err)
	}
	err = m.use(TMK, tmk, func(key []byte) error {
		clear = bytes.Clone(key)
		block, err = keyblock.Wrap(kbpk, header, key, padding)
		return err
	})
	if err != nil {
		return nil, v, "", fmt.Errorf("hsm: export TMK: %w", err)
	}
	return clear, v, block, nil
}
