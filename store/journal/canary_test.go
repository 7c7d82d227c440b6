package journal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"go.etcd.io/bbolt"

	"posd/emv/payment"
	"posd/store"
)

const canaries = 500

// canaryPAN is a card number of the test range, one for each payment.
func canaryPAN(i int) string { return fmt.Sprintf("627700%010d", int64(7_000_000_000)+int64(i)*7919) }

// shapes are the ways in which digits may lie in a file.
func shapes(digits string) [][]byte {
	bcd, _ := hex.DecodeString(digits)
	shifted, _ := hex.DecodeString("0" + digits + "0")
	var wide []byte
	for _, u := range utf16.Encode([]rune(digits)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	b64 := base64.StdEncoding.EncodeToString([]byte(digits))
	return [][]byte{[]byte(digits), bcd, shifted[1:8], wide, []byte(b64[:len(b64)-4]), []byte(hex.EncodeToString([]byte(digits)))}
}

// readable counts the canaries that somebody who reads the files finds.
func readable(t *testing.T, files [][]byte, digits func(int) string) (n int) {
	t.Helper()
	for i := range canaries {
		if anyShape(files, shapes(digits(i))) {
			n++
		}
	}
	return n
}

func anyShape(files, needles [][]byte) bool {
	for _, file := range files {
		for _, needle := range needles {
			if bytes.Contains(file, needle) {
				return true
			}
		}
	}
	return false
}

func allFiles(t *testing.T, dir string) (files [][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files = append(files, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// 500 payments with a card number each, that ended in every way: none of the numbers is
// in the store, the log, the archive or the export, in any shape; and of those whose
// authorisation is over, none opens with the device key either, from any copy of the
// record that the files still have. DESIGN.md's plain delete, the control, leaves many.
func TestNoCardNumberIsReadable(t *testing.T) {
	f := newFixture(t)
	f.close()
	f.cfg.MaxSize, f.limit = 4<<20, 600
	f.cfg.Path += ".canary"
	f.open()
	for i := range canaries {
		id, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rec := request(id)
		rec.PAN = mustPAN(canaryPAN(i))
		rec.Masked = rec.PAN.Masked()
		if err := f.Begin(ctx, rec); err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 0:
			f.move(rec, payment.Declined)
		case 1:
			f.move(rec, payment.ReversalOwed)
			f.move(rec, payment.Reversed)
		case 2:
			f.move(rec, payment.Answered)
			f.move(rec, payment.Completed)
		case 3:
			f.move(rec, payment.Stored)
			f.move(rec, payment.Resolved)
		}
	}
	dir := filepath.Dir(f.cfg.Path)
	if n := readable(t, allFiles(t, dir), canaryPAN); n != 0 {
		t.Errorf("before the settlement: %d of %d card numbers are readable", n, canaries)
	}
	if n := live(t, f); n != canaries/4 {
		t.Errorf("%d card numbers open with the device key, want %d: those that the batch upload needs", n, canaries/4)
	}
	exportTo(t, f, filepath.Join(dir, "export"))
	if err := f.Close(ctx, f.ended()); err != nil {
		t.Fatal(err)
	}
	if n := live(t, f); n != 0 {
		t.Errorf("after the settlement: %d card numbers open with the device key", n)
	}
	if n := readable(t, allFiles(t, dir), canaryPAN); n != 0 {
		t.Errorf("after the settlement: %d of %d card numbers are readable", n, canaries)
	}
	control(t)
}

// live counts the secrets that are left: slots in the store, and frames in the log,
// whichever of them is more.
func live(t *testing.T, f *fixture) int {
	t.Helper()
	file, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	slots, frames := 0, 0
	for at := len(file) - len(file)/32; at < len(file); at += 128 {
		if !bytes.Equal(file[at:at+128], make([]byte, 128)) {
			slots++
		}
	}
	if file, err = os.ReadFile(f.log.Path); err != nil {
		t.Fatal(err)
	}
	for at := 4096; at < len(file); at += 512 {
		if !bytes.Equal(file[at+436:at+512], make([]byte, 76)) {
			frames++
		}
	}
	return max(slots, frames)
}

func exportTo(t *testing.T, f *fixture, path string) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	to := store.Passphrase{Text: []byte("correct horse battery"), Memory: 8 << 10}
	if _, err := f.db.Export(ctx, out, store.ExportConfig{To: to, Rand: f.cfg.Rand}); err != nil {
		t.Fatal(err)
	}
}

// control is bbolt as it comes: the number is put, and deleted. It shows that the test
// can find something.
func control(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plain.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 4096, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range canaries {
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put(keyOf(uint64(i)), []byte(canaryPAN(i)))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		for i := range canaries {
			if err := tx.Bucket([]byte("b")).Delete(keyOf(uint64(i))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	n := readable(t, allFiles(t, filepath.Dir(path)), canaryPAN)
	t.Logf("control: plain delete leaves %d of %d readable", n, canaries)
	if n < canaries/2 {
		t.Errorf("control: %d of %d readable: the test cannot fail", n, canaries)
	}
}
