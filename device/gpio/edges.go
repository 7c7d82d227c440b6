package gpio

import "time"

// edges is how a pin waits: one edge is remembered, further ones before it is taken are
// the same one.
type edges struct {
	edge chan struct{}
	stop chan struct{}
}

func newEdges() edges { return edges{edge: make(chan struct{}, 1), stop: make(chan struct{})} }

// seen remembers an edge.
func (e edges) seen() {
	select {
	case e.edge <- struct{}{}:
	default:
	}
}

// forget drops a remembered edge.
func (e edges) forget() {
	select {
	case <-e.edge:
	default:
	}
}

// halt ends a wait that is going on, and does nothing where none is.
func (e edges) halt() {
	select {
	case e.stop <- struct{}{}:
	default:
	}
}

// WaitForEdge waits for an edge of the kind that In asked for, or returns at once if one
// was seen since the last call: true. False is the timeout, Halt or In; a timeout below
// zero is none.
func (e edges) WaitForEdge(timeout time.Duration) bool {
	var late <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-e.edge:
		return true
	default:
	}
	select {
	case <-e.edge:
		return true
	case <-e.stop:
	case <-late:
	}
	return false
}
