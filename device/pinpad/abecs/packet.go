package abecs

import (
	"errors"
	"fmt"
)

// Bytes of the link. Abecs 2.20, 2.2.
const (
	eot = 0x04
	ack = 0x06
	dc2 = 0x12 // first byte of enciphered data
	dc3 = 0x13 // the byte after it is 20h more than it stands for
	nak = 0x15
	syn = 0x16
	etb = 0x17
	can = 0x18
)

// maxData bounds the data of a packet, before DC3. Abecs 2.20, 2.2.1.
const maxData = 2049

// errPacket is the cause of every refusal to read or write a packet.
var errPacket = errors.New("not a packet")

// special tells the bytes that do not travel as they are.
func special(c byte) bool { return c == dc3 || c == syn || c == etb }

// appendPacket writes a packet.
func appendPacket(dst, data []byte) ([]byte, error) {
	if len(data) == 0 || len(data) > maxData {
		return nil, fmt.Errorf("%d bytes of data, 1 to %d wanted: %w", len(data), maxData, errPacket)
	}
	dst = append(dst, syn)
	for _, c := range data {
		if special(c) {
			dst = append(dst, dc3, c+0x20)
		} else {
			dst = append(dst, c)
		}
	}
	crc := checksum(data)
	return append(dst, etb, byte(crc>>8), byte(crc)), nil
}

// parsePacket reads exactly one packet.
func parsePacket(b []byte) ([]byte, error) {
	if len(b) < 5 || b[0] != syn || b[len(b)-3] != etb {
		return nil, fmt.Errorf("%d bytes without start and end: %w", len(b), errPacket)
	}
	in := b[1 : len(b)-3]
	data := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		c := in[i]
		if c == dc3 && i+1 < len(in) && special(in[i+1]-0x20) {
			i++
			c = in[i] - 0x20
		} else if special(c) {
			return nil, fmt.Errorf("byte %02X at %d: %w", c, i+1, errPacket)
		}
		data = append(data, c)
	}
	if len(data) > maxData {
		return nil, fmt.Errorf("%d bytes of data, at most %d: %w", len(data), maxData, errPacket)
	}
	crc := checksum(data)
	if tail := b[len(b)-2:]; tail[0] != byte(crc>>8) || tail[1] != byte(crc) {
		return nil, fmt.Errorf("CRC differs: %w", errPacket)
	}
	return data, nil
}

// checksum is the CRC of the data and of ETB.
func checksum(data []byte) uint16 {
	return crcUpdate(crcUpdate(0, data...), etb)
}

// crcUpdate is CRC-16 with the polynomial 1021, most significant bit first. Abecs 2.20, 7.2.
func crcUpdate(crc uint16, data ...byte) uint16 {
	for _, c := range data {
		crc ^= uint16(c) << 8
		for range 8 {
			carry := crc & 0x8000
			crc <<= 1
			if carry != 0 {
				crc ^= 0x1021
			}
		}
	}
	return crc
}
