package keyblock

import (
	"errors"
	"fmt"
	"io"
)

// ErrUsage says that a key block carries a key for another purpose.
var ErrUsage = errors.New("not a terminal master key")

// WrapMaster makes the key block that carries a terminal master key: usage K0, to decipher
// other keys only, not exportable. A TDES key under a protection key of 16 or 24 bytes goes
// into version B; every other into version D, under 16 or 32 bytes. The padding comes from
// random. Errors: [ErrKey], [ErrWeak], [ErrSuite].
func WrapMaster(protection []byte, s Suite, master []byte, v Version, random io.Reader) (string, error) {
	if err := s.CheckMaster(master); err != nil {
		return "", err
	}
	spec, _ := s.Spec()
	h := Header{
		Version: v, Usage: UsageKeyEncryption, Algorithm: spec.Algorithm,
		Mode: ModeDecrypt, KeyVersion: "00", Exportability: ExportableNever,
	}
	if _, err := MasterSuite(h); err != nil {
		return "", err
	}
	size := v.blockSize()
	if size == 0 {
		return "", h.check()
	}
	padding := make([]byte, (size-(2+len(master))%size)%size)
	if _, err := io.ReadFull(random, padding); err != nil {
		return "", fmt.Errorf("keyblock: wrap master key: padding: %w", err)
	}
	return Wrap(protection, h, master, padding)
}

// MasterSuite returns the suite of the terminal master key that a block with this header
// carries. The header is under the block's MAC: look at it after [Unwrap]. An AES or SM4
// key has to come in version D: TDES is weaker than what it would carry. Errors:
// [ErrUsage]. ANSI X9.143, key usage and mode of use; ANSI X9.24-1, strength of keys that
// protect keys.
func MasterSuite(h Header) (Suite, error) {
	s, known := SuiteOf(h.Algorithm)
	switch {
	case h.Usage != UsageKeyEncryption:
		return "", fmt.Errorf("keyblock: usage %q, %q wanted: %w", h.Usage, UsageKeyEncryption, ErrUsage)
	case !known:
		return "", fmt.Errorf("keyblock: algorithm %q of no key suite: %w", h.Algorithm, ErrUsage)
	case h.Mode != ModeBoth && h.Mode != ModeDecrypt && h.Mode != ModeAny:
		return "", fmt.Errorf("keyblock: mode %q does not decrypt: %w", h.Mode, ErrUsage)
	case s != TDES && h.Version != VersionD:
		return "", fmt.Errorf("keyblock: %s key in a block of version %c, %c wanted: %w", s, h.Version, VersionD, ErrUsage)
	}
	return s, nil
}
