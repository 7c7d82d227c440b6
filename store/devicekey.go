package store

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"posd/store/internal/disk"
)

// DeviceKey is the key that never leaves the device. It is asked for other keys, one for
// each label, and is not shown itself: so a secure element can be one, which computes an
// HMAC or a CMAC over the label inside.
type DeviceKey interface {
	// Derive returns 32 bytes that are the same for the same device and label, and that
	// tell nothing about other labels. The caller wipes them.
	Derive(label string) ([]byte, error)
}

// fileKey is a device key in a file.
type fileKey struct{ secret [32]byte }

// FileDeviceKey reads the device key from a file of 32 bytes and mode 0600 or narrower,
// and makes it, from rand, where there is none. A file of another length or a wider mode
// is refused: neither is put right, for both say that something else happened to it.
func FileDeviceKey(path string, rand io.Reader) (DeviceKey, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(path, rand); err == nil {
			key, err = readKey(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: device key %s: %w", path, err)
	}
	return key, nil
}

// ReadDeviceKey is FileDeviceKey for a key that must be there: it makes none.
func ReadDeviceKey(path string) (DeviceKey, error) {
	key, err := readKey(path)
	if err != nil {
		return nil, fmt.Errorf("store: device key %s: %w", path, err)
	}
	return key, nil
}

func readKey(path string) (*fileKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkKeyFile(info); err != nil {
		return nil, err
	}
	key := new(fileKey)
	if _, err := io.ReadFull(f, key.secret[:]); err != nil {
		return nil, err
	}
	if allZero(key.secret[:]) {
		return nil, errors.New("all bytes are zero: the file system lost it")
	}
	return key, nil
}

func checkKeyFile(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return errors.New("not a regular file")
	case mode.Perm()&0o077 != 0:
		return fmt.Errorf("mode %04o: others can read it; 0600 wanted", mode.Perm())
	case info.Size() != 32:
		return fmt.Errorf("%d bytes, 32 wanted", info.Size())
	}
	return nil
}

// makeKey makes the key file whole beside its place and then moves it there.
func makeKey(path string, rand io.Reader) error {
	dir, err := disk.LockFolder(path, defaultLockTimeout)
	if err != nil {
		return err
	}
	defer dir.Close()
	if exists, err := disk.Present(path); exists || err != nil {
		return err
	}
	var secret [32]byte
	defer clear(secret[:])
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return fmt.Errorf("draw 32 bytes: %w", err)
	}
	return disk.Make(dir, path, func(f *os.File) error {
		_, err := f.Write(secret[:])
		return err
	})
}

// Derive is HKDF with SHA-256 (RFC 5869), the label as info.
func (k *fileKey) Derive(label string) ([]byte, error) {
	return hkdf.Key(sha256.New, k.secret[:], nil, label, 32)
}

// String hides the key.
func (k *fileKey) String() string { return "device key" }

// Format hides the key for every verb.
func (k *fileKey) Format(f fmt.State, verb rune) { io.WriteString(f, k.String()) }
