package describe

import (
	"fmt"

	"posd/emv/tag"
	"posd/emv/tlv"
)

// maxLines bounds a description.
const maxLines = 4096

// describeTLV reads data objects, templates with what is in them.
func describeTLV(b []byte, o Options) ([]Line, error) {
	return appendObjects(nil, b, o, 0)
}

// appendObjects appends the objects of b at a depth. After an error it returns what could
// be read before it.
func appendObjects(lines []Line, b []byte, o Options, depth int) ([]Line, error) {
	if depth > tlv.MaxDepth {
		return lines, fmt.Errorf("templates nested more than %d deep: %w", tlv.MaxDepth, ErrFormat)
	}
	for obj, err := range tlv.All(b) {
		if err != nil {
			return lines, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if len(lines) > maxLines {
			return lines, fmt.Errorf("more than %d lines: %w", maxLines, ErrFormat)
		}
		if !obj.Tag.Constructed() {
			lines = append(lines, at(depth, Object(obj, o))...)
			continue
		}
		lines = append(lines, Line{Depth: depth, Name: name(obj.Tag), Note: count(len(obj.Value))})
		if lines, err = appendObjects(lines, obj.Value, o, depth+1); err != nil {
			return lines, err
		}
	}
	return lines, nil
}

// at returns the lines that many levels deeper.
func at(depth int, lines []Line) []Line {
	for i := range lines {
		lines[i].Depth += depth
	}
	return lines
}

// name is a tag with its name, where the dictionary has one.
func name(t tlv.Tag) string {
	if info, ok := tag.Lookup(t); ok {
		return t.String() + " " + info.Name
	}
	return t.String() + " not in the dictionary"
}

func count(bytes int) string {
	if bytes == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// Object describes one primitive object: its value, and below it what the value means.
func Object(obj tlv.Object, o Options) []Line {
	head := Line{Name: name(obj.Tag)}
	if len(obj.Value) == 0 {
		head.Note = "empty, which counts as absent"
		return []Line{head}
	}
	if hidden, ok := mask(obj, o); ok {
		head.Value = hidden
		return []Line{head}
	}
	head.Value = o.hexadecimal(obj.Value)
	info, known := tag.Lookup(obj.Tag)
	if known {
		if err := info.Check(obj.Value); err != nil {
			head.Note = fmt.Sprintf("breaks its format: %v, %d to %d bytes", info.Format, info.Min, info.Max)
		} else {
			head.Note = reading(obj, info.Format)
		}
	}
	lines := []Line{head}
	if k, ok := kindOf(obj.Tag); ok {
		below, err := k.read(obj.Value, o)
		lines = append(lines, indented(below)...)
		if err != nil {
			lines = append(lines, Line{Depth: 1, Name: "cannot be read on", Value: err.Error()})
		}
	}
	return lines
}

// describeDOL reads a list of tags with the lengths that the card wants.
func describeDOL(b []byte, _ Options) ([]Line, error) {
	var lines []Line
	total := 0
	for e, err := range tlv.DOL(b).Entries() {
		if err != nil {
			return lines, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		total += e.Length
		lines = append(lines, Line{Name: name(e.Tag), Note: count(e.Length)})
	}
	return append(lines, Line{Name: "together", Value: count(total)}), nil
}

// DOLData describes values in a row by the list that asked for them.
func DOLData(dol tlv.DOL, data []byte, o Options) ([]Line, error) {
	var lines []Line
	for e, err := range dol.Entries() {
		switch {
		case err != nil:
			return lines, fmt.Errorf("describe: %w: %w", ErrFormat, err)
		case e.Length > len(data):
			return lines, fmt.Errorf("describe: the list wants %d bytes of %v, %d are left: %w", e.Length, e.Tag, len(data), ErrFormat)
		case e.Length > 0:
			lines = append(lines, padded(e.Tag, data[:e.Length], o)...)
		}
		data = data[e.Length:]
	}
	if len(data) > 0 {
		return lines, fmt.Errorf("describe: %d bytes more than the list wants: %w", len(data), ErrFormat)
	}
	return lines, nil
}

// padded describes a value that a list may have cut or filled up: its length is not what
// the dictionary says, and zeros mean that there was none.
func padded(t tlv.Tag, value []byte, o Options) []Line {
	lines := Object(tlv.Object{Tag: t, Value: value}, o)
	info, known := tag.Lookup(t)
	switch {
	case !known:
		lines[0].Value = o.hexadecimal(value)
	case len(value) < info.Min || len(value) > info.Max:
		lines = lines[:1]
		lines[0].Note = fmt.Sprintf("cut or filled to %s", count(len(value)))
	}
	return lines
}
