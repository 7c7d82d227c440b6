package pn532

// Type is how a card is modulated and selected.
type Type uint8

const (
	TypeA Type = iota // ISO/IEC 14443 type A
	TypeB             // type B
)

// Chip is what answers in a card. One goroutine calls it at a time.
type Chip interface {
	// Reset is the card's activation in the field: what it knew of a session is gone.
	// What it returns is for contact readers, and not used.
	Reset() []byte
	// Exchange takes one command APDU and returns data and status word; nil is a card
	// that is mute until it is activated anew.
	Exchange(command []byte) []byte
}

// Tag is a card as the antenna sees it.
type Tag struct {
	Type Type
	// UID is 4, 7 or 10 bytes for type A, 4 bytes (the PUPI) for type B.
	UID []byte
	// ATS is the answer to select of type A, its length in the first byte. Without one
	// the card does not speak ISO/IEC 14443-4.
	ATS []byte
	// Application and Protocol are those fields of the ATQB of type B, Attrib the answer
	// to ATTRIB, whose high nibble is the MBLI.
	Application [4]byte
	Protocol    [3]byte
	Attrib      []byte
	Chip        Chip
}

// CardA is a usual card of type A: UID 08 50 4F 53, no historical bytes.
func CardA(chip Chip) Tag {
	return Tag{
		Type: TypeA, UID: []byte{0x08, 0x50, 0x4F, 0x53},
		ATS:  []byte{0x05, 0x78, 0x80, 0x70, 0x02}, // frames of 256 bytes, 77 ms, CID
		Chip: chip,
	}
}

// CardB is a usual card of type B: PUPI 50 4F 53 44.
func CardB(chip Chip) Tag {
	return Tag{
		Type: TypeB, UID: []byte{0x50, 0x4F, 0x53, 0x44},
		Protocol: [3]byte{0x00, 0x81, 0x71}, // 106 kbit/s only, frames of 256 bytes, ISO/IEC 14443-4
		Attrib:   []byte{0x00},
		Chip:     chip,
	}
}

// isoDEP tells whether the card speaks ISO/IEC 14443-4.
func (t Tag) isoDEP() bool {
	return t.Type == TypeB && t.Protocol[1]&0x01 != 0 || t.Type == TypeA && len(t.ATS) > 0
}

// describe is the card in the answer to InListPassiveTarget. UM0701-02, 7.3.5.
func (t Tag) describe(number byte, automatic bool) []byte {
	if t.Type == TypeB {
		b := append([]byte{number, 0x50}, t.UID...)
		b = append(b, t.Application[:]...)
		b = append(b, t.Protocol[:]...)
		b = append(b, byte(len(t.Attrib)))
		return append(b, t.Attrib...)
	}
	b := []byte{number, 0x00, 0x04, 0x00, byte(len(t.UID))}
	if len(t.UID) > 4 {
		b[2] = 0x44
	}
	if t.isoDEP() {
		b[3] = 0x20
	}
	b = append(b, t.UID...)
	if t.isoDEP() && automatic {
		b = append(b, t.ATS...)
	}
	return b
}
