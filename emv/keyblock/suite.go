package keyblock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/emmansun/gmsm/sm4"
)

var (
	// ErrSuite says that a key is of another suite than the one that is wanted, or that
	// there is no such suite.
	ErrSuite = errors.New("wrong key suite")
	// ErrWeak says that a key is weaker than its length: zero, or with parts that are equal.
	ErrWeak = errors.New("weak key")
)

// Suite names the algorithms that a terminal and its host share: the master key is of a
// suite, and the working keys under it are of the same one. The names are stored with
// keys and stand in configurations; empty is [TDES].
type Suite string

// The suites. TDES is what the dialect `cup` has; SM4 is what Chinese rules ask for (国密,
// sign-on function 006). SM4's forms of MAC and PIN block have no public vector: they are
// ours, by analogy.
const (
	TDES Suite = "tdes" // TDEA of two keys, single DES for working keys of 8 bytes
	AES  Suite = "aes"
	SM4  Suite = "sm4" // GB/T 32907
)

// KCVMethod is how a check value is computed.
type KCVMethod uint8

const (
	KCVZeros KCVMethod = iota + 1 // a block of zeros, enciphered
	KCVCMAC                       // CMAC of a block of zeros. ANSI X9.24-1:2017, Annex A, for AES
)

// MACMethod is how field 64 is computed of a message.
type MACMethod uint8

const (
	// MACUnionPay folds the message into a block and enciphers its hexadecimal digits
	// twice; with a block of 16 bytes instead of 8 it is ours.
	MACUnionPay MACMethod = iota + 1
	// MACCMAC is CMAC, cut to the first 8 bytes. NIST SP 800-38B.
	MACCMAC
)

// Spec is a suite as data.
type Spec struct {
	Suite      Suite
	Algorithm  byte      // in the header of a key block; '4' for SM4 is of the proprietary range
	Block      int       // of the cipher, in bytes
	Masters    []int     // lengths of a master key, in bytes
	Working    []int     // lengths of working keys, in bytes
	KCV        KCVMethod //
	MAC        MACMethod //
	PINFormat  int       // of the PIN block: ISO 9564-1, 0 or 4
	TrackBlock int       // how many bytes of track 2 are enciphered in one piece
}

// AlgorithmSM4 is ours: X9.143 gives SM4 no letter and leaves digits to private use.
const AlgorithmSM4 = '4'

// Spec returns the suite's data, and false for a suite that is none.
func (s Suite) Spec() (Spec, bool) {
	switch s {
	case TDES, "":
		return Spec{TDES, AlgorithmTDES, 8, []int{16, 24}, []int{8, 16}, KCVZeros, MACUnionPay, 0, 8}, true
	case AES:
		return Spec{AES, AlgorithmAES, 16, []int{16, 24, 32}, []int{16, 32}, KCVCMAC, MACCMAC, 4, 16}, true
	case SM4:
		return Spec{SM4, AlgorithmSM4, 16, []int{16}, []int{16}, KCVZeros, MACUnionPay, 4, 16}, true
	}
	return Spec{}, false
}

// Suites returns all suites.
func Suites() []Suite { return []Suite{TDES, AES, SM4} }

// ParseSuite reads a name; empty is [TDES]. Errors: [ErrSuite].
func ParseSuite(name string) (Suite, error) {
	spec, ok := Suite(name).Spec()
	if !ok {
		return "", fmt.Errorf("keyblock: suite %q, one of %q wanted: %w", name, Suites(), ErrSuite)
	}
	return spec.Suite, nil
}

// SuiteOf returns the suite of a key block's algorithm.
func SuiteOf(algorithm byte) (Suite, bool) {
	for _, s := range Suites() {
		if spec, _ := s.Spec(); spec.Algorithm == algorithm {
			return s, true
		}
	}
	return "", false
}

// CheckMaster refuses what is no master key of the suite: [ErrKey] for its length,
// [ErrWeak] for zeros and for TDES keys whose parts are equal, [ErrSuite].
func (s Suite) CheckMaster(key []byte) error {
	spec, ok := s.Spec()
	switch {
	case !ok:
		return fmt.Errorf("keyblock: suite %q: %w", string(s), ErrSuite)
	case !slices.Contains(spec.Masters, len(key)):
		return fmt.Errorf("keyblock: %s master key of %d bytes, one of %v wanted: %w", spec.Suite, len(key), spec.Masters, ErrKey)
	case subtle.ConstantTimeCompare(key, make([]byte, len(key))) == 1:
		return fmt.Errorf("keyblock: master key of zeros: %w", ErrWeak)
	}
	for i := 8; spec.Suite == TDES && i < len(key); i += 8 {
		if equalButParity(key[i-8:i], key[i:i+8]) {
			return fmt.Errorf("keyblock: %s master key with equal parts: %w", spec.Suite, ErrWeak)
		}
	}
	return nil
}

// equalButParity compares DES keys without their parity bits, in constant time.
func equalButParity(a, b []byte) bool {
	var differs byte
	for i := range a {
		differs |= (a[i] ^ b[i]) &^ 1
	}
	return subtle.ConstantTimeByteEq(differs, 0) == 1
}

