package kernel

import (
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// trace fills in the event and hands it to the configuration's Trace.
func (s *session) trace(e Event) {
	if s.cfg.Trace == nil {
		return
	}
	e.Phase, e.Ref, e.TVR, e.TSI = s.phase.String(), s.told.ref, s.tvr, s.tsi
	e.Reasons = s.reasons()
	if e.Command != nil {
		cmd := *e.Command
		if s.hushed || cmd.INS == apdu.InsVerify {
			cmd.Data = make([]byte, len(cmd.Data))
		}
		e.Command = &cmd
	}
	if e.Response != nil {
		e.Response = &apdu.Response{Data: masked(e.Response.Data), SW: e.Response.SW}
	}
	s.cfg.Trace(e)
}

// secret tells of objects that hold the card number or a track.
func secret(t tlv.Tag) bool {
	switch t {
	case tag.ApplicationPAN, tag.Track2EquivalentData, tag.Track1DiscretionaryData, tag.Track2DiscretionaryData,
		0x56, 0x9F6B: // tracks 1 and 2 of contactless kernels
		return true
	}
	return false
}

// masked returns a copy in which secret objects are zeros after their third byte, and
// everything is where the data are no list of objects.
func masked(data []byte) []byte {
	out := append([]byte(nil), data...)
	if tlv.Check(out) != nil {
		clear(out)
		return out
	}
	mask(out, 0)
	return out
}

func mask(data []byte, depth int) {
	for obj, err := range tlv.All(data) {
		switch {
		case err != nil:
			return
		case secret(obj.Tag):
			clear(obj.Value[min(3, len(obj.Value)):])
		case obj.Tag.Constructed() && depth < tlv.MaxDepth:
			mask(obj.Value, depth+1)
		}
	}
}
