package hsm

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"posd/emv/keyblock"
)

// ErrLayout says that a sign-on asks for working keys that the terminal's master key
// cannot carry: SM4 keys under a TDES one, for example.
var ErrLayout = errors.New("sign-on does not fit the master key's suite")

// Layout says which working keys a sign-on brings, and how long they are.
type Layout uint8

const (
	SingleKeys         Layout = iota + 1 // TPK and TAK of 8 bytes: function 001, TDES
	DoubleKeys                           // TPK of 16, TAK of 8 (AES: 16): function 003
	DoubleKeysAndTrack                   // and TDK of 16: function 004, TDES or AES
	SM4Keys                              // TPK, TAK and TDK of 16: function 006, SM4
)

// sizes returns the lengths of the working keys of a layout for a suite, in bytes; 0 for
// a key that there is none of. A layout that does not fit is [ErrLayout].
func (l Layout) sizes(s keyblock.Suite) (tpk, tak, tdk int, err error) {
	switch {
	case l == SM4Keys && s == keyblock.SM4:
		return 16, 16, 16, nil
	case l == SingleKeys && s == keyblock.TDES:
		return 8, 8, 0, nil
	case l == DoubleKeys && s == keyblock.TDES:
		return 16, 8, 0, nil
	case l == DoubleKeysAndTrack && s == keyblock.TDES:
		return 16, 8, 16, nil
	case l == DoubleKeys && s == keyblock.AES:
		return 16, 16, 0, nil
	case l == DoubleKeysAndTrack && s == keyblock.AES:
		return 16, 16, 16, nil
	}
	return 0, 0, 0, fmt.Errorf("layout %d for %s: %w", l, s, ErrLayout)
}

// WorkingKeys are the keys of a sign-on as the host keeps them. TDK is empty where
// the layout has none.
type WorkingKeys struct{ TPK, TAK, TDK Key }

// NewWorkingKeys makes random working keys of the master key's suite: sealed for the host,
// and under the terminal's master key, with check values, for the terminal. Errors:
// [ErrLayout], [ErrKey].
func (m *Module) NewWorkingKeys(tmk Key, l Layout) (WorkingKeys, keyblock.WorkingKeys, error) {
	own, wrapped, err := m.newWorkingKeys(tmk, l)
	if err != nil {
		return WorkingKeys{}, keyblock.WorkingKeys{}, fmt.Errorf("hsm: make working keys: %w", err)
	}
	return own, wrapped, nil
}

func (m *Module) newWorkingKeys(tmk Key, l Layout) (own WorkingKeys, wrapped keyblock.WorkingKeys, err error) {
	s, err := m.SuiteOf(TMK, tmk)
	if err != nil {
		return own, wrapped, err
	}
	tpk, tak, tdk, err := l.sizes(s)
	if err != nil {
		return own, wrapped, err
	}
	wrapped.Suite = s
	for _, row := range []struct {
		usage Usage
		size  int
		own   *Key
		out   *keyblock.Cryptogram
	}{
		{TPK, tpk, &own.TPK, &wrapped.PIN},
		{TAK, tak, &own.TAK, &wrapped.MAC},
		{TDK, tdk, &own.TDK, &wrapped.Track},
	} {
		if row.size == 0 {
			continue
		}
		if *row.own, err = m.NewSuiteKey(row.usage, s, row.size); err != nil {
			return own, wrapped, err
		}
		if *row.out, err = m.export(row.usage, *row.own, tmk); err != nil {
			return own, wrapped, err
		}
	}
	return own, wrapped, nil
}

// export enciphers a working key under the terminal's master key, block by block.
func (m *Module) export(u Usage, k, tmk Key) (out keyblock.Cryptogram, err error) {
	err = m.use(u, k, func(_ keyblock.Suite, clear []byte) error {
		return m.use(TMK, tmk, func(s keyblock.Suite, master []byte) error {
			out, err = s.Wrap(master, clear)
			return err
		})
	})
	return out, err
}

// NewKey makes a random TDES key of 8 or 16 bytes with odd parity.
func (m *Module) NewKey(u Usage, size int) (Key, error) {
	return m.NewSuiteKey(u, keyblock.TDES, size)
}

