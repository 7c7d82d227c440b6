package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// cryptogram is what a card answers to GENERATE AC. EMV 4.4 Book 3, 6.5.5.
type cryptogram struct {
	cid    byte
	atc    uint16
	ac     [8]byte
	hasAC  bool
	iad    []byte
	sdad   []byte // tag 9F4B, for CDA
	signed []byte // the answer's objects without 9F4B, as the card sent them
}

// Bits of the Cryptogram Information Data besides the kind. EMV 4.4 Book 3, Annex C7
// of earlier editions; 6.5.5.
const (
	kindBits          = 0xC0
	adviceBit         = 0x08
	reasonBits        = 0x07
	serviceNotAllowed = 0x01
)

// kind returns what the card decided.
func (c cryptogram) kind() emv.Cryptogram { return emv.Cryptogram(c.cid & kindBits) }

// cryptogramTags are the objects of an answer. Those of the answer before are dropped
// when a new one has come, whole: a card that is pulled leaves the old ones standing.
var cryptogramTags = [...]tlv.Tag{
	tag.CryptogramInformationData, tag.ATC, tag.ApplicationCryptogram, tag.IssuerApplicationData, tag.SDAD,
}

// sendGenerate sends the command; any status word but 9000 ends the session.
func (s *session) sendGenerate(ctx context.Context, kind emv.Cryptogram, a answered) ([]byte, error) {
	resp, err := s.transmit(ctx, apdu.GenerateAC(kind, a.cda, a.data))
	if err != nil {
		return nil, err
	}
	if resp.SW != apdu.OK {
		return nil, broken(resp.SW, "GENERATE AC")
	}
	return resp.Data, nil
}

// parseCryptogram reads either format: 80 with the values in a row, 77 with objects.
// It also refuses what no card may decide: the reserved kind, and "service not allowed".
func parseCryptogram(data []byte) (cryptogram, error) {
	c, err := parseCryptogram1(data)
	if errors.Is(err, errOtherFormat) {
		c, err = parseCryptogram2(data)
	}
	switch {
	case err != nil:
		return cryptogram{}, err
	case c.cid&kindBits == kindBits:
		return cryptogram{}, fmt.Errorf("reserved cryptogram, CID %02X", c.cid)
	case c.cid&reasonBits == serviceNotAllowed:
		return cryptogram{}, fmt.Errorf("service not allowed, CID %02X", c.cid)
	}
	return c, nil
}

var errOtherFormat = errors.New("not template 80")

func parseCryptogram1(data []byte) (cryptogram, error) {
	v, err := tlv.Template(data, tag.ResponseTemplate1)
	switch {
	case err != nil:
		return cryptogram{}, errOtherFormat
	case len(v) < 11 || len(v) > 43:
		return cryptogram{}, fmt.Errorf("%d bytes in template 80, 11 to 43 wanted", len(v))
	}
	return cryptogram{
		cid: v[0], atc: binary.BigEndian.Uint16(v[1:]), ac: [8]byte(v[3:]), hasAC: true, iad: v[11:],
	}, nil
}

func parseCryptogram2(data []byte) (cryptogram, error) {
	content, err := tlv.Template(data, tag.ResponseTemplate2)
	if err != nil {
		return cryptogram{}, err
	}
	var c cryptogram
	seen := make(map[tlv.Tag]bool, 8)
	c.signed = make([]byte, 0, len(content))
	for len(content) > 0 {
		obj, rest, ok, err := tlv.Next(content)
		if err != nil {
			return cryptogram{}, err
		}
		if !ok {
			break
		}
		if seen[obj.Tag] {
			return cryptogram{}, fmt.Errorf("tag %v twice", obj.Tag)
		}
		seen[obj.Tag] = true
		if err := c.set(obj); err != nil {
			return cryptogram{}, err
		}
		if obj.Tag != tag.SDAD {
			c.signed = append(c.signed, content[:len(content)-len(rest)]...)
		}
		content = rest
	}
	if !seen[tag.CryptogramInformationData] || !seen[tag.ATC] {
		return cryptogram{}, fmt.Errorf("tag %v or %v is missing", tag.CryptogramInformationData, tag.ATC)
	}
	return c, nil
}

// set takes one object of template 77.
func (c *cryptogram) set(obj tlv.Object) error {
	if info, ok := tag.Lookup(obj.Tag); ok && obj.Tag != tag.SDAD {
		if err := info.Check(obj.Value); err != nil {
			return err
		}
	}
	switch obj.Tag {
	case tag.CryptogramInformationData:
		c.cid = obj.Value[0]
	case tag.ATC:
		c.atc = binary.BigEndian.Uint16(obj.Value)
	case tag.ApplicationCryptogram:
		c.ac, c.hasAC = [8]byte(obj.Value), true
	case tag.IssuerApplicationData:
		c.iad = obj.Value
	case tag.SDAD:
		c.sdad = obj.Value
	}
	return nil
}

// checkCDA verifies the signature over the whole of the conversation and takes the
// cryptogram from it. EMV 4.4 Book 2, 6.6.2.
func (s *session) checkCDA(a *answered) error {
	if a.sdad == nil {
		return errors.New("no signature")
	}
	var signed []byte
	signed = append(signed, s.profile.pdolData...)
	if s.first.data != nil {
		signed = append(signed, s.first.data...)
	}
	signed = append(signed, a.data...)
	signed = append(signed, a.signed...)
	got, err := oda.VerifyCDA(*s.auth.icc, a.sdad, a.un, signed)
	switch {
	case err != nil:
		return err
	case got.CID != a.cid:
		return fmt.Errorf("signed CID %02X, plain CID %02X", got.CID, a.cid)
	}
	a.ac, a.hasAC = got.Cryptogram, true
	s.objects.put(tlv.Object{Tag: tag.ICCDynamicNumber, Value: s.objects.keep(got.DynamicNumber)})
	return nil
}

// takeCryptogram puts the answer's objects into the store, in place of those of the
// answer before.
func (s *session) takeCryptogram(a *answered) {
	s.objects.drop(cryptogramTags[:]...)
	keep := func(t tlv.Tag, v []byte) { s.objects.put(tlv.Object{Tag: t, Value: s.objects.keep(v)}) }
	keep(tag.CryptogramInformationData, []byte{a.cid})
	keep(tag.ATC, binary.BigEndian.AppendUint16(nil, a.atc))
	if a.hasAC {
		keep(tag.ApplicationCryptogram, a.ac[:])
	}
	keep(tag.IssuerApplicationData, a.iad)
}
