package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A slot holds the data key of one secret:
//
//	bytes 0-23    nonce
//	bytes 24-71   XChaCha20-Poly1305 of the data key (32), slot number as associated data
//	bytes 72-127  zero
//
// 128 zero bytes are an empty slot. Slots are written in place, outside of bbolt's copy
// on write, and never straddle a sector. Slot 0 is never used: it means "no secret".
//
// A fresh data key is written before the commit of the record that needs it; bbolt's
// own flush of the file takes it to disk before the record counts. A wipe is written
// after the commit of the record that no longer needs it, and goes to disk with the
// next flush; what a power cut undoes, the next Open does again.
const (
	slotSize = 128
	slotUsed = nonceSize + keySize + overhead
)

type slots struct {
	file  *os.File
	lay   layout
	seal  *sealer
	used  []bool // by slot number: not empty on disk
	next  int    // where the search for an empty one goes on
	dirty bool   // a wipe is not known to be on disk
	bytes uint64 // written
}

// openSlots reads which slots are in use.
func openSlots(f *os.File, lay layout, seal *sealer) (*slots, error) {
	s := &slots{file: f, lay: lay, seal: seal, used: make([]bool, lay.slots/slotSize), next: 1}
	block := make([]byte, pageSize)
	for at := int64(0); at < lay.slots; at += pageSize {
		if _, err := f.ReadAt(block, lay.data+at); err != nil {
			return nil, fmt.Errorf("read slots: %w", err)
		}
		for i := 0; i < pageSize; i += slotSize {
			s.used[(int(at)+i)/slotSize] = !allZero(block[i : i+slotSize])
		}
	}
	return s, nil
}

func allZero(b []byte) bool {
	var or byte
	for _, x := range b {
		or |= x
	}
	return or == 0
}

func slotLabel(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte("slot"), n) }

// fresh draws a data key, writes it into an empty slot, and returns both.
func (s *slots) fresh() (n uint32, dataKey []byte, err error) {
	if n, err = s.empty(); err != nil {
		return 0, nil, err
	}
	drawn := make([]byte, nonceSize+keySize)
	if _, err := io.ReadFull(s.seal.rand, drawn); err != nil {
		return 0, nil, fmt.Errorf("draw a data key: %w", err)
	}
	nonce, dataKey := drawn[:nonceSize], drawn[nonceSize:]
	slot := append(make([]byte, 0, slotSize), nonce...)
	slot = s.seal.slots.Seal(slot, nonce, dataKey, slotLabel(n))
	s.used[n] = true
	return n, dataKey, s.write(n, slot)
}

func (s *slots) empty() (uint32, error) {
	for range s.used {
		n := s.next
		if s.next++; s.next == len(s.used) {
			s.next = 1
		}
		if !s.used[n] {
			return uint32(n), nil
		}
	}
	return 0, fmt.Errorf("%d secrets: no slot for another: %w", len(s.used)-1, ErrFull)
}

func (s *slots) write(n uint32, content []byte) error {
	full := make([]byte, slotSize)
	copy(full, content)
	if _, err := s.file.WriteAt(full, s.lay.data+int64(n)*slotSize); err != nil {
		return fmt.Errorf("write slot %d: %w", n, err)
	}
	s.bytes += slotSize
	return nil
}

// key returns the data key in a slot; ErrNoSecret if it was wiped.
func (s *slots) key(n uint32) ([]byte, error) {
	if n == 0 || uint64(n) >= uint64(len(s.used)) {
		return nil, fmt.Errorf("slot %d of %d: %w", n, len(s.used), ErrDamaged)
	}
	slot := make([]byte, slotSize)
	if _, err := s.file.ReadAt(slot, s.lay.data+int64(n)*slotSize); err != nil {
		return nil, fmt.Errorf("read slot %d: %w", n, err)
	}
	if allZero(slot) {
		return nil, ErrNoSecret
	}
	key, err := s.seal.slots.Open(nil, slot[:nonceSize], slot[nonceSize:slotUsed], slotLabel(n))
	if err != nil {
		return nil, fmt.Errorf("slot %d: its seal is broken: %w", n, ErrDamaged)
	}
	return key, nil
}

// wipe overwrites slots with zeros. The bytes are gone for every reader of the file when
// it returns, and on disk with the next flush. A slot that cannot be written stays
// marked as used, and is wiped by the next Open.
func (s *slots) wipe(list []uint32) error {
	var errs []error
	for _, n := range list {
		if err := s.write(n, nil); err != nil {
			errs = append(errs, err)
			continue
		}
		s.used[n], s.dirty = false, true
	}
	return errors.Join(errs...)
}
