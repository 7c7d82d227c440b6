package dukpt

import (
	"crypto/cipher"
	"crypto/des"
	"errors"
	"fmt"
	"math/bits"
)

var (
	// ErrKSN says that bytes are no key serial number.
	ErrKSN = errors.New("not a key serial number")
	// ErrCounter says that no device uses this transaction counter: it is zero, or has too
	// many one bits.
	ErrCounter = errors.New("transaction counter that no device uses")
	// ErrEnd says that the transaction counter has come to its end: the device needs a new
	// initial key.
	ErrEnd = errors.New("transaction counter has ended")
)

// Key is a double-length TDES key. It does not print.
type Key [16]byte

// Format prints that it is a key, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "dukpt.Key") }

// Sizes of the counter of TDES DUKPT.
const (
	tdesCounterBits = 21
	tdesMaxOnes     = 10
	tdesCounterMask = 1<<tdesCounterBits - 1
)

// KSN is the key serial number of TDES DUKPT: 59 bits that name key set and device, F on
// their left where they are shorter, and 21 bits of counter.
type KSN [10]byte

// ParseKSN reads 5 to 10 bytes. Bytes that are missing on the left are F: there are pads
// that leave them out.
func ParseKSN(b []byte) (KSN, error) {
	if len(b) < 5 || len(b) > len(KSN{}) {
		return KSN{}, fmt.Errorf("dukpt: %d bytes, 5 to %d wanted: %w", len(b), len(KSN{}), ErrKSN)
	}
	k := KSN{0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	copy(k[len(k)-len(b):], b)
	return k, nil
}

// String is the number in hexadecimal. It is no secret.
func (k KSN) String() string { return fmt.Sprintf("%X", k[:]) }

// Counter returns the transaction counter.
func (k KSN) Counter() uint32 {
	return uint32(k[7]&0x1F)<<16 | uint32(k[8])<<8 | uint32(k[9])
}

// WithCounter returns the number with another counter, of which 21 bits count.
func (k KSN) WithCounter(c uint32) KSN {
	k[7] = k[7]&^0x1F | byte(c>>16)&0x1F
	k[8], k[9] = byte(c>>8), byte(c)
	return k
}

// register is the rightmost 8 bytes, which go into a derivation.
func (k KSN) register() [8]byte { return [8]byte(k[2:]) }

// mask makes the second half of an initial key and of a transaction key.
var mask = Key{0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0, 0xC0, 0xC0, 0xC0, 0xC0}

func (k Key) xor(m Key) Key {
	for i := range k {
		k[i] ^= m[i]
	}
	return k
}

// triple is TDES with two keys.
func (k Key) triple() cipher.Block {
	var three [24]byte
	defer clear(three[:])
	copy(three[copy(three[:], k[:]):], k[:8])
	return mustCipher(des.NewTripleDESCipher(three[:]))
}

func mustCipher(block cipher.Block, err error) cipher.Block {
	if err != nil {
		panic("dukpt: cipher refuses a key of its own length: " + err.Error())
	}
	return block
}

// InitialKey derives the key that is injected into the device of a key serial number,
// whose counter does not matter. ANSI X9.24-1:2009, A.6.
func InitialKey(bdk Key, ksn KSN) (initial Key) {
	clean := ksn.WithCounter(0)
	bdk.triple().Encrypt(initial[:8], clean[:8])
	bdk.xor(mask).triple().Encrypt(initial[8:], clean[:8])
	return initial
}

// TransactionKey derives the key of a transaction from the device's initial key: what the
// host does with each message. Errors: [ErrCounter]. ANSI X9.24-1:2009, A.3.
func TransactionKey(initial Key, ksn KSN) (Key, error) {
	counter := ksn.Counter()
	if err := checkCounter(counter, tdesMaxOnes); err != nil {
		return Key{}, err
	}
	key, done := initial, uint32(0)
	for bit := uint32(1) << (tdesCounterBits - 1); bit > 0; bit >>= 1 {
		if counter&bit != 0 {
			done |= bit
			key = nextKey(key, ksn.WithCounter(done))
		}
	}
	return key, nil
}

func checkCounter(counter uint32, maxOnes int) error {
	if n := bits.OnesCount32(counter); n == 0 || n > maxOnes {
		return fmt.Errorf("dukpt: counter %X has %d one bits, 1 to %d wanted: %w", counter, n, maxOnes, ErrCounter)
	}
	return nil
}

// nextKey is the non-reversible key generation process. ANSI X9.24-1:2009, A.2.
func nextKey(key Key, ksn KSN) (next Key) {
	right := oneWay(key, ksn.register())
	left := oneWay(key.xor(mask), ksn.register())
	copy(next[:8], left[:])
	copy(next[8:], right[:])
	return next
}

// oneWay is single DES under the left half, between two additions of the right half.
func oneWay(key Key, r [8]byte) [8]byte {
	xor8(&r, key[8:])
	mustCipher(des.NewCipher(key[:8])).Encrypt(r[:], r[:])
	xor8(&r, key[8:])
	return r
}

func xor8(r *[8]byte, b []byte) {
	for i := range r {
		r[i] ^= b[i]
	}
}

// Usage is what a key made of a transaction key is for. Request is what the device sends,
// response what the host sends.
type Usage uint8

const (
	PIN          Usage = iota
	MACRequest         // or both ways
	MACResponse        //
	DataRequest        // or both ways
	DataResponse       //
)

// variants are the bytes of each half that are inverted. ANSI X9.24-1:2009, A.4.1.
var variants = [...]int{PIN: 7, MACRequest: 6, MACResponse: 4, DataRequest: 5, DataResponse: 3}

// For makes the key for a usage of a transaction key. A key for data is enciphered under
// itself as well. ANSI X9.24-1:2009, A.4.1.
func (k Key) For(u Usage) Key {
	at := variants[u]
	k[at] ^= 0xFF
	k[8+at] ^= 0xFF
	if u == DataRequest || u == DataResponse {
		block := k.triple()
		block.Encrypt(k[:8], k[:8])
		block.Encrypt(k[8:], k[8:])
	}
	return k
}
