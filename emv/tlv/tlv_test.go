package tlv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestNext: point 1, and TestNextRefuses, what is a format error.
func TestNext(t *testing.T) {
	tests := []struct {
		name, data string
		tag        Tag
		value      string
		rest       string
	}{
		{"tag of one byte", "82 02 1980 AA", 0x82, "1980", "AA"},
		{"tag of two bytes", "9F02 01 05", 0x9F02, "05", ""},
		{"tag of two bytes with a low number", "9F01 01 05", 0x9F01, "05", ""},
		{"tag of three bytes", "DF8101 01 05", 0xDF8101, "05", ""},
		{"empty value", "91 00 8A", 0x91, "", "8A"},
		{"padding before", "00 FF 00 82 01 07", 0x82, "07", ""},
		{"length 7F", "50 7F" + strings.Repeat("41", 127), 0x50, strings.Repeat("41", 127), ""},
		{"length 81 80", "90 8180" + strings.Repeat("41", 128), 0x90, strings.Repeat("41", 128), ""},
		{"length 82 0100", "90 820100" + strings.Repeat("41", 256), 0x90, strings.Repeat("41", 256), ""},
		{"length longer than it need be", "82 8102 1980", 0x82, "1980", ""},
		{"length much longer than it need be", "82 820002 1980", 0x82, "1980", ""},
	}
	for _, tt := range tests {
		obj, rest, ok, err := Next(unhex(tt.data))
		if err != nil || !ok || obj.Tag != tt.tag || !bytes.Equal(obj.Value, unhex(tt.value)) || !bytes.Equal(rest, unhex(tt.rest)) {
			t.Errorf("%s: %v %X, rest %X, %v, %v", tt.name, obj.Tag, obj.Value, rest, ok, err)
		}
	}
}

func TestNextAtTheEnd(t *testing.T) {
	for _, data := range []string{"", "00", "FF FF 00"} {
		if _, rest, ok, err := Next(unhex(data)); ok || err != nil || len(rest) != 0 {
			t.Errorf("%q: %v, %v", data, ok, err)
		}
	}
}

// TestNextRefuses: point 1.
func TestNextRefuses(t *testing.T) {
	tests := []struct {
		name, data string
		want       error
		says       string
	}{
		{"tag without a length", "82", ErrTruncated, "tag 82: no length"},
		{"half a tag", "9F", ErrTruncated, "tag 9F"},
		{"two thirds of a tag", "DF81", ErrTruncated, "tag DF81"},
		{"tag of four bytes", "DF818101 01 05", ErrTag, "three bytes"},
		{"leading zero in the tag number", "9F00 01 05", ErrTag, "9F00"},
		{"leading zero that goes on", "9F8001 01 05", ErrTag, "9F80"},
		{"value too short", "9F02 06 0000", ErrTruncated, "tag 9F02: 6 bytes announced, 2 there"},
		{"long value too short", "90 8180 41", ErrTruncated, "128 bytes announced, 1 there"},
		{"half a length", "90 81", ErrTruncated, "length of 1 bytes"},
		{"two thirds of a length", "90 8201", ErrTruncated, "length of 2 bytes"},
		{"indefinite length", "70 80 8201 00 0000", ErrLength, "length byte 80"},
		{"length of three bytes", "70 83000001 00", ErrLength, "length byte 83"},
		{"reserved length", "70 FF 00", ErrLength, "length byte FF"},
	}
	for _, tt := range tests {
		_, _, ok, err := Next(unhex(tt.data))
		if ok || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "tlv: ") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A value cannot be grown into what follows it.
func TestValuesAreCapped(t *testing.T) {
	data := unhex("82 02 1980 94 04 08010100")
	obj, rest, _, _ := Next(data)
	_ = append(obj.Value, 0xEE)
	if !bytes.Equal(rest, unhex("94 04 08010100")) {
		t.Errorf("the next object became %X", rest)
	}
}

func TestTag(t *testing.T) {
	tests := []struct {
		tag         Tag
		text        string
		constructed bool
	}{
		{0x82, "82", false},
		{0x70, "70", true},
		{0x9F26, "9F26", false},
		{0xBF0C, "BF0C", true},
		{0xDF8101, "DF8101", false},
		{0xFF8101, "FF8101", true},
		{0x42, "42", false},
	}
	for _, tt := range tests {
		if tt.tag.String() != tt.text || tt.tag.Constructed() != tt.constructed || !bytes.Equal(tt.tag.Append(nil), unhex(tt.text)) {
			t.Errorf("%s: %v, constructed %v, %X", tt.text, tt.tag, tt.tag.Constructed(), tt.tag.Append(nil))
		}
	}
}

func TestAll(t *testing.T) {
	var tags []Tag
	for obj, err := range All(unhex("00 50 03 414243 FF 87 01 01 00 00 9F38 00")) {
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, obj.Tag)
	}
	if !slices.Equal(tags, []Tag{0x50, 0x87, 0x9F38}) {
		t.Errorf("%v", tags)
	}
	seen, failed := 0, error(nil)
	for obj, err := range All(unhex("50 01 41 87 05 01 50 01 41")) {
		if failed != nil {
			t.Fatal("something came after an error")
		}
		if failed = err; err == nil && obj.Tag == 0x50 {
			seen++
		}
	}
	if seen != 1 || !errors.Is(failed, ErrTruncated) {
		t.Errorf("%d objects, then %v", seen, failed)
	}
}

