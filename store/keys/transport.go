package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"posd/emv/keyblock"
)

// LoadMasterBlock stores the master key that a TR-31 block carries, under the transport
// key of the Config. The block must say that it is a TDES key for the encryption of keys
// (usage K0). Errors: ErrUsage, ErrNoKey without a transport key, those of
// keyblock.Unwrap.
func (k *Keys) LoadMasterBlock(block string) (Info, error) {
	tmk, err := k.unwrapBlock(strings.TrimSpace(block))
	if err != nil {
		return Info{}, fmt.Errorf("keys: load master key block: %w", err)
	}
	defer clear(tmk)
	return k.LoadMaster(tmk)
}

func (k *Keys) unwrapBlock(block string) ([]byte, error) {
	if k.cfg.Transport == nil {
		return nil, fmt.Errorf("transport key: %w", ErrNoKey)
	}
	kbpk, err := k.cfg.Transport()
	if err != nil {
		return nil, fmt.Errorf("transport key: %w", err)
	}
	defer clear(kbpk)
	h, tmk, err := keyblock.Unwrap(kbpk, block)
	if err != nil {
		return nil, err
	}
	if err := forMaster(h); err != nil {
		clear(tmk)
		return nil, err
	}
	return tmk, nil
}

// forMaster checks what the block says of its key: it is under the block's MAC.
func forMaster(h keyblock.Header) error {
	switch {
	case h.Usage != keyblock.UsageKeyEncryption:
		return fmt.Errorf("usage %q, %q wanted: %w", h.Usage, keyblock.UsageKeyEncryption, ErrUsage)
	case h.Algorithm != keyblock.AlgorithmTDES:
		return fmt.Errorf("algorithm %q, %q wanted: %w", h.Algorithm, keyblock.AlgorithmTDES, ErrUsage)
	case h.Mode != keyblock.ModeBoth && h.Mode != keyblock.ModeDecrypt && h.Mode != keyblock.ModeAny:
		return fmt.Errorf("mode %q does not decrypt: %w", h.Mode, ErrUsage)
	}
	return nil
}

// TransportFile returns a Config.Transport that reads the key from a file: 32, 48 or 64
// hexadecimal digits, mode 0600 or narrower. The file is read each time.
func TransportFile(path string) func() ([]byte, error) {
	return func() ([]byte, error) {
		key, err := readHex(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return key, nil
	}
}

func readHex(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("mode %v: others can read it; 0600 wanted", mode)
	}
	buf := make([]byte, 80)
	defer clear(buf)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return parseHex(trimEnd(buf[:n]))
}

// parseHex says nothing of the digits that it refuses: they are a key's.
func parseHex(digits []byte) ([]byte, error) {
	if n := len(digits); n != 32 && n != 48 && n != 64 {
		return nil, fmt.Errorf("%d characters: 32, 48 or 64 hexadecimal digits wanted", n)
	}
	key := make([]byte, len(digits)/2)
	if _, err := hex.Decode(key, digits); err != nil {
		clear(key)
		return nil, errors.New("a character is no hexadecimal digit")
	}
	return key, nil
}

func trimEnd(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return b
}
