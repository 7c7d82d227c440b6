package keys

import (
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"posd/emv/binding"
	"posd/emv/keyblock"
	"posd/emv/keyblock/remote"
	"posd/store"
)

// LoadMasterBlock stores the master key that a TR-31 block carries, under the transport
// key of the Config. The block must say that it is a key for the encryption of keys (usage
// K0), of an algorithm that has a suite, and AES and SM4 keys come in version D only.
// Errors: ErrUsage, ErrNoKey without a transport key, those of keyblock.Unwrap.
func (k *Keys) LoadMasterBlock(block string) (Info, error) {
	suite, tmk, err := k.unwrapBlock(strings.TrimSpace(block))
	if err != nil {
		return Info{}, fmt.Errorf("keys: load master key block: %w", err)
	}
	defer clear(tmk)
	return k.LoadMasterFor(suite, tmk)
}

func (k *Keys) unwrapBlock(block string) (keyblock.Suite, []byte, error) {
	if k.cfg.Transport == nil {
		return "", nil, fmt.Errorf("transport key: %w", ErrNoKey)
	}
	kbpk, err := k.cfg.Transport()
	if err != nil {
		return "", nil, fmt.Errorf("transport key: %w", err)
	}
	defer clear(kbpk)
	h, tmk, err := keyblock.Unwrap(kbpk, block)
	if err != nil {
		return "", nil, err
	}
	suite, err := keyblock.MasterSuite(h)
	if err != nil {
		clear(tmk)
		return "", nil, err
	}
	return suite, tmk, nil
}

// LoadMasterDelivery stores the master key that a host wrapped for this terminal's RSA key,
// after the signature of the host's authority was checked for this terminal and this
// request. Errors: remote.ErrSignature, ErrUsage, those of keyblock.Unwrap.
func (k *Keys) LoadMasterDelivery(authority *ecdsa.PublicKey, own *rsa.PrivateKey, c remote.Context, d remote.Delivery) (Info, error) {
	suite, tmk, err := remote.Open(authority, own, c, d)
	if err != nil {
		return Info{}, fmt.Errorf("keys: load master key delivery: %w", err)
	}
	defer clear(tmk)
	return k.LoadMasterFor(suite, tmk)
}

// BindingKey returns the cipher under which the proof of field 59 is made (package
// emv/binding), or ErrNoKey without a master key.
func (k *Keys) BindingKey() (cipher.Block, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.master.Since.IsZero() {
		return nil, fmt.Errorf("keys: binding key: %s: %w", Master, ErrNoKey)
	}
	block, err := k.bindingKey()
	if err != nil {
		return nil, fmt.Errorf("keys: binding key: %w", err)
	}
	return block, nil
}

func (k *Keys) bindingKey() (block cipher.Block, err error) {
	err = k.cfg.DB.View(func(tx *store.Tx) error {
		tmk, err := tx.Secret(bucket, masterKey())
		if err != nil {
			return err
		}
		defer clear(tmk)
		key, err := binding.Key(k.master.suite(), tmk)
		if err != nil {
			return err
		}
		defer clear(key)
		block, err = k.master.suite().NewCipher(key)
		return err
	})
	return block, err
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
