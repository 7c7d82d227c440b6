package iso8583

import (
	"fmt"
	"slices"
)

// format is how a data element's characters become bytes.
type format uint8

const (
	digits  format = iota + 1 // packed BCD, two digits a byte
	nibbles                   // as digits, with A to F: track 2 and its cipher text
	text                      // ASCII
	gbk                       // ASCII and GBK
	binary8                   // as it is
)

// element is one row of a dialect's table of data elements.
type element struct {
	number int
	name   string
	format format
	length int  // in digits, characters or bytes: exact, or the most where a prefix says how many
	prefix int  // digits of the length prefix, in BCD: 0 for fixed length, 2 for LL, 3 for LLL
	right  bool // an odd number of digits is aligned right: 001 is 00 01. Otherwise 051 is 05 10
	value  value
}

// slot is where a message class writes one of its values.
type slot struct {
	field    int
	value    value
	required bool
}

// layout is the fields of a message class in a dialect, and the message types of its
// requests.
type layout struct {
	class    class
	requests []uint16 // an answer has 10 hex more
	function Function // field 60.3, where it is the same in all messages of the class
	required []int
	optional []int
}

// transaction is a row of a dialect's table of transactions: what fields 3, 25 and 60.1
// say together with the message type.
type transaction struct {
	kind       TransactionType
	request    uint16
	processing uint32 // field 3
	condition  uint8  // field 25
	code       uint8  // field 60.1
}

// operation is a row of a dialect's table of functions.
type operation struct {
	function Function
	request  uint16
}

// Dialect is a message set as data: which value goes into which field of which message,
// and how. It is immutable, and any number of goroutines may use one.
type Dialect struct {
	name         string
	elements     [65]element
	classes      [networkResponse + 1]compiled
	transactions []transaction
	byType       [typeCount]transaction
	operations   []operation
}

// compiled is a layout made quick to look things up in.
type compiled struct {
	layout
	slots   []slot // in the order of their numbers
	must    uint64
	byField [65]value
}

// Name returns the dialect's name, "cup".
func (d *Dialect) Name() string { return d.name }

// bit returns the bitmap's bit of a field: field 1 is the highest.
func bit(field int) uint64 { return 1 << (64 - field) }

// newDialect compiles the tables. They are ours, so a contradiction panics; a test
// builds every dialect.
func newDialect(name string, elements []element, layouts []layout, transactions []transaction, operations []operation) *Dialect {
	d := &Dialect{name: name, transactions: transactions, operations: operations}
	for _, e := range elements {
		d.elements[e.number] = e
	}
	for _, l := range layouts {
		d.classes[l.class] = d.compile(l)
	}
	for _, t := range transactions {
		d.byType[t.kind] = t
	}
	return d
}

func (d *Dialect) compile(l layout) compiled {
	c := compiled{layout: l}
	for field := range d.elements {
		must, may := slices.Contains(l.required, field), slices.Contains(l.optional, field)
		if !must && !may {
			continue
		}
		e := &d.elements[field]
		if e.number == 0 || must && may {
			panic(fmt.Sprintf("iso8583: dialect %s: class %d: field %d unknown or named twice", d.name, l.class, field))
		}
		c.slots = append(c.slots, slot{field, e.value, must})
		c.byField[field] = e.value
		if must {
			c.must |= bit(field)
		}
	}
	if len(c.slots) != len(l.required)+len(l.optional) {
		panic(fmt.Sprintf("iso8583: dialect %s: class %d: a field is named twice, or is none", d.name, l.class))
	}
	return c
}

// classOf returns the class of a message type, nil for one that the dialect does not know.
func (d *Dialect) classOf(mti uint16) *compiled {
	for i := range d.classes {
		c := &d.classes[i]
		for _, request := range c.requests {
			if mti == request || c.class.answers() && mti == request+0x10 {
				if c.class.answers() == (mti&0x10 != 0) {
					return c
				}
			}
		}
	}
	return nil
}

// requestType returns the request's message type that a message belongs to: by its
// function, its transaction type, or its class alone.
func (d *Dialect) requestType(c *compiled, in *places) (uint16, error) {
	function, _ := in[vFunction].(*Function)
	kind, _ := in[vType].(*TransactionType)
	switch {
	case function != nil && kind != nil && *function != 0 && *kind != 0:
		return 0, fmt.Errorf("function %v and %v at once: %w", *function, *kind, ErrValue)
	case function != nil && (*function != 0 || kind == nil):
		return d.requestOf(c, *function)
	case kind == nil:
		return c.requests[0], nil
	case int(*kind) >= typeCount || d.byType[*kind].kind == 0:
		return 0, fmt.Errorf("%v: %w", *kind, ErrUnknown)
	case len(c.requests) == 1:
		return c.requests[0], nil
	}
	return d.byType[*kind].request, nil
}

func (d *Dialect) requestOf(c *compiled, f Function) (uint16, error) {
	for _, op := range d.operations {
		if op.function == f && slices.Contains(c.requests, op.request) {
			return op.request, nil
		}
	}
	return 0, fmt.Errorf("function %03d: %w", uint16(f), ErrUnknown)
}

// typeOf finds the transaction that the fields name; request is 0 where the message
// type does not tell, as in a reversal.
func (d *Dialect) typeOf(request uint16, processing uint32, condition, code uint8) (TransactionType, error) {
	for _, t := range d.transactions {
		if (request == 0 || t.request == request) && t.processing == processing && t.condition == condition && t.code == code {
			return t.kind, nil
		}
	}
	return 0, fmt.Errorf("transaction %06d, condition %02d, code %02d: %w", processing, condition, code, ErrUnknown)
}

// knows tells that a function goes with a request's message type.
func (d *Dialect) knows(f Function, request uint16) bool {
	for _, op := range d.operations {
		if op.function == f && op.request == request {
			return true
		}
	}
	return false
}
