package kernel

import (
	"bytes"

	"posd/emv/tag"
	"posd/emv/tlv"
)

// objects are the card's data objects. Values live in the arena, so that nothing
// depends on the card port's buffers. A later object hides an earlier one with the same
// tag: records hide the FCI.
type objects struct {
	list  []tlv.Object
	arena []byte
}

// keep copies bytes into the arena and returns the copy.
func (o *objects) keep(b []byte) []byte {
	start := len(o.arena)
	o.arena = append(o.arena, b...)
	return o.arena[start:len(o.arena):len(o.arena)]
}

// get returns the value of the latest object with the tag, nil for none.
func (o *objects) get(t tlv.Tag) []byte {
	for i := len(o.list) - 1; i >= 0; i-- {
		if o.list[i].Tag == t {
			return o.list[i].Value
		}
	}
	return nil
}

// has tells whether an object with the tag is among those from index first on.
func (o *objects) has(t tlv.Tag, first int) bool {
	for _, obj := range o.list[first:] {
		if obj.Tag == t {
			return true
		}
	}
	return false
}

// put adds an object. Its value must live in the arena. An empty object counts as
// absent. EMV 4.4 Book 3, 5.4 and 7.1.
func (o *objects) put(obj tlv.Object) {
	if len(obj.Value) > 0 {
		o.list = append(o.list, obj)
	}
}

// drop removes every object with one of the tags.
func (o *objects) drop(tags ...tlv.Tag) {
	kept := o.list[:0]
	for _, obj := range o.list {
		stale := false
		for _, t := range tags {
			stale = stale || obj.Tag == t
		}
		if !stale {
			kept = append(kept, obj)
		}
	}
	o.list = kept
}

// reset forgets every object but leaves the arena: others may point into it.
func (o *objects) reset() { o.list = o.list[:0] }

// believed is point 2: whether an object in a template is taken from the card. A tag
// that the dictionary does not know is, for its meaning is the card's own; one that it
// knows must be the card's to say and at its place. EMV 4.4 Book 3, Annex A.
func believed(t, template tlv.Tag) bool {
	info, known := tag.Lookup(t)
	return !known || info.Source == tag.ICC && info.Templates.Has(template)
}

// fit is point 4: the value of an object brought to the length that a DOL asks for.
// Numbers lose digits, or get zeros, on the left; cn gets F on the right, all others
// zeros on the right, and both lose bytes there. EMV 4.4 Book 3, 5.4.
func fit(dst, value []byte, length int, format tag.Format) []byte {
	short := length - len(value)
	switch {
	case short <= 0 && format == tag.N:
		return append(dst, value[-short:]...)
	case short <= 0:
		return append(dst, value[:length]...)
	case len(value) == 0:
		return append(dst, make([]byte, length)...)
	case format == tag.N:
		dst = append(dst, make([]byte, short)...)
		return append(dst, value...)
	case format == tag.CN:
		dst = append(dst, value...)
		return append(dst, bytes.Repeat([]byte{0xFF}, short)...)
	}
	dst = append(dst, value...)
	return append(dst, make([]byte, short)...)
}

// maxDOL is the most bytes that a list may ask for: what template 83 leaves of a
// command.
const maxDOL = 252

// dolData returns the values that a DOL asks for, kept in the arena. An object that
// nobody has, an unknown tag or a constructed one comes as zeros. EMV 4.4 Book 3, 5.4.
func (s *session) dolData(name tlv.Tag, dol tlv.DOL) ([]byte, error) {
	buf := make([]byte, 0, maxDOL)
	for e, err := range dol.Entries() {
		if err != nil {
			return nil, broken(err, "tag %v", name)
		}
		if len(buf)+e.Length > maxDOL {
			return nil, broken(nil, "tag %v asks for more than %d bytes", name, maxDOL)
		}
		s.hushed = s.hushed || secret(e.Tag)
		info, known := tag.Lookup(e.Tag)
		buf = fit(buf, s.asked(e.Tag, known), e.Length, info.Format)
	}
	return s.objects.keep(buf), nil
}

// asked returns the value of an object for a DOL: none for a constructed tag, nor for one
// that neither the dictionary nor the terminal's own data know, whatever a record said.
func (s *session) asked(t tlv.Tag, known bool) []byte {
	if _, own := s.cfg.Data[t]; t.Constructed() || !known && !own {
		return nil
	}
	return s.value(t)
}

// collect returns those objects of the list that somebody has, for field 55.
func (s *session) collect(tags []tlv.Tag) []byte {
	out := make([]byte, 0, 256)
	for _, t := range tags {
		if v := s.value(t); len(v) > 0 {
			out = tlv.Append(out, t, v)
		}
	}
	return out
}
