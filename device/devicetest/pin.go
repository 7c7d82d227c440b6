package devicetest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// World is what is at the other end of a digital line.
type World interface {
	// Drive sets the level of a line that is an input of the terminal; an output stays.
	Drive(level gpio.Level)
	// Levels are those that the terminal has put out so far, in order.
	Levels() []gpio.Level
}

// Pin is the conformance suite of a line.
func Pin(t *testing.T, open func(t *testing.T) (gpio.PinIO, World)) {
	pinOutputs(t, open)
	pinEdges(t, open)
}

func pinRow(t *testing.T, name string, open func(t *testing.T) (gpio.PinIO, World), f func(t *testing.T, p gpio.PinIO, w World)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, w := open(t)
			f(t, p, w)
		})
	})
}

func pinOutputs(t *testing.T, open func(t *testing.T) (gpio.PinIO, World)) {
	pinRow(t, "an output has its value from the first moment", open, func(t *testing.T, p gpio.PinIO, w World) {
		must(t, "In", p.In(gpio.PullNoChange, gpio.NoEdge))
		w.Drive(gpio.Low)
		for _, l := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
			must(t, "Out", p.Out(l))
			if p.Read() != l {
				t.Errorf("reads %v, put out %v", p.Read(), l)
			}
		}
		if want := []gpio.Level{gpio.High, gpio.Low, gpio.High}; !slices.Equal(w.Levels(), want) {
			t.Errorf("the world saw %v, want %v", w.Levels(), want)
		}
	})
	pinRow(t, "reading an output leaves it one", open, func(t *testing.T, p gpio.PinIO, w World) {
		must(t, "Out", p.Out(gpio.High))
		p.Read()
		w.Drive(gpio.Low)
		if p.Read() != gpio.High {
			t.Error("it gave way to the world")
		}
	})
	pinRow(t, "an output becomes an input again", open, func(t *testing.T, p gpio.PinIO, w World) {
		must(t, "Out", p.Out(gpio.High))
		must(t, "In", p.In(gpio.PullNoChange, gpio.NoEdge))
		w.Drive(gpio.Low)
		if p.Read() != gpio.Low {
			t.Error("it does not give way to the world")
		}
	})
}

func pinEdges(t *testing.T, open func(t *testing.T) (gpio.PinIO, World)) {
	pinRow(t, "an edge is remembered, once", open, func(t *testing.T, p gpio.PinIO, w World) {
		must(t, "In", p.In(gpio.PullNoChange, gpio.BothEdges))
		w.Drive(gpio.High)
		w.Drive(gpio.Low)
		if !p.WaitForEdge(0) || p.WaitForEdge(0) {
			t.Error("want one edge")
		}
	})
	pinRow(t, "a wait ends by an edge, and by its time", open, func(t *testing.T, p gpio.PinIO, w World) {
		must(t, "In", p.In(gpio.PullNoChange, gpio.BothEdges))
		begin := time.Now()
		if p.WaitForEdge(time.Minute) || time.Since(begin) != time.Minute {
			t.Errorf("an edge after %v, where none was", time.Since(begin))
		}
		time.AfterFunc(time.Second, func() { w.Drive(gpio.High) })
		if begin := time.Now(); !p.WaitForEdge(-1) || time.Since(begin) != time.Second {
			t.Errorf("the edge was seen after %v", time.Since(begin))
		}
	})
	pinRow(t, "Halt ends a wait without end", open, func(t *testing.T, p gpio.PinIO, _ World) {
		must(t, "In", p.In(gpio.PullNoChange, gpio.BothEdges))
		done := start(func() (bool, error) { return p.WaitForEdge(-1), nil })
		must(t, "Halt", p.Halt())
		if (<-done).value {
			t.Error("Halt is no edge")
		}
	})
	pinRow(t, "In forgets the edges before it", open, func(t *testing.T, p gpio.PinIO, w World) {
		must(t, "In", p.In(gpio.PullNoChange, gpio.BothEdges))
		w.Drive(gpio.High)
		must(t, "In again", p.In(gpio.PullNoChange, gpio.BothEdges))
		if p.WaitForEdge(0) {
			t.Error("an edge from before In")
		}
	})
}
