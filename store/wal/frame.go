package wal

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"posd/store"
)

// Sizes, in bytes.
const (
	frameSize  = 512
	headerSize = 4096
	nonceSize  = chacha20poly1305.NonceSizeX
	overhead   = chacha20poly1305.Overhead
	clearSize  = 12
	bodyAt     = clearSize + nonceSize
	bodySize   = 380
	sealedEnd  = bodyAt + bodySize + overhead
	secretAt   = 436
	secretSize = frameSize - secretAt - nonceSize - overhead
	bodyHeader = 32 + 8 + 2
	// MaxPayload is the largest payload of a frame.
	MaxPayload = bodySize - bodyHeader
	// MaxSecret is the largest secret of a frame.
	MaxSecret   = secretSize - 1
	frameFormat = 1
)

// Labels under which the device key gives keys.
const (
	labelFrames  = "posd store log frames v1"
	labelSecrets = "posd store log secrets v1"
	labelHeader  = "posd store log header v1"
)

// Frame is what was appended.
type Frame struct {
	Number  uint64
	Payload []byte
	Secret  []byte // nil for none, or wiped
}

// body is the sealed part of a frame.
type body struct {
	prev    [32]byte
	tail    uint64
	payload []byte
}

type sealer struct {
	frames, secrets, header cipher.AEAD
	rand                    io.Reader
}

func newSealer(key store.DeviceKey, rand io.Reader) (s sealer, err error) {
	s.rand = rand
	for label, aead := range map[string]*cipher.AEAD{labelFrames: &s.frames, labelSecrets: &s.secrets, labelHeader: &s.header} {
		k, err := key.Derive(label)
		if err != nil {
			return s, fmt.Errorf("device key: derive %q: %w", label, err)
		}
		*aead, err = chacha20poly1305.NewX(k)
		clear(k)
		if err != nil {
			return s, fmt.Errorf("device key: derive %q: %w", label, err)
		}
	}
	return s, nil
}

// seal makes a frame.
func (s sealer) seal(number uint64, b body, secret []byte) ([]byte, error) {
	if len(b.payload) > MaxPayload || len(secret) > MaxSecret {
		return nil, fmt.Errorf("payload of %d and secret of %d bytes, at most %d and %d", len(b.payload), len(secret), MaxPayload, MaxSecret)
	}
	frame := make([]byte, frameSize)
	frame[0] = frameFormat
	binary.BigEndian.PutUint64(frame[4:], number)
	nonce := frame[clearSize:bodyAt]
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	plain := make([]byte, bodySize)
	copy(plain, b.prev[:])
	binary.BigEndian.PutUint64(plain[32:], b.tail)
	binary.BigEndian.PutUint16(plain[40:], uint16(len(b.payload)))
	copy(plain[bodyHeader:], b.payload)
	s.frames.Seal(frame[bodyAt:bodyAt], nonce, plain, frame[:clearSize])
	if secret == nil {
		return frame, nil
	}
	return frame, s.sealSecret(frame, secret)
}

func (s sealer) sealSecret(frame, secret []byte) error {
	area := frame[secretAt:]
	if _, err := io.ReadFull(s.rand, area[:nonceSize]); err != nil {
		return fmt.Errorf("draw a nonce: %w", err)
	}
	plain := make([]byte, secretSize)
	defer clear(plain)
	plain[0] = byte(len(secret))
	copy(plain[1:], secret)
	s.secrets.Seal(area[nonceSize:nonceSize], area[:nonceSize], plain, frame[:clearSize])
	return nil
}

var errSeal = errors.New("its seal is broken")

// numberOf reads a frame's number without its seal; 0 for no frame of ours.
func numberOf(frame []byte) uint64 {
	if frame[0] != frameFormat {
		return 0
	}
	return binary.BigEndian.Uint64(frame[4:])
}

// open opens a frame's sealed part, into buf where it is large enough.
func (s sealer) open(buf, frame []byte) (b body, err error) {
	plain, err := s.frames.Open(buf[:0], frame[clearSize:bodyAt], frame[bodyAt:sealedEnd], frame[:clearSize])
	if err != nil {
		return b, errSeal
	}
	n := int(binary.BigEndian.Uint16(plain[40:]))
	if n > MaxPayload {
		return b, errors.New("its payload overruns it")
	}
	b.prev = [32]byte(plain[:32])
	b.tail = binary.BigEndian.Uint64(plain[32:])
	b.payload = plain[bodyHeader : bodyHeader+n]
	return b, nil
}

// secret opens a frame's secret; nil for none.
func (s sealer) secret(frame []byte) ([]byte, error) {
	area := frame[secretAt:]
	if allZero(area) {
		return nil, nil
	}
	plain, err := s.secrets.Open(nil, area[:nonceSize], area[nonceSize:], frame[:clearSize])
	if err != nil || int(plain[0]) > MaxSecret {
		return nil, errors.New("the seal of its secret is broken")
	}
	return plain[1 : 1+int(plain[0])], nil
}

// hash is what the next frame carries: the secret is no part of it.
func hash(frame []byte) [32]byte { return sha256.Sum256(frame[:sealedEnd]) }

func allZero(b []byte) bool {
	var or byte
	for _, x := range b {
		or |= x
	}
	return or == 0
}
