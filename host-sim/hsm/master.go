package hsm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// masterSize is the length of the master key in bytes.
const masterSize = 32

// OpenMaster reads the master key at path, 64 hexadecimal digits in a file that only
// its owner may read, or makes it from random where there is no file.
func OpenMaster(path string, random io.Reader) ([]byte, error) {
	master, err := readMaster(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeMaster(path, random)
	}
	return master, err
}

func readMaster(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("hsm: read master key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("hsm: read master key %s: mode is %04o, only 0600 is safe", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("hsm: read master key: %w", err)
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(master) != masterSize {
		return nil, fmt.Errorf("hsm: read master key %s: %d hexadecimal digits wanted", path, 2*masterSize)
	}
	return master, nil
}

// makeMaster creates the file: never over another, and on disk before it is used.
func makeMaster(path string, random io.Reader) ([]byte, error) {
	master := make([]byte, masterSize)
	if _, err := io.ReadFull(random, master); err != nil {
		return nil, fmt.Errorf("hsm: make master key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("hsm: make master key: %w", err)
	}
	_, err = f.WriteString(hex.EncodeToString(master) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("hsm: write master key: %w", err)
	}
	return master, nil
}
