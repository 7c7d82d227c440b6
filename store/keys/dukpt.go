package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"posd/emv/dukpt"
	"posd/store"
)

// ErrExhausted says that the transaction counter has come to its end: the terminal needs a
// new initial key.
var ErrExhausted = dukpt.ErrEnd

func dukptKey() []byte { return []byte("dukpt") }

// dukptHead is how much of a device's state is no secret: kind, serial number, counter.
// Both kinds have that much before their first key.
const dukptHead = dukpt.StateHead

// dukptRecord is what may be told of the DUKPT keys; the device's state is the secret.
type dukptRecord struct {
	KSN   string    `json:"ksn"` // of the next transaction
	Since time.Time `json:"since,omitzero"`
	Head  []byte    `json:"head"` // of the device's state, beside its keys: AES-256 fills the secret's place
}

// DUKPTInfo tells of the DUKPT keys without showing them.
type DUKPTInfo struct {
	KSN   string    // of the next transaction, hexadecimal; empty for none
	AES   bool      // ANSI X9.24-3 with AES; else TDES
	Since time.Time // when the initial key came
}

// LoadDUKPT stores the initial key of a TDES device, which the caller wipes. What is stored
// are its future keys: the initial key itself is on no disk. The counter begins at 1, so an
// initial key is loaded once, under a serial number that was not used before.
func (k *Keys) LoadDUKPT(initial dukpt.Key, ksn dukpt.KSN) error {
	d := dukpt.NewDevice(initial, ksn)
	defer d.Wipe()
	return k.loadDUKPT(d.AppendState(nil), d.KSN().String())
}

// LoadAESDUKPT stores the initial key of an AES device, 16, 24 or 32 bytes; as LoadDUKPT.
func (k *Keys) LoadAESDUKPT(initial []byte, id [8]byte) error {
	d, err := dukpt.NewAESDevice(initial, id)
	if err != nil {
		return fmt.Errorf("keys: load DUKPT: %w", err)
	}
	defer d.Wipe()
	return k.loadDUKPT(d.AppendState(nil), d.KSN().String())
}

// loadDUKPT refuses the serial number that is there already: its counter would go back.
func (k *Keys) loadDUKPT(state []byte, ksn string) error {
	defer clear(state)
	k.mu.Lock()
	defer k.mu.Unlock()
	there, err := k.dukptRecord()
	if err == nil && sameDevice(there.KSN, ksn) {
		err = fmt.Errorf("initial key of %s is there, its counter stands at %s: it never goes back", ksn, there.KSN)
	}
	if err == nil {
		err = k.putDUKPT(state, dukptRecord{KSN: ksn, Since: k.cfg.Now()})
	}
	if err != nil {
		return fmt.Errorf("keys: load DUKPT: %w", err)
	}
	return nil
}

// sameDevice compares two serial numbers of one kind without their counters.
func sameDevice(a, b string) bool {
	x, errX := hex.DecodeString(a)
	y, errY := hex.DecodeString(b)
	if errX != nil || errY != nil || len(x) != len(y) {
		return false
	}
	if len(x) == len(dukpt.KSN{}) {
		return dukpt.KSN(x).WithCounter(0) == dukpt.KSN(y).WithCounter(0)
	}
	return len(x) == len(dukpt.AESKSN{}) && dukpt.AESKSN(x).ID() == dukpt.AESKSN(y).ID()
}

// DUKPT tells of the DUKPT keys; zero for none.
func (k *Keys) DUKPT() (DUKPTInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.dukptRecord()
	if err != nil {
		return DUKPTInfo{}, fmt.Errorf("keys: DUKPT: %w", err)
	}
	return DUKPTInfo{KSN: r.KSN, AES: len(r.KSN) == 2*len(dukpt.AESKSN{}), Since: r.Since}, nil
}

func (k *Keys) dukptRecord() (r dukptRecord, err error) {
	err = k.cfg.DB.View(func(tx *store.Tx) error { return read(tx, dukptKey(), &r) })
	return r, err
}

// NextDUKPT returns the key of the next transaction of a TDES device, to be wiped, and its
// serial number. The counter has moved on disk when it returns: a power cut, or an error,
// skips a number and never gives one twice. Errors: ErrNoKey, ErrExhausted.
func (k *Keys) NextDUKPT() (key dukpt.Key, ksn dukpt.KSN, err error) {
	err = k.nextDUKPT('T', func(state []byte) ([]byte, string, error) {
		d, err := dukpt.RestoreDevice(state)
		if err != nil {
			return nil, "", err
		}
		defer d.Wipe()
		if key, ksn, err = d.Next(); err != nil {
			return nil, "", err
		}
		return d.AppendState(nil), d.KSN().String(), nil
	})
	if err != nil {
		return dukpt.Key{}, dukpt.KSN{}, err
	}
	return key, ksn, nil
}

// NextAESDUKPT returns a key for each usage of the next transaction of an AES device, all
// of type t, to be wiped; as NextDUKPT.
func (k *Keys) NextAESDUKPT(t dukpt.KeyType, usages ...dukpt.KeyUsage) (list [][]byte, ksn dukpt.AESKSN, err error) {
	err = k.nextDUKPT('A', func(state []byte) ([]byte, string, error) {
		d, err := dukpt.RestoreAESDevice(state)
		if err != nil {
			return nil, "", err
		}
		defer d.Wipe()
		if list, ksn, err = d.Next(t, usages...); err != nil {
			return nil, "", err
		}
		return d.AppendState(nil), d.KSN().String(), nil
	})
	if err != nil {
		for _, key := range list {
			clear(key)
		}
		return nil, dukpt.AESKSN{}, err
	}
	return list, ksn, nil
}

// nextDUKPT moves the stored device on, and commits before its caller sees the key. The
// state before loses its data key with the commit, so that its keys cannot be read any more.
func (k *Keys) nextDUKPT(kind byte, move func(state []byte) (next []byte, ksn string, err error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.moveDUKPT(kind, move)
	if err != nil {
		return fmt.Errorf("keys: next DUKPT key: %w", err)
	}
	return nil
}

func (k *Keys) moveDUKPT(kind byte, move func([]byte) ([]byte, string, error)) error {
	var r dukptRecord
	var state []byte
	defer func() { clear(state) }()
	err := k.cfg.DB.View(func(tx *store.Tx) (err error) {
		if err = read(tx, dukptKey(), &r); err != nil || r.KSN == "" {
			return err
		}
		keys, err := tx.Secret(bucket, dukptKey())
		defer clear(keys)
		state = append(bytes.Clone(r.Head), keys...)
		return err
	})
	switch {
	case err != nil:
		return err
	case r.KSN == "":
		return ErrNoKey
	case len(state) == 0 || state[0] != kind:
		return fmt.Errorf("the device's keys are of the other kind: %w", ErrNoKey)
	}
	next, ksn, err := move(state)
	if err != nil {
		return err
	}
	defer clear(next)
	r.KSN = ksn
	return k.putDUKPT(next, r)
}

// putDUKPT commits. An error means that the key that was derived is not used: what the disk
// holds, the old state or the new one, counts at the next call.
func (k *Keys) putDUKPT(state []byte, r dukptRecord) error {
	r.Head, state = state[:dukptHead], state[dukptHead:]
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	err = k.cfg.DB.Update(func(tx *store.Tx) error { return tx.PutSecret(bucket, dukptKey(), value, state) })
	if errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("counter not moved for certain, no key is given: %w", err)
	}
	return err
}
