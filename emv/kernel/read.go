package kernel

import (
	"context"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// read reads every record that the AFL names, and then looks whether all is there that
// no card may lack. EMV 4.4 Book 3, 10.2 and 7.2.
func (s *session) read(ctx context.Context) (Phase, error) {
	fromRecords := len(s.objects.list)
	for i := 0; i < len(s.profile.afl); i += 4 {
		l, err := parseLocator([4]byte(s.profile.afl[i:]))
		if err != nil {
			return Done, broken(err, "AFL")
		}
		for n := l.first; n <= l.last; n++ {
			if err := s.readRecord(ctx, l, n, fromRecords); err != nil {
				return Done, err
			}
		}
	}
	for _, t := range mandatory {
		if !s.objects.has(t, fromRecords) {
			return Done, broken(nil, "tag %v is missing", t)
		}
	}
	if err := s.checkFormats(); err != nil {
		return Done, err
	}
	return Authenticating, nil
}

// mandatory objects of every card. EMV 4.4 Book 3, 7.2.
var mandatory = [...]tlv.Tag{tag.ApplicationPAN, tag.ApplicationExpirationDate, tag.CDOL1, tag.CDOL2}

func (s *session) readRecord(ctx context.Context, l locator, n, fromRecords int) error {
	resp, err := s.transmit(ctx, apdu.ReadRecord(l.sfi, byte(n)))
	if err != nil {
		return err
	}
	if resp.SW != apdu.OK {
		return broken(resp.SW, "record %d of file %d", n, l.sfi)
	}
	content, err := tlv.Template(resp.Data, tag.ReadRecordTemplate)
	if err == nil {
		err = tlv.Check(content)
	}
	if err != nil && l.sfi <= 10 {
		return broken(err, "record %d of file %d", n, l.sfi)
	}
	if n < l.first+l.signed {
		s.records.sign(l.sfi, resp.Data, content, err)
	}
	if err != nil {
		return nil // a file of a payment system or issuer may hold what it likes
	}
	return s.take(content, fromRecords)
}

// sign notes a record that takes part in data authentication: the content of template
// 70 from files 1 to 10, the whole record from others, which must be a template 70 as
// well. EMV 4.4 Book 3, 10.3.
func (r *records) sign(sfi byte, record, content []byte, err error) {
	switch {
	case err != nil:
		r.staticBroken = true
	case sfi <= 10:
		r.static = append(r.static, content...)
	default:
		r.static = append(r.static, record...)
	}
}

// take puts a record's objects into the store. The same object twice ends the session;
// an empty one is absent, and those that are not the card's to say are passed over.
func (s *session) take(content []byte, fromRecords int) error {
	for obj := range tlv.All(content) {
		switch {
		case len(obj.Value) == 0 || obj.Tag.Constructed() || !believed(obj.Tag, tag.ReadRecordTemplate):
		case s.objects.has(obj.Tag, fromRecords):
			return broken(nil, "tag %v twice", obj.Tag)
		default:
			s.objects.put(obj)
		}
	}
	return nil
}

// checked are the objects that the kernel itself reads, and whose form it therefore
// recognises as wrong. Those of data authentication are not among them: there a wrong
// form is a failed authentication. EMV 4.4 Book 3, 7.5.
var checked = [...]tlv.Tag{
	tag.ApplicationPAN, tag.Track2EquivalentData, tag.PANSequenceNumber,
	tag.ApplicationExpirationDate, tag.ApplicationEffectiveDate, tag.ApplicationUsageControl,
	tag.ApplicationVersionNumber, tag.IssuerCountryCode, tag.ApplicationCurrencyCode,
	tag.IssuerActionCodeDefault, tag.IssuerActionCodeDenial, tag.IssuerActionCodeOnline,
	tag.LowerConsecutiveOfflineLimit, tag.UpperConsecutiveOfflineLimit,
}

// checkFormats reads what has a form of its own.
func (s *session) checkFormats() error {
	for _, t := range checked {
		value := s.objects.get(t)
		if value == nil {
			continue
		}
		info, _ := tag.Lookup(t)
		if err := info.Check(value); err != nil {
			return broken(err, "record data")
		}
	}
	var err error
	if s.records.pan, err = emv.PANFromCN(s.objects.get(tag.ApplicationPAN)); err != nil {
		return broken(err, "record data")
	}
	if raw := s.objects.get(tag.Track2EquivalentData); raw != nil {
		if s.records.track2, err = emv.Track2FromCN(raw); err != nil {
			return broken(err, "record data")
		}
	}
	if raw := s.objects.get(tag.PANSequenceNumber); raw != nil {
		s.records.sequence = int(raw[0]>>4)*10 + int(raw[0]&0x0F)
	}
	return nil
}
