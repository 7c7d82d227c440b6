package dukpt

import (
	"fmt"
	"math/bits"
)

// future is what a device holds of the keys to come: a register for each bit of the
// counter. The key of a counter stands in the register of its lowest one bit.
type future[K any] struct {
	counter uint32
	ended   bool
	bits    int
	maxOnes int
	keys    [aesCounterBits]K
	derive  func(under K, counter uint32) (K, error)
	erase   func(*K)
}

// fill derives the keys of all bits below the register from the key in it.
func (f *future[K]) fill(under K, below int) error {
	for at := below - 1; at >= 0; at-- {
		key, err := f.derive(under, f.counter|1<<at)
		if err != nil {
			return err
		}
		f.keys[at] = key
	}
	return nil
}

// start makes the registers of the initial key, and the counter 1.
func (f *future[K]) start(initial K) error {
	f.counter = 0
	if err := f.fill(initial, f.bits); err != nil {
		return err
	}
	f.counter = 1
	return nil
}

// key is that of the counter.
func (f *future[K]) key() (K, error) {
	if f.ended {
		var none K
		return none, fmt.Errorf("dukpt: device: %w", ErrEnd)
	}
	return f.keys[bits.TrailingZeros32(f.counter)], nil
}

// advance erases the key of the counter and goes to the next counter: by one where that
// has few enough one bits, else over those that have too many. ANSI X9.24-1:2009, A.2
// ("new key"); ANSI X9.24-3, 6.5 ("update state for next transaction").
func (f *future[K]) advance() error {
	at := bits.TrailingZeros32(f.counter)
	step := uint32(1) << at
	if bits.OnesCount32(f.counter) < f.maxOnes {
		step = 1
		if err := f.fill(f.keys[at], at); err != nil {
			return err
		}
	}
	f.erase(&f.keys[at])
	f.counter += step
	f.ended = f.counter == 0 || f.bits < aesCounterBits && f.counter>>f.bits != 0
	return nil
}

// Device is a transaction-originating device with TDES keys. One goroutine uses it at a
// time.
type Device struct {
	ksn    KSN
	future future[Key]
}

// NewDevice injects an initial key. The counter of the key serial number does not matter:
// the first transaction has counter 1.
func NewDevice(initial Key, ksn KSN) *Device {
	d := &Device{ksn: ksn}
	d.future = future[Key]{
		bits: tdesCounterBits, maxOnes: tdesMaxOnes,
		derive: func(under Key, c uint32) (Key, error) { return nextKey(under, ksn.WithCounter(c)), nil },
		erase:  func(k *Key) { clear(k[:]) },
	}
	_ = d.future.start(initial) // this derivation cannot fail
	return d
}

// KSN is the key serial number of the next transaction, or of the last one after the end.
func (d *Device) KSN() KSN { return d.ksn.WithCounter(d.future.counter) }

// Next returns the transaction key and its key serial number, and goes on to the next.
// Errors: [ErrEnd].
func (d *Device) Next() (Key, KSN, error) {
	key, err := d.future.key()
	if err != nil {
		return Key{}, KSN{}, err
	}
	ksn := d.KSN()
	return key, ksn, d.future.advance()
}

// AESDevice is a transaction-originating device with AES keys. One goroutine uses it at a
// time.
type AESDevice struct {
	ksn    AESKSN
	own    KeyType
	future future[[]byte]
}

// NewAESDevice injects an initial key of 16, 24 or 32 bytes.
func NewAESDevice(initial []byte, id [8]byte) (*AESDevice, error) {
	own, err := aesType(initial)
	if err != nil {
		return nil, err
	}
	d := &AESDevice{own: own}
	copy(d.ksn[:], id[:])
	d.future = future[[]byte]{
		bits: aesCounterBits, maxOnes: aesMaxOnes,
		derive: func(under []byte, c uint32) ([]byte, error) {
			return deriveKey(under, keyDerivation, own, d.ksn.WithCounter(c))
		},
		erase: func(k *[]byte) { clear(*k); *k = nil },
	}
	return d, d.future.start(initial)
}

// KSN is the key serial number of the next transaction.
func (d *AESDevice) KSN() AESKSN { return d.ksn.WithCounter(d.future.counter) }

// Next returns a key for each usage, all of type t, with the key serial number that they
// share, and goes on to the next transaction. Errors: [ErrEnd].
func (d *AESDevice) Next(t KeyType, usages ...KeyUsage) ([][]byte, AESKSN, error) {
	if err := checkStrength(t, d.own); err != nil {
		return nil, AESKSN{}, err
	}
	under, err := d.future.key()
	if err != nil {
		return nil, AESKSN{}, err
	}
	ksn, keys := d.KSN(), make([][]byte, len(usages))
	for i, u := range usages {
		if keys[i], err = deriveKey(under, u, t, ksn); err != nil {
			return nil, AESKSN{}, err
		}
	}
	return keys, ksn, d.future.advance()
}
