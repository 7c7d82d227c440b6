package kernel

import (
	"context"
	"encoding/binary"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// initiate asks for the processing options: what the application can do, and where its
// records are. An application that does not want this transaction (6985) is left for
// the next one. EMV 4.4 Book 3, 10.1 and 6.5.8.
func (s *session) initiate(ctx context.Context) (Phase, error) {
	s.tvr, s.tsi = 0, 0
	data, err := s.dolData(tag.PDOL, s.objects.get(tag.PDOL))
	if err != nil {
		return Done, err
	}
	template := tlv.Append(make([]byte, 0, len(data)+3), tag.CommandTemplate, data)
	resp, err := s.transmit(ctx, apdu.GetProcessingOptions(template))
	switch {
	case err != nil:
		return Done, err
	case resp.SW == apdu.ConditionsNotSatisfied:
		s.chosen = choice{}
		return Selecting, nil
	case resp.SW != apdu.OK:
		return Done, broken(resp.SW, "GET PROCESSING OPTIONS")
	}
	aip, afl, err := parseOptions(resp.Data)
	if err != nil {
		return Done, broken(err, "GET PROCESSING OPTIONS")
	}
	s.profile = profile{aip: aip, afl: afl, pdolData: data}
	s.objects.put(tlv.Object{Tag: tag.AIP, Value: s.objects.keep(binary.BigEndian.AppendUint16(nil, uint16(aip)))})
	s.objects.put(tlv.Object{Tag: tag.AFL, Value: afl})
	return Reading, nil
}

// parseOptions reads either format of the answer: 80 with AIP and AFL, or 77 with both
// as objects.
func parseOptions(data []byte) (emv.AIP, []byte, error) {
	if value, err := tlv.Template(data, tag.ResponseTemplate1); err == nil {
		if len(value) < 6 {
			return 0, nil, fmt.Errorf("%d bytes in template 80, at least 6 wanted", len(value))
		}
		return splitOptions(value[:2], value[2:])
	}
	content, err := tlv.Template(data, tag.ResponseTemplate2)
	if err != nil {
		return 0, nil, err
	}
	if err := tlv.Check(content); err != nil {
		return 0, nil, err
	}
	aip, _ := tlv.Find(content, tag.AIP)
	afl, _ := tlv.Find(content, tag.AFL)
	return splitOptions(aip, afl)
}

func splitOptions(aip, afl []byte) (emv.AIP, []byte, error) {
	if len(aip) != 2 || len(afl) == 0 || len(afl)%4 != 0 {
		return 0, nil, fmt.Errorf("AIP of %d and AFL of %d bytes", len(aip), len(afl))
	}
	for i := 0; i < len(afl); i += 4 {
		if _, err := parseLocator([4]byte(afl[i:])); err != nil {
			return 0, nil, err
		}
	}
	return emv.AIP(binary.BigEndian.Uint16(aip)), afl, nil
}

// locator is one entry of the AFL: records of a file, the first few of which take part
// in data authentication. EMV 4.4 Book 3, 10.2.
type locator struct {
	sfi         byte
	first, last int
	signed      int // how many from first on
}

func parseLocator(b [4]byte) (locator, error) {
	l := locator{sfi: b[0] >> 3, first: int(b[1]), last: int(b[2]), signed: int(b[3])}
	if b[0]&0x07 != 0 || l.sfi < 1 || l.sfi > 30 || l.first < 1 || l.last < l.first || l.signed > l.last-l.first+1 {
		return locator{}, fmt.Errorf("AFL entry %X", b)
	}
	return l, nil
}