func TestAllStopsAtTheLimit(t *testing.T) {
	n := 0
	var last error
	for _, err := range All(bytes.Repeat(unhex("82 00"), MaxFields+5)) {
		n++
		last = err
	}
	if n != MaxFields+1 || !errors.Is(last, ErrLimit) {
		t.Errorf("%d steps, then %v", n, last)
	}
	for range All(unhex("82 00 82 00")) {
		break // a caller may stop when it likes
	}
}

func TestFind(t *testing.T) {
	data := unhex("50 01 41 A5 03 88 01 02 50 01 42 87 09 00")
	if v, ok := Find(data, 0x50); !ok || !bytes.Equal(v, []byte{0x41}) {
		t.Errorf("the first 50: %X, %v", v, ok)
	}
	if _, ok := Find(data, 0x88); ok {
		t.Error("88 was found inside a template")
	}
	if _, ok := Find(data, 0x94); ok {
		t.Error("94 was found beyond what is malformed")
	}
}

func TestTemplate(t *testing.T) {
	tests := []struct {
		name, data string
		want       error
		says       string
	}{
		{"right", "70 03 5A 01 62", nil, ""},
		{"with padding after it", "70 03 5A 01 62 00 00 FF", nil, ""},
		{"nothing", "", ErrTruncated, "template 70"},
		{"only padding", "00 00", ErrTruncated, "template 70"},
		{"another tag", "77 03 5A 01 62", ErrTag, "tag 77 where template 70 is wanted"},
		{"something after it", "70 03 5A 01 62 57 00", ErrTag, "tag 57 after template 70"},
		{"garbage after it", "70 03 5A 01 62 57", ErrTruncated, "after template 70"},
		{"overrun", "70 04 5A 01 62", ErrTruncated, "tag 70"},
	}
	for _, tt := range tests {
		v, err := Template(unhex(tt.data), 0x70)
		if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(v, unhex("5A 01 62")) || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %X, %v, want %v", tt.name, v, err, tt.want)
		}
	}
}

// nested wraps a record n times.
func nested(n int) []byte {
	data := unhex("5A 01 62")
	for range n {
		data = Append(nil, 0x70, data)
	}
	return data
}

func TestCheck(t *testing.T) {
	if err := Check(nested(MaxDepth)); err != nil {
		t.Errorf("as deep as allowed: %v", err)
	}
	if err := Check(nested(MaxDepth + 1)); !errors.Is(err, ErrLimit) {
		t.Errorf("one deeper: %v", err)
	}
	if err := Check(unhex("6F 05 A5 03 88 02 01")); !errors.Is(err, ErrTruncated) {
		t.Errorf("object that overruns its template, but not the data: %v", err)
	}
	if err := Check(unhex("6F 05 84 03 88 02 01")); err != nil {
		t.Errorf("a primitive value is nobody's TLV: %v", err)
	}
}

func TestAppend(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, MaxLength} {
		value := bytes.Repeat([]byte{0x5A}, n)
		obj, rest, ok, err := Next(Append(nil, 0x9F46, value))
		if err != nil || !ok || obj.Tag != 0x9F46 || !bytes.Equal(obj.Value, value) || len(rest) != 0 {
			t.Errorf("%d bytes: %v %d bytes, %v", n, obj.Tag, len(obj.Value), err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a value beyond MaxLength was written")
		}
	}()
	Append(nil, 0x70, make([]byte, MaxLength+1))
}

