package params

import (
	"fmt"
)

// Status is what function 362 tells the host: the state of each device, and of the dialled
// line.
type Status struct {
	// Devices are the modules 01 to 05, in order: 1 works, 0 does not, 2 is not there.
	Devices [5]uint8
	Dialled *Dialling // nil for a terminal that does not dial
}

// Dialling is the statistics of tag 51.
type Dialling struct{ Hours, Dials, Successes int }

// Append writes the string of field 62: tag 01 to 05 with a digit each, and tag 51 with
// hours (4 digits), dials (5) and successes (3). A number that has no room is all nines.
func (s Status) Append(dst []byte) []byte {
	for i, state := range s.Devices {
		dst = fmt.Appendf(dst, "%02d%d", i+1, min(state, 9))
	}
	if d := s.Dialled; d != nil {
		dst = fmt.Appendf(dst, "51%04d%05d%03d", bound(int64(d.Hours), 0, 9999), bound(int64(d.Dials), 0, 99999), bound(int64(d.Successes), 0, 999))
	}
	return dst
}

// ParseStatus reads the string.
func ParseStatus(data []byte) (Status, error) {
	var s Status
	for at, i := 0, 0; i < len(s.Devices); at, i = at+3, i+1 {
		if len(data) < at+3 || string(data[at:at+2]) != fmt.Sprintf("%02d", i+1) || data[at+2] < '0' || data[at+2] > '9' {
			return Status{}, fmt.Errorf("params: status: at byte %d: tag %02d with a digit wanted: %w", at, i+1, ErrFormat)
		}
		s.Devices[i] = data[at+2] - '0'
	}
	rest := data[3*len(s.Devices):]
	if len(rest) == 0 {
		return s, nil
	}
	if len(rest) != 14 || string(rest[:2]) != "51" || !allDigits(string(rest)) {
		return Status{}, fmt.Errorf("params: status: at byte %d: tag 51 with 12 digits wanted: %w", 3*len(s.Devices), ErrFormat)
	}
	hours, _ := number(string(rest[2:6]))
	dials, _ := number(string(rest[6:11]))
	successes, _ := number(string(rest[11:]))
	s.Dialled = &Dialling{int(hours), int(dials), int(successes)}
	return s, nil
}
