package t1

// Bits of the second byte of a block. ISO/IEC 7816-3, 11.3.2.2.
const (
	kindR    = 0x80
	kindS    = 0xC0
	response = 0x20
	moreBit  = 0x20

	resynch = 0xC0
	ifs     = 0xC1
	abort   = 0xC2
	wtx     = 0xC3
)

// Errors that an R-block tells.
const (
	noError    = 0
	checkError = 1
	otherError = 2
)

// seal makes a block of its second byte and its information.
func (c *Card) seal(pcb byte, inf []byte) []byte {
	b := append([]byte{0, pcb, byte(len(inf))}, inf...)
	if !c.crc {
		var x byte
		for _, v := range b {
			x ^= v
		}
		return append(b, x)
	}
	x := crc(b)
	return append(b, byte(x>>8), byte(x))
}

// open returns the parts of a block; ok is false where its length or check is wrong.
func (c *Card) open(b []byte) (pcb byte, inf []byte, ok bool) {
	tail := 1
	if c.crc {
		tail = 2
	}
	if len(b) < 3+tail || len(b) != 3+int(b[2])+tail {
		return 0, nil, false
	}
	inf = b[3 : len(b)-tail]
	return b[1], inf, string(c.seal(b[1], inf)) == string(b) // so NAD is 00
}

var crcTable = makeTable()

func makeTable() (t [256]uint16) {
	for i := range t {
		v := uint16(i)
		for range 8 {
			if v&1 != 0 {
				v = v>>1 ^ 0x8408
			} else {
				v >>= 1
			}
		}
		t[i] = v
	}
	return t
}

func crc(b []byte) uint16 {
	x := uint16(0xFFFF)
	for _, v := range b {
		x = x>>8 ^ crcTable[byte(x)^v]
	}
	return x
}
