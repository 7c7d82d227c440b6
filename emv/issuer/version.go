package issuer

import (
	"encoding/binary"
	"fmt"

	"posd/emv"
)

// Version is a cryptogram version number of a scheme: which derivations, paddings and
// methods a card of that version uses. It is the byte after the key index in most
// issuer application data (tag 9F10); that layout is the scheme's.
type Version uint8

const (
	VisaCVN10 Version = iota + 1
	VisaCVN18
	VisaCVN22
	MastercardCVN16
	MastercardCVN17
	MastercardCVN20
	MastercardCVN21
	InteracCVN133
)

// sessionKind says where the key of an application cryptogram comes from.
type sessionKind uint8

const (
	masterKey    sessionKind = iota // no session key: the card's own
	fromATC                         // common method, counter
	fromATCAndUN                    // common method, counter and unpredictable number
)

// profile is one row of the table of versions.
type profile struct {
	name              string
	optionB           bool         // derivation of the card's keys
	session           sessionKind  // key of ARQC, TC and AAC
	padding           Padding      // of the cryptogram's data
	method            int          // of the ARPC
	answerByMasterKey bool         // the ARPC is made with the card's key, not the session key
	visaMessaging     bool         // keys of scripts by Visa's method, not from the ARQC
	bareMAC           bool         // the MAC of scripts covers the command only, without counter and ARQC
	encipherment      Encipherment // of script data
	visaBlock         bool         // a new PIN without the current one comes in Visa's block, not in format 2
}

// profileOf returns the version's row of the table.
func profileOf(v Version) (profile, error) {
	table := [...]profile{
		VisaCVN10:       {name: "Visa CVN 10", padding: PadZeros, method: 1, visaMessaging: true, encipherment: EncipherVisa, visaBlock: true},
		VisaCVN18:       {name: "Visa CVN 18", optionB: true, session: fromATC, padding: Pad80, method: 2, visaMessaging: true, encipherment: EncipherVisa, visaBlock: true},
		VisaCVN22:       {name: "Visa CVN 22", optionB: true, session: fromATC, padding: Pad80, method: 2, encipherment: EncipherVisa},
		MastercardCVN16: {name: "Mastercard CVN 16", session: fromATCAndUN, padding: Pad80, method: 1, answerByMasterKey: true, encipherment: EncipherMastercard},
		MastercardCVN17: {name: "Mastercard CVN 17", session: fromATCAndUN, padding: Pad80, method: 1, answerByMasterKey: true, encipherment: EncipherMastercard},
		MastercardCVN20: {name: "Mastercard CVN 20", session: fromATC, padding: Pad80, method: 1, encipherment: EncipherMastercard},
		MastercardCVN21: {name: "Mastercard CVN 21", session: fromATC, padding: Pad80, method: 1, encipherment: EncipherMastercard},
		InteracCVN133:   {name: "Interac CVN 133", session: fromATCAndUN, padding: Pad80, method: 1, bareMAC: true, encipherment: EncipherMastercard},
	}
	if v == 0 || int(v) >= len(table) {
		return profile{}, fmt.Errorf("issuer: cryptogram version %d: %w", uint8(v), ErrNumber)
	}
	return table[v], nil
}

// String returns scheme and number.
func (v Version) String() string {
	p, err := profileOf(v)
	if err != nil {
		return fmt.Sprintf("version %d", uint8(v))
	}
	return p.name
}

// MasterKeys are an issuer's keys, 16 bytes each: for application cryptograms, and for
// integrity and confidentiality of scripts.
type MasterKeys struct {
	AC, SMI, SMC []byte
}

// Card is one card's keys with the rules of its version. Make it with [NewCard].
type Card struct {
	keys    MasterKeys
	profile profile
}

// NewCard derives the keys of a card, by the option that its version asks for. psn is
// as in [DeriveICCMasterKey].
func NewCard(v Version, issuer MasterKeys, pan emv.PAN, psn int) (Card, error) {
	p, err := profileOf(v)
	if err != nil {
		return Card{}, err
	}
	derive := DeriveICCMasterKey
	if p.optionB {
		derive = DeriveICCMasterKeyB
	}
	card := Card{profile: p}
	for _, k := range [...]struct {
		to   *[]byte
		from []byte
	}{{&card.keys.AC, issuer.AC}, {&card.keys.SMI, issuer.SMI}, {&card.keys.SMC, issuer.SMC}} {
		if *k.to, err = derive(k.from, pan, psn); err != nil {
			return Card{}, err
		}
	}
	return card, nil
}

// Request is what an application cryptogram is made of: the values of the data objects
// as they are in field 55.
type Request struct {
	AmountAuthorised [6]byte // 9F02
	AmountOther      [6]byte // 9F03
	Country          [2]byte // 9F1A
	TVR              [5]byte // 95
	Currency         [2]byte // 5F2A
	Date             [3]byte // 9A
	Type             byte    // 9C
	UN               [4]byte // 9F37
	AIP              [2]byte // 82
	ATC              uint16  // 9F36
	// IssuerData is what the card adds, from tag 9F10: the card verification results
	// (CVN 10, 16, 17, 20, 21), followed by the counters (CVN 17 and 21), or all of the
	// tag (CVN 18, 22, 133).
	IssuerData []byte
}

