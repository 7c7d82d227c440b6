package kernel

import (
	"bytes"
	"context"
	"errors"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// method is a way of offline data authentication.
type method uint8

const (
	noMethod method = iota
	sda
	dda
	cda
)

// Bits of byte 3 of the terminal capabilities (tag 9F33), and one of byte 2: what package
// emv/oda/ecc says is missing, no terminal may claim. EMV 4.4 Book 4, Annex A2.
const (
	canSDA    = 0x80
	canDDA    = 0x40
	canCDA    = 0x08
	canXDA    = 0x04
	canECCPIN = 0x01 // byte 2
)

// chooseMethod is point 14: the best method that both sides know. EMV 4.4 Book 3, 10.3.
func chooseMethod(aip emv.AIP, capabilities byte) method {
	switch {
	case aip&emv.CDASupported != 0 && capabilities&canCDA != 0:
		return cda
	case aip&emv.DDASupported != 0 && capabilities&canDDA != 0:
		return dda
	case aip&emv.SDASupported != 0 && capabilities&canSDA != 0:
		return sda
	}
	return noMethod
}

// failed is the TVR bit of a method that was chosen and did not succeed.
func (m method) failed() emv.TVR {
	switch m {
	case sda:
		return emv.SDAFailed
	case dda:
		return emv.DDAFailed
	case cda:
		return emv.CDAFailed
	}
	return 0
}

// needs are the objects without which the method cannot begin. A remainder is not among
// them: whether it is needed shows only in the certificate, and its lack is a failed
// recovery. EMV 4.4 Book 3, 7.2 and 7.5.
func (m method) needs() []tlv.Tag {
	if m == sda {
		return []tlv.Tag{tag.CAPublicKeyIndex, tag.IssuerPublicKeyCertificate, tag.IssuerPublicKeyExponent, tag.SSAD}
	}
	return []tlv.Tag{
		tag.CAPublicKeyIndex, tag.IssuerPublicKeyCertificate, tag.IssuerPublicKeyExponent,
		tag.ICCPublicKeyCertificate, tag.ICCPublicKeyExponent,
	}
}

// errData says that data of the card that authentication needs are missing.
var errData = errors.New("ICC data missing")

// authenticate does SDA or DDA, and for CDA recovers the keys: the signature itself
// comes with the cryptogram. EMV 4.4 Book 3, 10.3, and Book 2, 5 and 6.
func (s *session) authenticate(ctx context.Context) (Phase, error) {
	s.auth.method = chooseMethod(s.profile.aip, s.terminal.capabilities[2])
	if s.auth.method == noMethod {
		s.tvr |= emv.ODANotPerformed
		return Restricting, nil
	}
	if s.auth.method == sda {
		s.tvr |= emv.SDASelected
	}
	err := s.authenticateBy(ctx, s.auth.method)
	if portOrBreach(err) {
		return Done, err
	}
	s.auth.failure = err
	if err != nil {
		s.tvr |= s.auth.method.failed()
	}
	if errors.Is(err, errData) {
		s.tvr |= emv.ICCDataMissing
	}
	if err != nil || s.auth.method != cda {
		s.tsi |= emv.ODAPerformed
	}
	return Restricting, nil
}

// unproven is an authentication that failed, as opposed to a session that ends.
type unproven struct{ error }

// Unwrap returns the cause.
func (u unproven) Unwrap() error { return u.error }

// portOrBreach tells of errors that end the session.
func portOrBreach(err error) bool {
	var u unproven
	return err != nil && !errors.As(err, &u)
}

// doubt makes an error a failed authentication.
func doubt(err error) error {
	if err == nil {
		return nil
	}
	return unproven{err}
}

func (s *session) authenticateBy(ctx context.Context, m method) error {
	for _, t := range m.needs() {
		if s.objects.get(t) == nil {
			return doubt(errData)
		}
	}
	if m == sda {
		return doubt(s.authenticateStatic())
	}
	icc, err := s.iccKey()
	if err != nil {
		return doubt(err)
	}
	s.auth.icc = &icc
	if m == dda {
		return s.authenticateDynamic(ctx, icc)
	}
	return nil
}

// authenticateStatic verifies the signed static application data, tag 93.
func (s *session) authenticateStatic() error {
	issuer, err := s.issuerKey()
	if err != nil {
		return err
	}
	static, err := s.staticData()
	if err != nil {
		return err
	}
	dac, err := oda.VerifySSAD(issuer, s.objects.get(tag.SSAD), static)
	if err == nil {
		s.objects.put(tlv.Object{Tag: tag.DataAuthenticationCode, Value: s.objects.keep(dac[:])})
	}
	return err
}

// authenticateDynamic has the card sign a random number of the terminal.
func (s *session) authenticateDynamic(ctx context.Context, icc oda.PublicKey) error {
	ddol := tlv.DOL(s.objects.get(tag.DDOL))
	if len(ddol) == 0 {
		ddol = s.chosen.app.DefaultDDOL
	}
	if !ddol.Has(tag.UnpredictableNumber) {
		return doubt(errors.New("DDOL without unpredictable number"))
	}
	data, err := s.dolData(tag.DDOL, ddol)
	if err != nil {
		return err
	}
	resp, err := s.transmit(ctx, apdu.InternalAuthenticate(data))
	if err != nil {
		return err
	}
	if resp.SW != apdu.OK {
		return broken(resp.SW, "INTERNAL AUTHENTICATE")
	}
	sdad, err := parseSigned(resp.Data)
	if err != nil {
		return broken(err, "INTERNAL AUTHENTICATE")
	}
	number, err := oda.VerifyDDA(icc, sdad, data)
	if err == nil {
		s.objects.put(tlv.Object{Tag: tag.ICCDynamicNumber, Value: s.objects.keep(number)})
	}
	return doubt(err)
}

// parseSigned reads the answer to INTERNAL AUTHENTICATE in either format.
// EMV 4.4 Book 3, 6.5.9.
func parseSigned(data []byte) ([]byte, error) {
	if value, err := tlv.Template(data, tag.ResponseTemplate1); err == nil && len(value) > 0 {
		return value, nil
	}
	content, err := tlv.Template(data, tag.ResponseTemplate2)
	if err != nil {
		return nil, err
	}
	if err := tlv.Check(content); err != nil {
		return nil, err
	}
	if sdad, ok := tlv.Find(content, tag.SDAD); ok && len(sdad) > 0 {
		return sdad, nil
	}
	return nil, errors.New("no tag 9F4B")
}

// staticData is what issuer and ICC certificates are about: the records, and the AIP if
// the tag list asks for it, which can ask for nothing else. EMV 4.4 Book 2, 5.1.1.
func (s *session) staticData() ([]byte, error) {
	list := s.objects.get(tag.SDATagList)
	switch {
	case s.records.staticBroken:
		return nil, errors.New("a signed record is not a template 70")
	case list == nil:
		return s.records.static, nil
	case !bytes.Equal(list, []byte{byte(tag.AIP)}):
		return nil, errors.New("tag list 9F4A with another tag than 82")
	}
	static := s.records.static
	return append(static[:len(static):len(static)], s.objects.get(tag.AIP)...), nil
}

// issuerKey recovers the issuer's key, once.
func (s *session) issuerKey() (oda.PublicKey, error) {
	if s.auth.issuer != nil {
		return *s.auth.issuer, nil
	}
	index := s.objects.get(tag.CAPublicKeyIndex)
	if len(index) != 1 {
		return oda.PublicKey{}, errData
	}
	ca, err := oda.FindCA(s.cfg.CAKeys, [5]byte(s.chosen.candidate.AID), index[0], s.tx.Time)
	if err != nil {
		return oda.PublicKey{}, err
	}
	key, err := oda.RecoverIssuer(ca, s.objects.get(tag.IssuerPublicKeyCertificate),
		s.objects.get(tag.IssuerPublicKeyRemainder), s.objects.get(tag.IssuerPublicKeyExponent),
		s.records.pan, s.tx.Time, s.cfg.Revoked)
	if err != nil {
		return oda.PublicKey{}, err
	}
	s.auth.issuer = &key
	return key, nil
}

// iccKey recovers the card's own key.
func (s *session) iccKey() (oda.PublicKey, error) {
	issuer, err := s.issuerKey()
	if err != nil {
		return oda.PublicKey{}, err
	}
	static, err := s.staticData()
	if err != nil {
		return oda.PublicKey{}, err
	}
	return oda.RecoverICC(issuer, s.objects.get(tag.ICCPublicKeyCertificate),
		s.objects.get(tag.ICCPublicKeyRemainder), s.objects.get(tag.ICCPublicKeyExponent),
		s.records.pan, static, s.tx.Time)
}

// pinKey returns the key that enciphers an offline PIN: one made for it where the card
// has one, else the card's own. EMV 4.4 Book 2, 7.1.
func (s *session) pinKey() (oda.PublicKey, error) {
	cert := s.objects.get(tag.PINPublicKeyCertificate)
	switch {
	case cert != nil:
		issuer, err := s.issuerKey()
		if err != nil {
			return oda.PublicKey{}, err
		}
		return oda.RecoverPIN(issuer, cert, s.objects.get(tag.PINPublicKeyRemainder),
			s.objects.get(tag.PINPublicKeyExponent), s.records.pan, s.tx.Time)
	case s.auth.icc != nil:
		return *s.auth.icc, nil
	}
	return s.iccKey()
}
