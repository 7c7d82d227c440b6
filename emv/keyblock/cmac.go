package keyblock

import "crypto/cipher"

// cmac is CMAC of NIST SP 800-38B (ISO 9797-1 algorithm 5), as long as a block.
func cmac(block cipher.Block, message []byte) []byte {
	size := block.BlockSize()
	mask := doubled(block, 1)
	n := max(1, (len(message)+size-1)/size)
	last := make([]byte, size)
	if copied := copy(last, message[(n-1)*size:]); copied < size {
		last[copied] = 0x80
		mask = doubled(block, 2)
	}
	mac := make([]byte, size)
	for i := range n - 1 {
		xor(mac, message[i*size:(i+1)*size])
		block.Encrypt(mac, mac)
	}
	xor(mac, last)
	xor(mac, mask)
	block.Encrypt(mac, mac)
	return mac
}

// doubled enciphers zeros and doubles them n times in the field of the block size: the
// subkeys K1 and K2.
func doubled(block cipher.Block, n int) []byte {
	l := make([]byte, block.BlockSize())
	block.Encrypt(l, l)
	polynomial := byte(0x87)
	if len(l) == 8 {
		polynomial = 0x1B
	}
	for range n {
		carry := byte(0)
		for i := len(l) - 1; i >= 0; i-- {
			l[i], carry = l[i]<<1|carry, l[i]>>7
		}
		l[len(l)-1] ^= polynomial * carry
	}
	return l
}

func xor(dst, src []byte) {
	for i := range dst {
		dst[i] ^= src[i]
	}
}