// Append appends the data that the cryptogram covers, without padding.
func (r Request) Append(dst []byte) []byte {
	dst = append(append(dst, r.AmountAuthorised[:]...), r.AmountOther[:]...)
	dst = append(append(dst, r.Country[:]...), r.TVR[:]...)
	dst = append(append(append(dst, r.Currency[:]...), r.Date[:]...), r.Type)
	dst = append(append(dst, r.UN[:]...), r.AIP[:]...)
	dst = binary.BigEndian.AppendUint16(dst, r.ATC)
	return append(dst, r.IssuerData...)
}

// Cryptogram computes the application cryptogram of a request.
func (c Card) Cryptogram(r Request) ([8]byte, error) {
	sk, err := c.sessionKey(r.ATC, r.UN)
	if err != nil {
		return [8]byte{}, err
	}
	return MAC(sk, r.Append(make([]byte, 0, 96)), c.profile.padding)
}

func (c Card) sessionKey(atc uint16, un [4]byte) ([]byte, error) {
	switch c.profile.session {
	case fromATC:
		return SessionKeyCommon(c.keys.AC, atc)
	case fromATCAndUN:
		return SessionKeyFrom(c.keys.AC, [8]byte{byte(atc >> 8), byte(atc), 0, 0, un[0], un[1], un[2], un[3]})
	}
	return c.keys.AC, nil
}

// Answer is what the issuer says: by ARPC method 1 the authorisation response code (or
// a code of the scheme), by method 2 card status update and proprietary data.
type Answer struct {
	Code        [2]byte
	CSU         [4]byte
	Proprietary []byte // 0 to 8 bytes
}

// IssuerAuthenticationData returns the value of tag 91 for a request whose cryptogram
// was arqc: ARPC and code, or ARPC, card status update and proprietary data.
func (c Card) IssuerAuthenticationData(r Request, arqc [8]byte, a Answer) ([]byte, error) {
	key, err := c.keys.AC, error(nil)
	if !c.profile.answerByMasterKey {
		key, err = c.sessionKey(r.ATC, r.UN)
	}
	if err != nil {
		return nil, err
	}
	if c.profile.method == 1 {
		arpc, err := ARPC1(key, arqc, a.Code)
		return append(arpc[:], a.Code[:]...), err
	}
	arpc, err := ARPC2(key, arqc, a.CSU, a.Proprietary)
	return append(append(arpc[:], a.CSU[:]...), a.Proprietary...), err
}

// CommandMAC computes the MAC of a script command. header is CLA INS P1 P2 Lc, where Lc
// counts the MAC; data is what the command carries before it, enciphered or not. atc and
// arqc are those of the transaction. EMV 4.4 Book 2, 9.2.
func (c Card) CommandMAC(header [5]byte, atc uint16, arqc [8]byte, data []byte) ([8]byte, error) {
	sk, err := c.messagingKey(c.keys.SMI, atc, arqc)
	if err != nil {
		return [8]byte{}, err
	}
	message := append(make([]byte, 0, 16+len(data)), header[:]...)
	if !c.profile.bareMAC {
		message = append(binary.BigEndian.AppendUint16(message, atc), arqc[:]...)
	}
	return MAC(sk, append(message, data...), Pad80)
}

// EncipherData enciphers the data of a script command. EMV 4.4 Book 2, 9.3.
func (c Card) EncipherData(atc uint16, arqc [8]byte, data []byte) ([]byte, error) {
	sk, err := c.messagingKey(c.keys.SMC, atc, arqc)
	if err != nil {
		return nil, err
	}
	return c.profile.encipherment.Encipher(sk, data)
}

func (c Card) messagingKey(mk []byte, atc uint16, arqc [8]byte) ([]byte, error) {
	if c.profile.visaMessaging {
		return SessionKeyVisa(mk, atc)
	}
	return SessionKeyFrom(mk, arqc)
}

// PINChange returns the whole command PIN CHANGE/UNBLOCK with a new PIN (ASCII digits,
// 4 to 12) and its MAC. current is the PIN of today where the command is to carry it
// (Visa only), else nil.
func (c Card) PINChange(atc uint16, arqc [8]byte, pin, current []byte) ([]byte, error) {
	block, err := c.pinBlock(pin, current)
	if err != nil {
		return nil, err
	}
	defer clear(block[:])
	data, err := c.EncipherData(atc, arqc, block[:])
	if err != nil {
		return nil, err
	}
	header := [5]byte{0x84, 0x24, 0x00, 0x02, byte(len(data) + 8)}
	if current != nil {
		header[3] = 0x01
	}
	mac, err := c.CommandMAC(header, atc, arqc, data)
	return append(append(append(make([]byte, 0, 5+len(data)+8), header[:]...), data...), mac[:]...), err
}

func (c Card) pinBlock(pin, current []byte) ([8]byte, error) {
	switch {
	case current == nil && !c.profile.visaBlock:
		return PINBlock2(pin)
	case c.profile.encipherment == EncipherVisa:
		return VisaPINBlock(c.keys.AC, pin, current)
	}
	return [8]byte{}, fmt.Errorf("issuer: %s: PIN change with the current PIN: %w", c.profile.name, ErrNumber)
}
