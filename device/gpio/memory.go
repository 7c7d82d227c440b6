package gpio

import (
	"errors"
	"fmt"
	"sync"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// Memory is a pin with no hardware; it is a gpio.PinIO. Make it by NewMemory.
type Memory struct {
	name  string
	onOut func(gpio.Level)
	edges
	mu     sync.Mutex
	level  gpio.Level
	output bool
	pull   gpio.Pull
	watch  gpio.Edge
}

var _ gpio.PinIO = (*Memory)(nil)

// NewMemory makes a pin that is an input and low. onOut, where it is not nil, is told
// each level that the terminal puts out.
func NewMemory(name string, onOut func(gpio.Level)) *Memory {
	return &Memory{name: name, onOut: onOut, edges: newEdges(), pull: gpio.PullNoChange}
}

// Drive sets the level from outside; on an output it is an error, as a short is.
func (m *Memory) Drive(level gpio.Level) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.output {
		return fmt.Errorf("gpio: %s is an output: drive %v", m.name, level)
	}
	if m.level == level {
		return nil
	}
	m.level = level
	if m.watch == gpio.BothEdges || m.watch == gpio.RisingEdge && bool(level) || m.watch == gpio.FallingEdge && !bool(level) {
		m.seen()
	}
	return nil
}

// String is the name.
func (m *Memory) String() string { return m.name }

// Name is the name.
func (m *Memory) Name() string { return m.name }

// Number is -1: it is on no chip.
func (m *Memory) Number() int { return -1 }

// Function says what the pin is: In, Out.
func (m *Memory) Function() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.output {
		return string(gpio.OUT)
	}
	return string(gpio.IN)
}

// Halt ends a WaitForEdge.
func (m *Memory) Halt() error {
	m.halt()
	return nil
}

// In makes an input of the pin; a pull decides its level until Drive does.
func (m *Memory) In(pull gpio.Pull, edge gpio.Edge) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halt()
	if m.output && pull != gpio.PullNoChange {
		m.level = pull == gpio.PullUp
	}
	m.output, m.pull, m.watch = false, pull, edge
	m.forget()
	return nil
}

// Out makes an output of the pin, with that level.
func (m *Memory) Out(level gpio.Level) error {
	m.mu.Lock()
	m.output, m.level, m.watch = true, level, gpio.NoEdge
	m.mu.Unlock()
	if m.onOut != nil {
		m.onOut(level)
	}
	return nil
}

// Read is the level.
func (m *Memory) Read() gpio.Level {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.level
}

// Pull is what In set.
func (m *Memory) Pull() gpio.Pull {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pull
}

// DefaultPull is none.
func (m *Memory) DefaultPull() gpio.Pull { return gpio.Float }

// PWM is not supported.
func (m *Memory) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("gpio: %s: PWM: %w", m.name, errors.ErrUnsupported)
}
