package t1

import (
	"errors"
	"fmt"
)

// answerToReset says T=1 only: TB1 00, TC1 00, TD1 81, TD2 31 (71 with TC3), TA3 the
// card's IFSC, TB3 the waiting integers, TC3 for a CRC. ISO/IEC 7816-3, 8.2.
func answerToReset(c Config) []byte {
	atr := []byte{0x3B, 0xE0 | byte(len(c.Historical)), 0x00, 0x00, 0x81, 0x31, byte(c.IFSC), byte(c.BWI<<4 | c.CWI)}
	if c.CRC {
		atr[5] |= 0x40
		atr = append(atr, 0x01)
	}
	atr = append(atr, c.Historical...)
	var x byte
	for _, v := range atr[1:] {
		x ^= v
	}
	return append(atr, x)
}

// readATR finds in an answer to reset what the card has to keep to: TA and TC of the
// level behind the TD that names T=1.
func readATR(atr []byte) (ifsc int, crc bool, err error) {
	ifsc = 32
	if len(atr) < 2 || len(atr) > 33 {
		return 0, false, fmt.Errorf("answer to reset of %d bytes, 2 to 33 wanted", len(atr))
	}
	y, named, at := atr[1], false, 2
	for level := 1; ; level++ {
		var bytes [4]byte
		for i := range bytes {
			if y&(0x10<<i) == 0 {
				continue
			}
			if at == len(atr) {
				return 0, false, errors.New("answer to reset ends within its interface bytes")
			}
			bytes[i], at = atr[at], at+1
		}
		if level > 2 && named {
			if y&0x10 != 0 {
				ifsc = int(bytes[0])
			}
			return ifsc, bytes[2]&1 != 0, nil
		}
		if y&0x80 == 0 {
			break
		}
		y = bytes[3]
		named = y&0x0F == 1
	}
	return ifsc, false, nil
}