// NewSuiteKey makes a random key of a suite; a TDES key has odd parity. A master key that
// would be weak is drawn again.
func (m *Module) NewSuiteKey(u Usage, s keyblock.Suite, size int) (Key, error) {
	clear := make([]byte, size)
	defer zero(clear)
	const draws = 4 // a weak one comes once in 2^56
	for range draws {
		if _, err := io.ReadFull(m.random, clear); err != nil {
			return nil, fmt.Errorf("hsm: make %s: %w", u, err)
		}
		if s == keyblock.TDES {
			oddParity(clear)
		}
		if u != TMK || !errors.Is(s.CheckMaster(clear), keyblock.ErrWeak) {
			return m.ImportSuite(u, s, clear)
		}
	}
	return nil, fmt.Errorf("hsm: make %s: %d weak keys in a row: the source of randomness is broken", u, draws)
}

// Import seals a clear TDES key of 8 or 16 bytes.
func (m *Module) Import(u Usage, clear []byte) (Key, error) {
	return m.ImportSuite(u, keyblock.TDES, clear)
}

// ImportSuite seals a clear key of a suite. A master key must not be weak.
func (m *Module) ImportSuite(u Usage, s keyblock.Suite, clear []byte) (Key, error) {
	if _, err := s.CheckValue(clear); err != nil {
		return nil, fmt.Errorf("hsm: import %s: %w", u, err)
	}
	if u == TMK {
		if err := s.CheckMaster(clear); err != nil {
			return nil, fmt.Errorf("hsm: import %s: %w", u, err)
		}
	}
	return m.seal(m.wrap, sealLabel(u, s), clear)
}

// sealLabel binds a sealed key to usage and suite. TDES keys carry the usage alone, as
// they did before there were other suites.
func sealLabel(u Usage, s keyblock.Suite) string {
	if s == keyblock.TDES {
		return string(u)
	}
	return string(u) + " " + string(s)
}

// use opens a key for as long as fn runs, which is told its suite. Which suite it is of is
// found by trying: the seal opens under one label only.
func (m *Module) use(u Usage, k Key, fn func(s keyblock.Suite, clear []byte) error) error {
	for _, s := range keyblock.Suites() {
		clear, err := open(m.wrap, sealLabel(u, s), k)
		if err != nil {
			continue
		}
		defer zero(clear)
		return fn(s, clear)
	}
	return fmt.Errorf("hsm: open %s: %w", u, ErrKey)
}

// SuiteOf returns the suite of a key.
func (m *Module) SuiteOf(u Usage, k Key) (suite keyblock.Suite, err error) {
	err = m.use(u, k, func(s keyblock.Suite, _ []byte) error {
		suite = s
		return nil
	})
	return suite, err
}

// KCV returns the check value of a key.
func (m *Module) KCV(u Usage, k Key) (v keyblock.KCV, err error) {
	err = m.use(u, k, func(s keyblock.Suite, clear []byte) error {
		v, err = s.CheckValue(clear)
		return err
	})
	return v, err
}

// MACCipher returns the terminal's MAC key as a cipher, which keeps the key to itself.
// Its blocks have 8 bytes (TDES) or 16; keyblock.MethodOf tells how field 64 is made.
func (m *Module) MACCipher(tak Key) (cipher.Block, error) {
	block, _, err := m.cipherOf(TAK, tak)
	return block, err
}

// TrackCipher returns the terminal's track key as a cipher, with blocks of 8 (TDES) or 16
// bytes.
func (m *Module) TrackCipher(tdk Key) (cipher.Block, error) {
	block, _, err := m.cipherOf(TDK, tdk)
	return block, err
}

func (m *Module) cipherOf(u Usage, k Key) (block cipher.Block, suite keyblock.Suite, err error) {
	err = m.use(u, k, func(s keyblock.Suite, clear []byte) error {
		suite = s
		block, err = s.NewCipher(clear)
		return err
	})
	return block, suite, err
}

// VerifyCMAC tells whether mac, 4 to 16 bytes, is the beginning of the CMAC over message
// under a MAC key of the AES suite. A key of another suite is [ErrKey]: its MAC is made
// otherwise (transport/iso8583).
func (m *Module) VerifyCMAC(tak Key, message, mac []byte) (bool, error) {
	block, _, err := m.cipherOf(TAK, tak)
	if err != nil {
		return false, err
	}
	if keyblock.MethodOf(block) != keyblock.MACCMAC || len(mac) < 4 || len(mac) > block.BlockSize() {
		return false, fmt.Errorf("hsm: verify CMAC of %d bytes: %w", len(mac), ErrKey)
	}
	want := keyblock.CMAC(block, message)
	return subtle.ConstantTimeCompare(want[:len(mac)], mac) == 1, nil
}

func oddParity(key []byte) {
	for i, b := range key {
		if bits.OnesCount8(b)%2 == 0 {
			key[i] = b ^ 1
		}
	}
}
