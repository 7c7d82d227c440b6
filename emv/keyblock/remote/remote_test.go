package remote

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/emv/keyblock"
)

type world struct {
	authority *ecdsa.PrivateKey
	key       *rsa.PrivateKey
	context   Context
	master    []byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, MinBits)
	if err != nil {
		t.Fatal(err)
	}
	master, err := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if err != nil {
		t.Fatal(err)
	}
	return &world{authority, key, Context{"SN-1", "10000001", "898310070110001", bytes.Repeat([]byte{7}, NonceSize)}, master}
}

func (w *world) seal(t *testing.T, s keyblock.Suite) Delivery {
	t.Helper()
	d, err := Seal(rand.Reader, w.authority, &w.key.PublicKey, w.context, s, w.master)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAKeyArrives(t *testing.T) {
	w := newWorld(t)
	for _, suite := range keyblock.Suites() {
		d := w.seal(t, suite)
		got, master, err := Open(&w.authority.PublicKey, w.key, w.context, d)
		if err != nil || got != suite || !bytes.Equal(master, w.master) {
			t.Errorf("%s: %s, %d bytes, %v", suite, got, len(master), err)
		}
		if strings.Contains(d.Block, hex.EncodeToString(w.master)) {
			t.Error("the block shows the key")
		}
	}
}

// A forged host has the terminal's public key and any RSA library: the signature stops it.
func TestAForgedHostLoadsNoKey(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	good := w.seal(t, keyblock.TDES)
	forged, err := Seal(rand.Reader, other.authority, &w.key.PublicKey, w.context, keyblock.TDES, w.master)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Delivery, *Context)
	}{
		{"signed by another authority", func(d *Delivery, _ *Context) { *d = forged }},
		{"no signature", func(d *Delivery, _ *Context) { d.Signature = nil }},
		{"block of another delivery", func(d *Delivery, _ *Context) { d.Block = forged.Block }},
		{"wrapped key of another delivery", func(d *Delivery, _ *Context) { d.Wrapped = forged.Wrapped }},
		{"an answer to another request", func(_ *Delivery, c *Context) { c.Nonce = bytes.Repeat([]byte{8}, NonceSize) }},
		{"another serial number", func(_ *Delivery, c *Context) { c.Serial = "SN-2" }},
		{"another terminal number", func(_ *Delivery, c *Context) { c.Terminal = "10000002" }},
		{"another merchant", func(_ *Delivery, c *Context) { c.Merchant = "898310070110002" }},
		{"parts that were moved", func(_ *Delivery, c *Context) { c.Serial, c.Terminal = "SN-", "110000001" }},
	}
	for _, tt := range tests {
		d, c := good, w.context
		tt.change(&d, &c)
		if _, key, err := Open(&w.authority.PublicKey, w.key, c, d); !errors.Is(err, ErrSignature) || key != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, _, err := Open(&w.authority.PublicKey, other.key, w.context, good); !errors.Is(err, ErrSignature) {
		t.Errorf("another terminal's RSA key: %v", err)
	}
}

// What is signed but is no master key is refused all the same.
func TestOnlyAMasterKeyIsTaken(t *testing.T) {
	w := newWorld(t)
	for name, h := range map[string]keyblock.Header{
		"PIN key":      {Version: 'D', Usage: keyblock.UsagePINEncryption, Algorithm: 'T', Mode: 'D', KeyVersion: "00", Exportability: 'N'},
		"encrypt only": {Version: 'D', Usage: keyblock.UsageKeyEncryption, Algorithm: 'T', Mode: 'E', KeyVersion: "00", Exportability: 'N'},
		"HMAC key":     {Version: 'D', Usage: keyblock.UsageKeyEncryption, Algorithm: 'H', Mode: 'D', KeyVersion: "00", Exportability: 'N'},
	} {
		protection := make([]byte, protectionSize)
		block, err := keyblock.Wrap(protection, h, w.master, make([]byte, 14))
		if err != nil {
			t.Fatal(err)
		}
		if _, key, err := open(protection, block); !errors.Is(err, keyblock.ErrUsage) || key != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Seal(rand.Reader, w.authority, &w.key.PublicKey, w.context, keyblock.TDES, make([]byte, 16)); !errors.Is(err, keyblock.ErrWeak) {
		t.Errorf("zeros: %v", err)
	}
	w.context.Nonce = nil
	if _, err := Seal(rand.Reader, w.authority, &w.key.PublicKey, w.context, keyblock.TDES, w.master); err == nil {
		t.Error("no nonce: sealed")
	}
	small := &rsa.PublicKey{N: w.key.N.Rsh(w.key.N, 1024), E: 65537}
	if _, err := Seal(rand.Reader, w.authority, small, w.context, keyblock.TDES, w.master); !errors.Is(err, ErrKey) {
		t.Errorf("RSA key of 1024 bits: %v", err)
	}
}
