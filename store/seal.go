package store

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// A record on disk:
//
//	byte  0      format, 1
//	bytes 1-4    slot of the secret's data key, big-endian; 0 for none
//	bytes 5-28   nonce
//	bytes 29-    XChaCha20-Poly1305 of: length of the box (2), box, value
//
// The associated data is the format, the slot, the bucket and the key. The box is the
// secret under its data key, or empty.
const (
	recordFormat = 1
	recordHeader = 5
	nonceSize    = chacha20poly1305.NonceSizeX
	overhead     = chacha20poly1305.Overhead
	keySize      = chacha20poly1305.KeySize
	// MaxSecret is the largest secret of a record, in bytes.
	MaxSecret = 1024
	// MaxValue is the largest value of a record, in bytes.
	MaxValue = 64 << 10
)

// Labels under which the device key gives keys. A label is never used for two things.
const (
	labelRecords = "posd store records v1"
	labelSlots   = "posd store slots v1"
)

// sealer has the keys that the device key gave. Its cipher for records has a nonce of
// 24 bytes, which may be drawn at random for ever.
type sealer struct {
	records cipher.AEAD
	slots   cipher.AEAD
	rand    io.Reader
}

func newSealer(key DeviceKey, rand io.Reader) (*sealer, error) {
	records, err := derived(key, labelRecords)
	if err != nil {
		return nil, err
	}
	slots, err := derived(key, labelSlots)
	if err != nil {
		return nil, err
	}
	return &sealer{records, slots, rand}, nil
}

func derived(key DeviceKey, label string) (cipher.AEAD, error) {
	k, err := key.Derive(label)
	if err != nil {
		return nil, fmt.Errorf("device key: derive %q: %w", label, err)
	}
	defer clear(k)
	aead, err := chacha20poly1305.NewX(k)
	if err != nil {
		return nil, fmt.Errorf("device key: derive %q: %w", label, err)
	}
	return aead, nil
}

// record is a record in the clear. Box stays sealed by the data key in slot.
type record struct {
	slot  uint32
	box   []byte
	value []byte
}

func (s *sealer) sealRecord(bucket string, key []byte, r record) ([]byte, error) {
	if len(r.value) > MaxValue {
		return nil, fmt.Errorf("value of %d bytes, at most %d", len(r.value), MaxValue)
	}
	out := make([]byte, recordHeader+nonceSize, recordHeader+nonceSize+2+len(r.box)+len(r.value)+overhead)
	out[0] = recordFormat
	binary.BigEndian.PutUint32(out[1:], r.slot)
	nonce := out[recordHeader:]
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	plain := make([]byte, 2, 2+len(r.box)+len(r.value))
	binary.BigEndian.PutUint16(plain, uint16(len(r.box)))
	plain = append(append(plain, r.box...), r.value...)
	defer clear(plain)
	return s.records.Seal(out, nonce, plain, associated(out[:recordHeader], bucket, key)), nil
}

// openRecord opens a record, or says ErrDamaged with bucket and key.
func (s *sealer) openRecord(bucket string, key, sealed []byte) (record, error) {
	return s.openRecordIn(nil, bucket, key, sealed)
}

// openRecordIn opens a record into a buffer.
func (s *sealer) openRecordIn(buf []byte, bucket string, key, sealed []byte) (record, error) {
	if len(sealed) > 0 && sealed[0] > recordFormat {
		return record{}, fmt.Errorf("record %s/%x: format %d: %w", bucket, key, sealed[0], ErrNewer)
	}
	if len(sealed) < recordHeader+nonceSize+2+overhead || sealed[0] != recordFormat {
		return record{}, damaged(bucket, key, "shorter than a record")
	}
	header, rest := sealed[:recordHeader], sealed[recordHeader:]
	plain, err := s.records.Open(buf, rest[:nonceSize], rest[nonceSize:], associated(header, bucket, key))
	if err != nil {
		return record{}, damaged(bucket, key, "its seal is broken")
	}
	n := int(binary.BigEndian.Uint16(plain))
	if 2+n > len(plain) {
		return record{}, damaged(bucket, key, "its secret overruns it")
	}
	return record{binary.BigEndian.Uint32(header[1:]), plain[2 : 2+n], plain[2+n:]}, nil
}

func damaged(bucket string, key []byte, why string) error {
	return fmt.Errorf("record %s/%x: %s: %w", bucket, key, why, ErrDamaged)
}

// associated binds a record to its place, and each part to its length.
func associated(header []byte, bucket string, key []byte) []byte {
	out := append(make([]byte, 0, len(header)+2+len(bucket)+len(key)), header...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(bucket)))
	return append(append(out, bucket...), key...)
}

// sealBox seals a secret with a fresh data key. A data key seals one box, once: that is
// why the nonce may be zero.
func sealBox(dataKey, secret []byte, bucket string, key []byte) ([]byte, error) {
	if len(secret) > MaxSecret {
		return nil, fmt.Errorf("secret of %d bytes, at most %d", len(secret), MaxSecret)
	}
	aead, err := chacha20poly1305.New(dataKey)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, make([]byte, aead.NonceSize()), secret, associated(nil, bucket, key)), nil
}

var errBox = errors.New("its secret does not open")

func openBox(dataKey, box []byte, bucket string, key []byte) ([]byte, error) {
	aead, err := chacha20poly1305.New(dataKey)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, make([]byte, aead.NonceSize()), box, associated(nil, bucket, key))
	if err != nil {
		return nil, errBox
	}
	return secret, nil
}
