package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

const exportCanary = "6277000000000017"

// exported is a store with 300 records, each with a secret, a bucket of keys, and its
// export.
func exported(t testing.TB, to Recipient) []byte {
	t.Helper()
	cfg := testConfig(t)
	cfg.MaxSize = 2 << 20
	db := mustOpen(t, cfg)
	err := db.Update(func(tx *Tx) error {
		for i := range 300 {
			if err := tx.PutSecret("journal", []byte(fmt.Sprintf("%04d", i)), []byte(strings.Repeat("v", 700)), []byte(exportCanary)); err != nil {
				return err
			}
		}
		if err := tx.PutBare("journal", []byte("bare"), nil); err != nil {
			return err
		}
		return tx.PutSecret("keys", []byte("tmk"), []byte("kcv"), []byte("a master key"))
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := db.Export(context.Background(), &out, ExportConfig{To: to, Rand: testRand(), Skip: []string{"keys"}})
	if err != nil || n != 301 {
		t.Fatalf("%d records, %v; want 301", n, err)
	}
	return out.Bytes()
}

func keyPair(t testing.TB) PrivateKey {
	t.Helper()
	k, err := NewPrivateKey(testRand())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var passphrase = Passphrase{Text: []byte("correct horse battery"), Memory: 8 << 10}

func TestAnExportOpensElsewhere(t *testing.T) {
	key := keyPair(t)
	again, err := ParsePrivateKey(key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublicKey(key.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		to   Recipient
		id   Identity
	}{
		{"passphrase", passphrase, Passphrase{Text: passphrase.Text}},
		{"public key", public, again},
	} {
		t.Run(row.name, func(t *testing.T) {
			sealed := exported(t, row.to)
			secrets := 0
			n, err := Import(bytes.NewReader(sealed), row.id, func(e Entry) error {
				switch {
				case e.Bucket == "keys" || e.Bucket == schemaBucket:
					t.Errorf("bucket %s left the device", e.Bucket)
				case string(e.Key) == "bare" && e.Secret != nil:
					t.Error("a secret that nobody had")
				case string(e.Secret) == exportCanary && len(e.Value) == 700:
					secrets++
				}
				return nil
			})
			if err != nil || n != 301 || secrets != 300 {
				t.Errorf("%d records, %d secrets, %v", n, secrets, err)
			}
		})
	}
}

func TestAnExportTellsNobodyElse(t *testing.T) {
	key := keyPair(t)
	other, err := NewPrivateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	sealed := exported(t, key.Public())
	if bytes.Contains(sealed, []byte(exportCanary)) || bytes.Contains(sealed, []byte("master key")) || bytes.Contains(sealed, []byte("vvvv")) {
		t.Error("something is in it in the clear")
	}
	if s := fmt.Sprintf("%v %+v %x", key, key, key); strings.Contains(s, strings.TrimPrefix(key.Reveal(), privatePrefix)) {
		t.Error("the private key shows itself")
	}
	for name, id := range map[string]Identity{"another key": other, "a passphrase": passphrase} {
		if _, err := Import(bytes.NewReader(sealed), id, nil); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want ErrForeign", name, err)
		}
	}
	under := exported(t, passphrase)
	if _, err := Import(bytes.NewReader(under), Passphrase{Text: []byte("correct horse batterz")}, nil); !errors.Is(err, ErrForeign) {
		t.Errorf("another passphrase: %v, want ErrForeign", err)
	}
}

// Cut anywhere, at a chunk's end too; chunks swapped or left out; a bit turned: noticed.
func TestAnExportThatWasChangedIsNoticed(t *testing.T) {
	key := keyPair(t)
	sealed := exported(t, key.Public())
	const whole = chunkSize + overhead
	if len(sealed) < sealHeader+3*whole {
		t.Fatalf("%d bytes: too few chunks for this test", len(sealed))
	}
	edits := map[string][]byte{
		"cut in the last chunk":    sealed[:len(sealed)-1],
		"cut behind a chunk":       sealed[:sealHeader+2*whole],
		"cut in the first chunk":   sealed[:sealHeader+10],
		"no chunk":                 sealed[:sealHeader],
		"no header":                sealed[:10],
		"something behind":         append(bytes.Clone(sealed), 0),
		"the first chunk left out": append(bytes.Clone(sealed[:sealHeader]), sealed[sealHeader+whole:]...),
		"two chunks swapped": bytes.Join([][]byte{
			sealed[:sealHeader], sealed[sealHeader+whole : sealHeader+2*whole],
			sealed[sealHeader : sealHeader+whole], sealed[sealHeader+2*whole:],
		}, nil),
	}
	for at := 0; at < len(sealed); at += 1777 {
		b := bytes.Clone(sealed)
		b[at] ^= 4
		edits[fmt.Sprint("bit in byte ", at)] = b
	}
	for name, b := range edits {
		if _, err := Import(bytes.NewReader(b), key, nil); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want ErrDamaged or ErrForeign", name, err)
		}
	}
	if n, err := Import(bytes.NewReader(sealed), key, nil); n != 301 || err != nil {
		t.Errorf("unchanged: %d %v", n, err)
	}
}

func TestAnExportWithoutReaderOrWithAShortPassphraseIsRefused(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	for _, to := range []Recipient{nil, Passphrase{Text: []byte("short")}, PublicKey{}} {
		if _, err := db.Export(context.Background(), io.Discard, ExportConfig{To: to, Rand: testRand()}); err == nil {
			t.Errorf("%T: no error", to)
		}
	}
}

// FuzzImport: a sealed stream may hold anything; it is refused or read, without a panic
// and without more memory than it has bytes.
func FuzzImport(f *testing.F) {
	key := keyPair(f)
	entry := Entry{Bucket: "b", Key: []byte("k"), Value: []byte("v"), Secret: []byte("s")}
	f.Add(append(entry.append([]byte(exportMagic)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
	f.Add([]byte(exportMagic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		var out bytes.Buffer
		w, err := seal(&out, key.Public(), testRand())
		if err != nil {
			t.Fatal(err)
		}
		w.Write(plain)
		w.Close()
		again := []byte(exportMagic)
		n, err := Import(&out, key, func(e Entry) error { again = e.append(again); return nil })
		if err != nil {
			return
		}
		again = append(again, 0, 0, 0, 0, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		if !bytes.Equal(plain, again) {
			t.Errorf("read as something else: %x, %x", plain, again)
		}
	})
}
