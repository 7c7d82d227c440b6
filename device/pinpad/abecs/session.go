package abecs

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"posd/device"
)

// Sizes of secure communication. Abecs 2.20, 5.2.
const (
	modulusSize = 256
	sessionSize = 16
	maxClear    = 2044
)

// opn opens the pad, plainly or with a session key. Abecs 2.20, 3.2.1 and 3.2.2.
func (p *Pad) opn(ctx context.Context) error {
	p.session = nil
	if p.cfg.Key == nil {
		_, err := p.checked(ctx, "OPN")
		return err
	}
	exponent := fmt.Appendf(nil, "%06X", p.cfg.Key.E)
	for len(exponent) > 2 && string(exponent[:2]) == "00" {
		exponent = exponent[2:]
	}
	r, err := p.checked(ctx, "OPN", fmt.Appendf(nil, "0%03d%0512X%d%s", modulusSize, p.cfg.Key.N, len(exponent)/2, exponent))
	if err != nil {
		return err
	}
	if len(r.blocks) == 0 {
		return fmt.Errorf("%w: OPN: the pad does not do secure communication", device.ErrRefused)
	}
	p.session, err = openSession(p.cfg.Key, r.block(0))
	return err
}

// checked is ask for a command that must succeed.
func (p *Pad) checked(ctx context.Context, id string, blocks ...[]byte) (response, error) {
	r, err := p.ask(ctx, p.cfg.AnswerTime, id, blocks...)
	if err == nil && r.status != stOK {
		err = failure(id, r.status)
	}
	return r, err
}

// session is the AES key that the pad has made up.
type session struct{ block cipher.Block }

// openSession takes the session key out of the answer to OPN: length, and a cryptogram of
// PKCS #1 under our key.
func openSession(key *rsa.PrivateKey, data []byte) (*session, error) {
	cryptogram := make([]byte, modulusSize)
	if len(data) != 3+2*modulusSize || string(data[:3]) != fmt.Sprint(modulusSize) {
		return nil, fmt.Errorf("%w: OPN: session key of %d characters", device.ErrProtocol, len(data))
	}
	if _, err := hex.Decode(cryptogram, data[3:]); err != nil {
		return nil, fmt.Errorf("%w: OPN: session key is not hexadecimal", device.ErrProtocol)
	}
	secret, err := openCryptogram(key, cryptogram)
	defer clear(secret)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("OPN: session key: %w", err)
	}
	return &session{block}, nil
}

// openCryptogram is PKCS #1 version 1.5, which the specification wants. Nobody can make an
// oracle of it: the key pair is ours alone, each OPN is one question, and what it protects is the
// cable between two boxes on one counter.
func openCryptogram(key *rsa.PrivateKey, cryptogram []byte) ([]byte, error) {
	//lint:ignore SA1019 Abecs 2.20, 5.2.1 has no other padding
	secret, err := rsa.DecryptPKCS1v15(nil, key, cryptogram)
	if err != nil || len(secret) != sessionSize {
		return nil, fmt.Errorf("%w: OPN: session key does not open", device.ErrProtocol)
	}
	return secret, nil
}

// seal makes the data of a packet: DC2, and enciphered length, CRC, message and zeros. Abecs
// 2.20, 5.2.2.
func (s *session) seal(message []byte) ([]byte, error) {
	if len(message) > maxClear {
		return nil, fmt.Errorf("%d bytes, at most %d in secure communication: %w", len(message), maxClear, errMessage)
	}
	n := (4 + len(message) + aes.BlockSize - 1) / aes.BlockSize * aes.BlockSize
	out := make([]byte, 1+n)
	out[0] = dc2
	binary.BigEndian.PutUint16(out[1:], uint16(len(message)))
	binary.BigEndian.PutUint16(out[3:], crcUpdate(0, message...))
	copy(out[5:], message)
	cipher.NewCBCEncrypter(s.block, make([]byte, aes.BlockSize)).CryptBlocks(out[1:], out[1:])
	return out, nil
}

// unseal opens what seal has made, in place.
func (s *session) unseal(data []byte) ([]byte, error) {
	in := data[1:]
	if len(in) == 0 || len(in)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%d enciphered bytes: %w", len(in), errMessage)
	}
	cipher.NewCBCDecrypter(s.block, make([]byte, aes.BlockSize)).CryptBlocks(in, in)
	n := int(binary.BigEndian.Uint16(in))
	if n > len(in)-4 {
		return nil, fmt.Errorf("%d bytes told in %d enciphered ones: %w", n, len(in), errMessage)
	}
	message := in[4 : 4+n]
	if binary.BigEndian.Uint16(in[2:]) != crcUpdate(0, message...) {
		return nil, fmt.Errorf("CRC of the enciphered message differs: %w", errMessage)
	}
	return message, nil
}
