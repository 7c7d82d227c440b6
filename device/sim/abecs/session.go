package abecs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"fmt"
	"io"
	"math/big"
	"strconv"
)

// opn opens the pad: without a block in clear, with one (mode 0, length 256, modulus, length
// of the exponent, exponent) with a session key.
func (p *Pad) opn(blocks []string) {
	p.shut()
	if len(blocks) == 0 || blocks[0] == "" {
		p.respond("OPN", stOK)
		return
	}
	if p.config.Random == nil { // a pad from before secure communication
		p.respond("OPN", stOK)
		return
	}
	key, ok := publicKey(blocks[0])
	if !ok {
		p.respond("OPN", stInvalid)
		return
	}
	secret := make([]byte, 16)
	defer clear(secret)
	if _, err := io.ReadFull(p.config.Random, secret); err != nil {
		p.respond("OPN", stInvalid)
		return
	}
	cryptogram, err := p.encipher(key, secret)
	if err != nil {
		p.respond("OPN", stInvalid)
		return
	}
	p.respond("OPN", stOK, fmt.Sprintf("256%X", cryptogram))
	if p.session, err = aes.NewCipher(secret); err != nil {
		p.session = nil
	}
}

// encipher is PKCS #1 version 1.5: 00 02, random bytes that are not zero, 00, the secret. Abecs
// 2.20, 5.2.1.
func (p *Pad) encipher(key *rsa.PublicKey, secret []byte) ([]byte, error) {
	block := make([]byte, 256)
	block[1] = 2
	filler := block[2 : len(block)-len(secret)-1]
	if _, err := io.ReadFull(p.config.Random, filler); err != nil {
		return nil, fmt.Errorf("sim/abecs: filler: %w", err)
	}
	for i := range filler {
		filler[i] |= 1
	}
	copy(block[len(block)-len(secret):], secret)
	number := new(big.Int).SetBytes(block)
	return number.Exp(number, big.NewInt(int64(key.E)), key.N).FillBytes(block), nil
}

func publicKey(b string) (*rsa.PublicKey, bool) {
	if len(b) < 4+512+1 || b[:4] != "0256" {
		return nil, false
	}
	modulus, ok := new(big.Int).SetString(b[4:516], 16)
	n, err := strconv.Atoi(b[516:517])
	if !ok || err != nil || n < 1 || n > 3 || len(b) != 517+2*n {
		return nil, false
	}
	exponent, err := strconv.ParseUint(b[517:], 16, 31)
	if err != nil || modulus.BitLen() != 2048 {
		return nil, false
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent)}, true
}

// sealed enciphers a response, where there is a session: DC2, then length, CRC, data and zeros
// under AES in CBC.
func (p *Pad) sealed(data []byte) []byte {
	if p.session == nil {
		return data
	}
	crc := uint16(0)
	for _, c := range data {
		crc = crc16(crc, c)
	}
	clearText := append([]byte{byte(len(data) >> 8), byte(len(data)), byte(crc >> 8), byte(crc)}, data...)
	for len(clearText)%aes.BlockSize != 0 {
		clearText = append(clearText, 0)
	}
	cipher.NewCBCEncrypter(p.session, make([]byte, aes.BlockSize)).CryptBlocks(clearText, clearText)
	return append([]byte{dc2}, clearText...)
}

func (p *Pad) unsealed(data []byte) ([]byte, bool) {
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, false
	}
	clearText := make([]byte, len(data))
	cipher.NewCBCDecrypter(p.session, make([]byte, aes.BlockSize)).CryptBlocks(clearText, data)
	n := int(clearText[0])<<8 | int(clearText[1])
	if n > len(clearText)-4 {
		return nil, false
	}
	crc := uint16(0)
	for _, c := range clearText[4 : 4+n] {
		crc = crc16(crc, c)
	}
	return clearText[4 : 4+n], crc == uint16(clearText[2])<<8|uint16(clearText[3])
}
