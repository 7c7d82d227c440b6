package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDeviceKeyIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.key")
	first, err := FileDeviceKey(path, testRand())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("file %v, %v", info, err)
	}
	second, err := FileDeviceKey(path, strings.NewReader("not needed"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := first.Derive("a")
	again, _ := second.Derive("a")
	b, _ := first.Derive("b")
	if len(a) != 32 || !bytes.Equal(a, again) || bytes.Equal(a, b) {
		t.Errorf("derive: %d bytes, same %v, other label same %v", len(a), bytes.Equal(a, again), bytes.Equal(a, b))
	}
	content, _ := os.ReadFile(path)
	if s := fmt.Sprintf("%v %+v %#v %x %s", first, first, first, first, first); strings.Contains(s, fmt.Sprintf("%x", content[:4])) {
		t.Error("the key can be printed")
	}
}

func TestADeviceKeyFileThatSomethingHappenedToIsRefused(t *testing.T) {
	good := bytes.Repeat([]byte{7}, 32)
	for _, row := range []struct {
		name    string
		content []byte
		mode    fs.FileMode
		says    string
	}{
		{"readable by the group", good, 0o640, "mode 0640"},
		{"readable by all", good, 0o604, "mode 0604"},
		{"too short", good[:31], 0o600, "31 bytes"},
		{"too long", append(good, 0), 0o600, "33 bytes"},
		{"empty", nil, 0o600, "0 bytes"},
		{"zeros", make([]byte, 32), 0o600, "zero"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "device.key")
			if err := os.WriteFile(path, row.content, row.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, row.mode); err != nil {
				t.Fatal(err)
			}
			_, err := FileDeviceKey(path, testRand())
			if err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want one that says %q and names the file", err, row.says)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, row.content) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestNoDeviceKeyIsMadeWithoutRandomness(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.key")
	if _, err := FileDeviceKey(path, strings.NewReader("short")); err == nil {
		t.Error("made from 5 bytes")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
}
