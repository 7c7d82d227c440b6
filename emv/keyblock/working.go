package keyblock

// KCV is a key check value: the first 4 bytes of a block of zeros enciphered under the
// key, or of its CMAC ([KCVMethod]). Hosts may compare only the first 3.
type KCV [4]byte

// Cryptogram is a working key enciphered under a master key of the same suite, block by
// block (ECB), as field 62 of a sign-on answer carries it: 8 or 16 bytes of TDES, 16 or 32
// of AES, 16 of SM4. Zero value: no key.
type Cryptogram struct {
	Bytes []byte
	KCV   KCV
}

// IsZero tells that there is no key.
func (c Cryptogram) IsZero() bool { return len(c.Bytes) == 0 }

// WorkingKeys are the keys that a sign-on brings, each under the terminal's master
// key, and of its suite. Track is zero where the host sends none.
type WorkingKeys struct {
	PIN   Cryptogram // TPK: for the PIN pad only
	MAC   Cryptogram // TAK: 8 or 16 bytes
	Track Cryptogram // TDK
	// Suite, where it is set, is what the sign-on was for (function 006: SM4), and has to be
	// that of the master key. Empty: whatever that is.
	Suite Suite
}
