package keyblock

// KCV is a key check value: the first 4 bytes of eight zero bytes enciphered under
// the key. Hosts may compare only the first 3.
type KCV [4]byte

// Cryptogram is a TDES key of 8 or 16 bytes enciphered under a master key, block by
// block (ECB), as field 62 of a sign-on answer carries it. Zero value: no key.
type Cryptogram struct {
	Bytes []byte
	KCV   KCV
}

// IsZero tells that there is no key.
func (c Cryptogram) IsZero() bool { return len(c.Bytes) == 0 }

// WorkingKeys are the keys that a sign-on brings, each under the terminal's master
// key. Track is zero where the host sends none.
type WorkingKeys struct {
	PIN   Cryptogram // TPK: for the PIN pad only
	MAC   Cryptogram // TAK: 8 or 16 bytes
	Track Cryptogram // TDK
}
