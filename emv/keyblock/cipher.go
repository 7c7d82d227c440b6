package keyblock

import (
	"crypto/cipher"
	"fmt"
)

// NewCipher returns single DES for a key of 8 bytes and TDES for one of 16 or 24: the
// form in which a MAC or a data key is used. The key may be wiped afterwards.
func NewCipher(key []byte) (cipher.Block, error) {
	block, err := newTDES(key)
	if err != nil {
		return nil, fmt.Errorf("keyblock: %w", err)
	}
	return block, nil
}
