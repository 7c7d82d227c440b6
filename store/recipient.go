package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// A sealed stream is a header of 64 bytes and chunks:
//
//	bytes 0-7    "posdseal"
//	byte  8      how the key comes: 1 passphrase, 2 X25519
//	byte  9      passphrase: passes of argon2id
//	byte  10     passphrase: threads
//	bytes 11-15  zeros
//	bytes 16-19  passphrase: memory in KiB, big-endian
//	bytes 20-31  zeros
//	bytes 32-63  passphrase: salt; X25519: the sender's share
//
// The stream key is HKDF-SHA-256 of the secret, with the header as info. Each chunk is
// 64 KiB of the content (the last one less, and perhaps none) under ChaCha20-Poly1305;
// the nonce is the number of the chunk (11 bytes) and 1 in the last, else 0: so none can
// be left out, moved, or cut from the end. The shape is that of age (age-encryption.org).
const (
	sealMagic    = "posdseal"
	sealHeader   = 64
	byPassphrase = 1
	byX25519     = 2
	chunkSize    = 64 << 10
	labelExport  = "posd export stream v1"
)

// Costs of argon2id: RFC 9106, second recommended option, and what an importer allows.
const (
	argonPasses  = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	mostPasses   = 16
	mostMemory   = 1 << 20
	// MinPassphrase is the fewest characters of a passphrase.
	MinPassphrase = 12
)

// Recipient is for whom an export is sealed: a [Passphrase] or a [PublicKey].
type Recipient interface {
	// wrap returns the header and the secret from which the stream key comes.
	wrap(rand io.Reader) (header [sealHeader]byte, secret []byte, err error)
}

// Identity opens what was sealed for it: a [Passphrase] or a [PrivateKey].
type Identity interface {
	// unwrap returns the secret that belongs to a header.
	unwrap(header [sealHeader]byte) (secret []byte, err error)
}

// Passphrase seals and opens under a passphrase, by argon2id. Memory is the memory that
// it takes, in KiB; 0 is 64 MiB. A terminal with less says so.
type Passphrase struct {
	Text   []byte
	Memory uint32
}

func (p Passphrase) wrap(rand io.Reader) (h [sealHeader]byte, secret []byte, err error) {
	if len(p.Text) < MinPassphrase {
		return h, nil, fmt.Errorf("passphrase of %d characters, %d wanted", len(p.Text), MinPassphrase)
	}
	memory := p.Memory
	if memory == 0 {
		memory = argonMemory
	}
	copy(h[:], sealMagic)
	h[8], h[9], h[10] = byPassphrase, argonPasses, argonThreads
	binary.BigEndian.PutUint32(h[16:], memory)
	if _, err := io.ReadFull(rand, h[32:]); err != nil {
		return h, nil, fmt.Errorf("draw a salt: %w", err)
	}
	secret, err = p.unwrap(h)
	return h, secret, err
}

func (p Passphrase) unwrap(h [sealHeader]byte) ([]byte, error) {
	memory := binary.BigEndian.Uint32(h[16:])
	switch {
	case h[8] != byPassphrase:
		return nil, fmt.Errorf("it is sealed for a key, not under a passphrase: %w", ErrForeign)
	case h[9] < 1 || h[9] > mostPasses || h[10] < 1 || memory < 8<<10 || memory > mostMemory:
		return nil, fmt.Errorf("argon2id with %d passes, %d KiB, %d threads: %w", h[9], memory, h[10], ErrDamaged)
	}
	return argon2.IDKey(p.Text, h[32:], uint32(h[9]), memory, h[10], 32), nil
}

// PublicKey is an X25519 key for which an export is sealed (RFC 7748).
type PublicKey struct{ key *ecdh.PublicKey }

// PrivateKey opens what was sealed for its public key.
type PrivateKey struct{ key *ecdh.PrivateKey }

const (
	publicPrefix  = "posd-export-"
	privatePrefix = "POSD-EXPORT-SECRET-"
)

// NewPrivateKey draws a key pair.
func NewPrivateKey(rand io.Reader) (PrivateKey, error) {
	b := make([]byte, 32)
	defer clear(b)
	if _, err := io.ReadFull(rand, b); err != nil {
		return PrivateKey{}, fmt.Errorf("store: export key: %w", err)
	}
	key, err := ecdh.X25519().NewPrivateKey(b)
	return PrivateKey{key}, err
}

// ParsePublicKey reads what PublicKey.String writes.
func ParsePublicKey(s string) (PublicKey, error) {
	b, err := parseKey(s, publicPrefix)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := ecdh.X25519().NewPublicKey(b)
	return PublicKey{key}, err
}

// ParsePrivateKey reads what PrivateKey.Reveal writes.
func ParsePrivateKey(s string) (PrivateKey, error) {
	b, err := parseKey(s, privatePrefix)
	if err != nil {
		return PrivateKey{}, err
	}
	defer clear(b)
	key, err := ecdh.X25519().NewPrivateKey(b)
	return PrivateKey{key}, err
}

func parseKey(s, prefix string) ([]byte, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), prefix)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil || len(b) != 32 {
		return nil, fmt.Errorf("store: export key: %s and 43 characters wanted", prefix)
	}
	return b, nil
}