// TestDOL: point 4, order.
func TestDOL(t *testing.T) {
	var got []Entry
	for e, err := range DOL(unhex("9F02 06 5F2A 02 9A 03 DF8101 00 9F37 7F")).Entries() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	want := []Entry{{0x9F02, 6}, {0x5F2A, 2}, {0x9A, 3}, {0xDF8101, 0}, {0x9F37, 127}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestDOLRefuses(t *testing.T) {
	tests := []struct {
		name, data string
		want       error
	}{
		{"tag without a length", "9F02 06 9A", ErrTruncated},
		{"half a tag", "9F02 06 9F", ErrTruncated},
		{"length of two bytes", "9F02 8106", ErrLength},
		{"malformed tag", "9F00 06", ErrTag},
	}
	for _, tt := range tests {
		var last error
		for _, err := range DOL(unhex(tt.data)).Entries() {
			last = err
		}
		if !errors.Is(last, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, last, tt.want)
		}
	}
}

func TestDOLHas(t *testing.T) {
	dol := DOL(unhex("9F02 06 9F37 04"))
	if !dol.Has(0x9F37) || dol.Has(0x37) || dol.Has(0x06) || DOL(nil).Has(0x9F37) {
		t.Error("9F37 or what is beside it")
	}
	if DOL(unhex("9F02 9F37 04")).Has(0x37) {
		t.Error("a length was taken for a tag")
	}
}

// A record of a card, for the tests of cost: label, PAN, dates, CDOLs, CVM list.
const record = "70 43 5A08 6277000000000017 5F3401 01 5F2403 301231 8C15 9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704 8E0A 0000000000000000 1F03 9F0D05 0000000000 9F4A01 82"

func TestNoAllocations(t *testing.T) {
	data := unhex(record)
	dst := make([]byte, 0, 300)
	n := testing.AllocsPerRun(100, func() {
		content, err := Template(data, 0x70)
		if err != nil || Check(data) != nil {
			t.Fatal(err)
		}
		cdol, _ := Find(content, 0x8C)
		for e, err := range DOL(cdol).Entries() {
			if err != nil || e.Length == 0 {
				t.Fatal(err)
			}
		}
		dst = dst[:0]
		for obj, err := range All(content) {
			if err != nil {
				t.Fatal(err)
			}
			dst = Append(dst, obj.Tag, obj.Value)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations to read and write a record", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	data := unhex(record)
	b.ReportAllocs()
	for b.Loop() {
		content, err := Template(data, 0x70)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range All(content) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// FuzzTLV: what is read and written again is read as the same, and writing it a second
// time changes nothing.
func FuzzTLV(f *testing.F) {
	for _, seed := range []string{record, "6F12 8407F0000000010101 A507 5005 53594E5448", "00 FF 82 02 1980", "DF8101 820001 07", "9F00 01 05", "70 80", "91 81"} {
		f.Add(unhex(seed))
	}
	for _, answer := range cardAnswers(f) {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var written []byte
		var objects []Object
		for obj, err := range All(data) {
			if err != nil {
				return
			}
			written = Append(written, obj.Tag, obj.Value)
			objects = append(objects, obj)
		}
		if len(written) > len(data) {
			t.Errorf("%X grew to %X", data, written)
		}
		i := 0
		for obj, err := range All(written) {
			if err != nil || obj.Tag != objects[i].Tag || !bytes.Equal(obj.Value, objects[i].Value) {
				t.Fatalf("%X: object %d came back as %v %X, %v", data, i, obj.Tag, obj.Value, err)
			}
			i++
		}
		if i != len(objects) {
			t.Errorf("%X: %d objects came back of %d", data, i, len(objects))
		}
		if err := Check(data); (err == nil) != (Check(written) == nil) {
			t.Errorf("%X: Check says %v of what was read and otherwise of what was written", data, err)
		}
		_, _ = Template(data, 0x70)
		_, _ = Find(data, 0x5A)
	})
}

// FuzzDOL: what is read and written again is the same, byte for byte.
func FuzzDOL(f *testing.F) {
	f.Add(unhex("9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704"))
	f.Add(unhex("9F02"))
	f.Add(unhex("83 80"))
	for _, answer := range cardAnswers(f) {
		content, _ := Template(answer, 0x70)
		for _, t := range []Tag{0x8C, 0x8D, 0x97, 0x9F38, 0x9F49} {
			if list, ok := Find(content, t); ok {
				f.Add(list)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var written []byte
		for e, err := range DOL(data).Entries() {
			if err != nil {
				return
			}
			if !DOL(data).Has(e.Tag) {
				t.Errorf("%X: Has does not find %v", data, e.Tag)
			}
			written = append(e.Tag.Append(written), byte(e.Length))
		}
		if !bytes.Equal(written, data) {
			t.Errorf("%X came back as %X", data, written)
		}
	})
}
