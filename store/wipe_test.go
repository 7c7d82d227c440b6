package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
)

// What DESIGN.md measured: Delete does not erase. The sealed record stays in the file;
// what must be gone is the one thing that opens its secret.
func TestAWipedSecretIsGoneFromTheFile(t *testing.T) {
	const canary = "6277000000000017"
	for _, row := range []struct {
		name   string
		forget func(tx *Tx) error
	}{
		{"PutBare", func(tx *Tx) error { return tx.PutBare("b", []byte("k"), []byte("v2")) }},
		{"Delete", func(tx *Tx) error { return tx.Delete("b", []byte("k")) }},
		{"PutSecret of another", func(tx *Tx) error {
			return tx.PutSecret("b", []byte("k"), []byte("v2"), []byte("another"))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			db := mustOpen(t, cfg)
			put(t, db, "k", "v", canary)
			slot := slotInUse(t, db)
			before := rawSlot(t, cfg.Path, slot)
			if err := db.Update(row.forget); err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(file, before[nonceSize:slotUsed]) {
				t.Error("the wrapped data key is still in the file")
			}
			if bytes.Contains(file, []byte(canary)) {
				t.Error("the secret is in the file in the clear")
			}
		})
	}
}

func slotInUse(t *testing.T, db *DB) uint32 {
	t.Helper()
	for n, used := range db.slots.used {
		if used {
			return uint32(n)
		}
	}
	t.Fatal("no slot in use")
	return 0
}

func rawSlot(t *testing.T, path string, n uint32) []byte {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := layoutOf(int64(len(file))).data + int64(n)*slotSize
	return file[at : at+slotSize]
}

// A power cut can undo a wipe that was not flushed. The next Open wipes again.
func TestAWipeThatThePowerCutUndidIsDoneAgain(t *testing.T) {
	cfg := testConfig(t)
	db := mustOpen(t, cfg)
	put(t, db, "k", "v", "secret")
	put(t, db, "kept", "v", "kept secret")
	slot := slotInUse(t, db)
	before := rawSlot(t, cfg.Path, slot)
	if err := db.Update(func(tx *Tx) error { return tx.PutBare("b", []byte("k"), []byte("v")) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(cfg.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(before, layoutOf(MinMaxSize).data+int64(slot)*slotSize); err != nil {
		t.Fatal(err)
	}
	f.Close()
	db = mustOpen(t, cfg)
	if got := rawSlot(t, cfg.Path, slot); !allZero(got) {
		t.Error("the slot came back to life")
	}
	if _, s, err := get(t, db, "kept"); s != "kept secret" || err != nil {
		t.Errorf("the other secret: %q %v", s, err)
	}
}

func TestSlotsAreUsedAgainAndRunOut(t *testing.T) {
	db := mustOpen(t, testConfig(t))
	room := len(db.slots.used) - 1
	for i := range 3 * room {
		put(t, db, "k", fmt.Sprint(i), "secret")
	}
	for i := range room - 1 {
		put(t, db, fmt.Sprint("k", i), "v", "secret")
	}
	err := db.Update(func(tx *Tx) error { return tx.PutSecret("b", []byte("one more"), nil, []byte("s")) })
	if !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
}