// Public returns the public half.
func (k PrivateKey) Public() PublicKey { return PublicKey{k.key.PublicKey()} }

// String hides the key.
func (k PrivateKey) String() string { return "export key (secret)" }

// Format hides the key for every verb.
func (k PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// Reveal writes the key for a file of mode 0600.
func (k PrivateKey) Reveal() string {
	return privatePrefix + base64.RawURLEncoding.EncodeToString(k.key.Bytes())
}

// String writes the key for a configuration.
func (k PublicKey) String() string {
	return publicPrefix + base64.RawURLEncoding.EncodeToString(k.key.Bytes())
}

func (k PublicKey) wrap(rand io.Reader) (h [sealHeader]byte, secret []byte, err error) {
	if k.key == nil {
		return h, nil, errors.New("public key is missing")
	}
	own, err := NewPrivateKey(rand)
	if err != nil {
		return h, nil, err
	}
	copy(h[:], sealMagic)
	h[8] = byX25519
	copy(h[32:], own.key.PublicKey().Bytes())
	shared, err := own.key.ECDH(k.key)
	return h, append(shared, k.key.Bytes()...), err
}

func (k PrivateKey) unwrap(h [sealHeader]byte) ([]byte, error) {
	if h[8] != byX25519 {
		return nil, fmt.Errorf("it is sealed under a passphrase, not for a key: %w", ErrForeign)
	}
	share, err := ecdh.X25519().NewPublicKey(h[32:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	shared, err := k.key.ECDH(share)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return append(shared, k.key.PublicKey().Bytes()...), nil
}

func streamKey(secret []byte, h [sealHeader]byte) (cipher.AEAD, error) {
	defer clear(secret)
	key, err := hkdf.Key(sha256.New, secret, nil, labelExport+string(h[:]), chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return chacha20poly1305.New(key)
}

func chunkNonce(n uint64, last bool) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSize)
	binary.BigEndian.PutUint64(nonce[3:], n)
	if last {
		nonce[11] = 1
	}
	return nonce
}

// sealing seals what is written to it.
type sealing struct {
	w    io.Writer
	aead cipher.AEAD
	buf  []byte
	n    uint64
}

func seal(w io.Writer, to Recipient, rand io.Reader) (*sealing, error) {
	h, secret, err := to.wrap(rand)
	if err != nil {
		return nil, err
	}
	aead, err := streamKey(secret, h)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(h[:])
	return &sealing{w: w, aead: aead, buf: make([]byte, 0, chunkSize+chacha20poly1305.Overhead)}, err
}

func (s *sealing) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		if len(s.buf) == chunkSize {
			if err := s.chunk(false); err != nil {
				return done, err
			}
		}
		many := min(chunkSize-len(s.buf), len(p)-done)
		s.buf = append(s.buf, p[done:done+many]...)
		done += many
	}
	return len(p), nil
}

func (s *sealing) chunk(last bool) error {
	out := s.aead.Seal(s.buf[:0], chunkNonce(s.n, last), s.buf, nil)
	s.n++
	_, err := s.w.Write(out)
	s.buf = s.buf[:0]
	return err
}

// Close writes the last chunk; the writer below stays open.
func (s *sealing) Close() error { return s.chunk(true) }

// unsealing reads a sealed stream. Nothing of a chunk is given before its seal was
// opened.
type unsealing struct {
	r     io.Reader
	aead  cipher.AEAD
	chunk []byte // sealed; one byte more than a chunk tells that another follows
	have  int
	open  []byte
	n     uint64
	last  bool
}

func unseal(r io.Reader, id Identity) (*unsealing, error) {
	var h [sealHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil || !bytes.HasPrefix(h[:], []byte(sealMagic)) {
		return nil, fmt.Errorf("no sealed export: %w", ErrForeign)
	}
	secret, err := id.unwrap(h)
	if err != nil {
		return nil, err
	}
	aead, err := streamKey(secret, h)
	return &unsealing{r: r, aead: aead, chunk: make([]byte, chunkSize+chacha20poly1305.Overhead+1)}, err
}

func (u *unsealing) Read(p []byte) (int, error) {
	for len(u.open) == 0 {
		if u.last {
			return 0, io.EOF
		}
		if err := u.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.open)
	u.open = u.open[n:]
	return n, nil
}

func (u *unsealing) next() error {
	n, err := io.ReadFull(u.r, u.chunk[u.have:])
	u.have += n
	if u.last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !u.last {
		return err
	}
	sealed := u.chunk[:min(u.have, len(u.chunk)-1)]
	u.open, err = u.aead.Open(nil, chunkNonce(u.n, u.last), sealed, nil)
	if err != nil && u.n == 0 {
		return fmt.Errorf("its first chunk does not open: another key or passphrase, or damage: %w", ErrForeign)
	}
	if err != nil {
		return fmt.Errorf("chunk %d does not open: cut or changed: %w", u.n+1, ErrDamaged)
	}
	u.n++
	u.have = copy(u.chunk, u.chunk[len(sealed):u.have])
	return nil
}
