package dukpt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// ErrState says that bytes are no state of a device.
var ErrState = errors.New("not the state of a device")

// The state of a device, as bytes to seal and to store:
//
//	TDES  1  'T'        AES  1  'A'
//	      10 KSN             8  initial key ID
//	      4  counter         4  counter
//	      1  ended           1  ended
//	      21 x 16 keys       1  length of a key
//	                         32 x that length
//
// Registers whose key was used or was never made are zero.
const (
	tdesStateSize  = 1 + 10 + 4 + 1 + tdesCounterBits*16
	aesStateHeader = 1 + 8 + 4 + 1 + 1
)

// StateHead is how many bytes at the beginning of a state of either kind are no secret.
const StateHead = aesStateHeader

// AppendState appends what the device holds to dst: future keys, and no key of the past. It
// is a secret.
func (d *Device) AppendState(dst []byte) []byte {
	dst = append(append(dst, 'T'), d.ksn[:]...)
	dst = d.future.appendCounter(dst)
	for i := range tdesCounterBits {
		dst = append(dst, d.future.keys[i][:]...)
	}
	return dst
}

// RestoreDevice is a device as [Device.AppendState] found it. Errors: [ErrState].
func RestoreDevice(state []byte) (*Device, error) {
	if len(state) != tdesStateSize || state[0] != 'T' {
		return nil, fmt.Errorf("dukpt: restore: %d bytes: %w", len(state), ErrState)
	}
	d := NewDevice(Key{}, KSN(state[1:11]))
	if err := d.future.restore(state[11:16]); err != nil {
		return nil, err
	}
	for i := range tdesCounterBits {
		d.future.keys[i] = Key(state[16+16*i:])
	}
	return d, nil
}

// Wipe erases the keys. The device is of no use afterwards.
func (d *Device) Wipe() {
	d.future.keys, d.future.ended = [aesCounterBits]Key{}, true
}

// AppendState appends what the device holds to dst: future keys, and no key of the past. It
// is a secret.
func (d *AESDevice) AppendState(dst []byte) []byte {
	size := int(keyTypes[d.own].bits / 8)
	dst = append(append(dst, 'A'), d.ksn[:8]...)
	dst = append(d.future.appendCounter(dst), byte(size))
	for _, key := range d.future.keys {
		at := len(dst)
		dst = append(dst, make([]byte, size)...)
		copy(dst[at:], key)
	}
	return dst
}

// RestoreAESDevice is a device as [AESDevice.AppendState] found it. Errors: [ErrState].
func RestoreAESDevice(state []byte) (*AESDevice, error) {
	if len(state) < aesStateHeader || state[0] != 'A' {
		return nil, fmt.Errorf("dukpt: restore: %d bytes: %w", len(state), ErrState)
	}
	size := int(state[14])
	if size != 16 && size != 24 && size != 32 || len(state) != aesStateHeader+aesCounterBits*size {
		return nil, fmt.Errorf("dukpt: restore: %d bytes: %w", len(state), ErrState)
	}
	d, err := NewAESDevice(make([]byte, size), [8]byte(state[1:9]))
	if err != nil {
		return nil, err
	}
	if err := d.future.restore(state[9:14]); err != nil {
		return nil, err
	}
	for i := range d.future.keys {
		d.future.keys[i] = append([]byte(nil), state[aesStateHeader+i*size:][:size]...)
	}
	return d, nil
}

// Wipe erases the keys. The device is of no use afterwards.
func (d *AESDevice) Wipe() {
	for _, key := range d.future.keys {
		clear(key)
	}
	d.future.ended = true
}

func (f *future[K]) appendCounter(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, f.counter)
	if f.ended {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// restore takes counter and end, and refuses a counter that no device has.
func (f *future[K]) restore(b []byte) error {
	counter, ended := binary.BigEndian.Uint32(b), b[4] == 1
	ones := bits.OnesCount32(counter)
	past := f.bits < aesCounterBits && counter>>f.bits != 0
	if b[4] > 1 || !ended && (ones == 0 || ones > f.maxOnes || past) {
		return fmt.Errorf("dukpt: restore: counter %X: %w", counter, ErrState)
	}
	f.counter, f.ended = counter, ended
	return nil
}