// NewCipher returns the cipher of a working or master key. [MethodOf] tells of what it
// returns how a MAC is made with it. The key may be wiped afterwards. Errors: [ErrKey],
// [ErrSuite].
func (s Suite) NewCipher(key []byte) (cipher.Block, error) {
	spec, ok := s.Spec()
	if !ok {
		return nil, fmt.Errorf("keyblock: suite %q: %w", string(s), ErrSuite)
	}
	block, err := spec.raw(key)
	if err != nil {
		return nil, fmt.Errorf("keyblock: %w", err)
	}
	if spec.Suite == TDES {
		return block, nil
	}
	return suiteCipher{block, spec.MAC}, nil
}

func (spec Spec) raw(key []byte) (cipher.Block, error) {
	if spec.Suite == TDES {
		return newTDES(key)
	}
	if !slices.Contains(spec.Masters, len(key)) && !slices.Contains(spec.Working, len(key)) {
		return nil, fmt.Errorf("%s key of %d bytes: %w", spec.Suite, len(key), ErrKey)
	}
	if spec.Suite == AES {
		return aes.NewCipher(key)
	}
	return sm4.NewCipher(key)
}

// suiteCipher carries with a cipher how MACs are made with it, so that a cipher.Block is
// still all that goes from the keys to the message codec.
type suiteCipher struct {
	cipher.Block
	mac MACMethod
}

// MACMethod is how a MAC is made with this key.
func (c suiteCipher) MACMethod() MACMethod { return c.mac }

// MethodOf returns how a MAC is made with a cipher that came from [Suite.NewCipher];
// [MACUnionPay] for one that does not say.
func MethodOf(block cipher.Block) MACMethod {
	if c, ok := block.(interface{ MACMethod() MACMethod }); ok {
		return c.MACMethod()
	}
	return MACUnionPay
}

// CMAC is the MAC of NIST SP 800-38B under a cipher with blocks of 8 or 16 bytes, as long
// as a block.
func CMAC(block cipher.Block, message []byte) []byte { return cmac(block, message) }

// CheckValue returns the check value of a key of the suite. Errors: [ErrKey], [ErrSuite].
func (s Suite) CheckValue(key []byte) (KCV, error) {
	block, err := s.NewCipher(key)
	if err != nil {
		return KCV{}, err
	}
	spec, _ := s.Spec()
	zeros := make([]byte, spec.Block)
	if spec.KCV == KCVCMAC {
		return KCV(cmac(block, zeros)[:4]), nil
	}
	block.Encrypt(zeros, zeros)
	return KCV(zeros[:4]), nil
}

// Wrap enciphers a working key under a master key, block by block, with its check value:
// what field 62 of a sign-on answer carries. Errors: [ErrKey], [ErrSuite].
func (s Suite) Wrap(master, key []byte) (Cryptogram, error) {
	block, err := s.under(master, len(key))
	if err != nil {
		return Cryptogram{}, fmt.Errorf("keyblock: wrap: %w", err)
	}
	kcv, err := s.CheckValue(key)
	if err != nil {
		return Cryptogram{}, err
	}
	out := make([]byte, len(key))
	for i := 0; i < len(key); i += block.BlockSize() {
		block.Encrypt(out[i:], key[i:])
	}
	return Cryptogram{Bytes: out, KCV: kcv}, nil
}

// Unwrap deciphers a working key and compares its check value, all 4 bytes. The key is the
// caller's to wipe. Errors: [ErrKCV], [ErrKey], [ErrSuite].
func (s Suite) Unwrap(master []byte, c Cryptogram) ([]byte, error) {
	return s.unwrap(master, c, len(c.KCV))
}

func (s Suite) unwrap(master []byte, c Cryptogram, compared int) ([]byte, error) {
	block, err := s.under(master, len(c.Bytes))
	if err != nil {
		return nil, fmt.Errorf("keyblock: unwrap: %w", err)
	}
	key := make([]byte, len(c.Bytes))
	for i := 0; i < len(key); i += block.BlockSize() {
		block.Decrypt(key[i:], c.Bytes[i:])
	}
	kcv, err := s.CheckValue(key)
	if err == nil && subtle.ConstantTimeCompare(kcv[:compared], c.KCV[:compared]) != 1 {
		err = fmt.Errorf("keyblock: unwrap %s key of %d bytes: %w", s, len(key), ErrKCV)
	}
	if err != nil {
		clear(key)
		return nil, err
	}
	return key, nil
}

// under is the cipher of a master key for working keys of n bytes.
func (s Suite) under(master []byte, n int) (cipher.Block, error) {
	spec, ok := s.Spec()
	switch {
	case !ok:
		return nil, fmt.Errorf("suite %q: %w", string(s), ErrSuite)
	case !slices.Contains(spec.Masters, len(master)):
		return nil, fmt.Errorf("%s master key of %d bytes, one of %v wanted: %w", spec.Suite, len(master), spec.Masters, ErrKey)
	case !slices.Contains(spec.Working, n):
		return nil, fmt.Errorf("%s key of %d bytes, one of %v wanted: %w", spec.Suite, n, spec.Working, ErrKey)
	}
	return spec.raw(master)
}
