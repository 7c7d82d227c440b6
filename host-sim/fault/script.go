package fault

import (
	"fmt"
	"sync"
)

// maxFaults bounds the faults that wait to strike.
const maxFaults = 1000

// Script holds faults and counts requests. Its zero value is a host without faults.
// Safe for concurrent use: faults may be added while the host runs.
type Script struct {
	mu     sync.Mutex
	counts map[address]int
	faults []Fault
}

// address is what requests are counted by: message type alone, or with the function.
type address struct{ mti, function uint16 }

func (f Fault) address() address { return address{f.MTI, f.Function} }

// Add adds faults. One that counts from now is fixed to its place in the count. A
// fault whose request has gone by is an error: it could never strike.
func (s *Script) Add(faults ...Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if len(s.faults) >= maxFaults {
			return fmt.Errorf("fault: add %v: %d faults wait already", f, maxFaults)
		}
		seen := s.counts[f.address()]
		if f.FromNow {
			f.Ordinal, f.FromNow = f.Ordinal+seen, false
		}
		if f.Ordinal <= seen {
			return fmt.Errorf("fault: add %v: request %d of type %04X, function %03d, has gone by", f, seen, f.MTI, f.Function)
		}
		s.faults = append(s.faults, f)
	}
	return nil
}

// Next counts one request of type mti, and of its function (0 for one without), and
// returns the faults that strike its answer, in the order in which they were added.
func (s *Script) Next(mti, function uint16) []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[address]int)
	}
	s.counts[address{mti, 0}]++
	if function != 0 {
		s.counts[address{mti, function}]++
	}
	var strike []Fault
	rest := s.faults[:0]
	for _, f := range s.faults {
		if f.MTI == mti && (f.Function == 0 || f.Function == function) && f.Ordinal == s.counts[f.address()] {
			strike = append(strike, f)
		} else {
			rest = append(rest, f)
		}
	}
	s.faults = rest
	return strike
}

// Waiting returns the faults that have not struck yet.
func (s *Script) Waiting() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault(nil), s.faults...)
}
