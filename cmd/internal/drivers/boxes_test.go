package drivers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"posd/device"
)

// crate is a box that writes down what happens to it.
type crate struct {
	name   string
	events *[]string
	sick   bool
	closed bool
}

func (c *crate) Close() error {
	c.closed = true
	*c.events = append(*c.events, "close "+c.name)
	return nil
}

// shelf makes crates 1, 2, 3 …
type shelf struct {
	boxes  boxes[*crate]
	events []string
	made   int
	broken error
}

func (s *shelf) use(ctx context.Context, path, settings string) (*crate, func() error, error) {
	return s.boxes.use(ctx, maker[*crate]{
		path: path, settings: settings,
		open: func(context.Context) (*crate, error) {
			if s.broken != nil {
				return nil, s.broken
			}
			s.made++
			c := &crate{name: fmt.Sprint(s.made), events: &s.events}
			s.events = append(s.events, "open "+c.name)
			return c, nil
		},
		probe: func(ctx context.Context, c *crate) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case c.sick || c.closed:
				return device.ErrGone
			}
			return nil
		},
	})
}

func (s *shelf) must(t *testing.T, path string) (*crate, func() error) {
	t.Helper()
	c, release, err := s.use(t.Context(), path, "")
	if err != nil {
		t.Fatal(err)
	}
	return c, release
}

func (s *shelf) want(t *testing.T, events ...string) {
	t.Helper()
	if !slices.Equal(s.events, events) {
		t.Errorf("%q, want %q", s.events, events)
	}
}

func TestTwoUsesAreOneBox(t *testing.T) {
	var s shelf
	reader, endReader := s.must(t, "/dev/a")
	pad, endPad := s.must(t, "/dev/a")
	if reader != pad {
		t.Error("two boxes at one port")
	}
	endReader()
	endReader() // a use ends once
	s.want(t, "open 1")
	endPad()
	s.want(t, "open 1", "close 1")
	s.must(t, "/dev/a")
	s.want(t, "open 1", "close 1", "open 2")
}

func TestTwoPortsAreTwoBoxes(t *testing.T) {
	var s shelf
	a, _ := s.must(t, "/dev/a")
	b, _ := s.must(t, "/dev/b")
	if a == b {
		t.Error("one box at two ports")
	}
}

func TestUsesMustAgreeOnSettings(t *testing.T) {
	var s shelf
	s.must(t, "/dev/a")
	if _, _, err := s.use(t.Context(), "/dev/a", "9600"); !errors.Is(err, device.ErrRefused) {
		t.Errorf("another speed: %v, want %v", err, device.ErrRefused)
	}
	s.want(t, "open 1")
}

// The reader finds the box dead and opens it anew; the PIN pad still has the dead one, and
// whenever it lets go of it, the new one stays.
func TestDeadBoxIsOpenedAnewForBoth(t *testing.T) {
	var s shelf
	old, endReader := s.must(t, "/dev/a")
	_, endPad := s.must(t, "/dev/a")
	old.sick = true
	endReader()
	s.want(t, "open 1")
	reader, _ := s.must(t, "/dev/a")
	s.want(t, "open 1", "close 1", "open 2")
	endPad()
	s.want(t, "open 1", "close 1", "open 2")
	if pad, _ := s.must(t, "/dev/a"); pad != reader {
		t.Error("the PIN pad did not come to the new box")
	}
}

func TestCancelledProbeLeavesTheBox(t *testing.T) {
	var s shelf
	s.must(t, "/dev/a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.use(ctx, "/dev/a", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	s.want(t, "open 1")
}

func TestBoxThatDoesNotOpenIsNotKept(t *testing.T) {
	s := shelf{broken: device.ErrTimeout}
	if _, _, err := s.use(t.Context(), "/dev/a", ""); !errors.Is(err, device.ErrTimeout) {
		t.Errorf("%v, want %v", err, device.ErrTimeout)
	}
	s.broken = nil
	s.must(t, "/dev/a")
	s.want(t, "open 1")
}
