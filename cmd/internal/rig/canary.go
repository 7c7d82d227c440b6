package rig

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// Canary is a secret that is looked for in everything that a payment leaves behind, in
// each form that a program may give it.
type Canary struct {
	Name  string // "card number"
	forms []form
}

type form struct {
	name  string
	bytes []byte
}

// Hit is one place at which a canary was found. Around is what stands there, with the
// canary's own bytes, for finding out who left it.
type Hit struct {
	Canary, Form, Place string
	Offset              int64
	Around              []byte
}

// String names the place; it does not repeat the secret.
func (h Hit) String() string {
	return fmt.Sprintf("%s as %s in %s at %#x", h.Canary, h.Form, h.Place, h.Offset)
}

// NewCanary makes the forms of a secret of digits (D and F are digits of a track too): as
// text, hexadecimal text, base64 and UTF-16, packed two a byte at either nibble, the packed
// form as base64, and as a binary number.
func NewCanary(name, digits string) Canary {
	c := Canary{Name: name}
	c.add("text", []byte(digits))
	c.add("hexadecimal of the text", []byte(hex.EncodeToString([]byte(digits))))
	c.addUTF16(digits)
	c.addBase64("base64 of the text", []byte(digits))
	for shift := range 2 {
		// The half bytes at the ends belong to neighbours: what is left is long enough.
		packed := pack(digits[shift:])
		c.add(fmt.Sprintf("packed from nibble %d", shift), packed)
		c.addBase64(fmt.Sprintf("base64 packed from nibble %d", shift), packed)
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil && n > 1<<40 {
		c.add("a number, little-endian", binary.LittleEndian.AppendUint64(nil, n))
		c.add("a number, big-endian", binary.BigEndian.AppendUint64(nil, n))
	}
	return c
}

// NewBinaryCanary makes the forms of a secret of bytes, such as a clear PIN block.
func NewBinaryCanary(name string, b []byte) Canary {
	c := Canary{Name: name}
	c.add("bytes", b)
	c.add("hexadecimal", []byte(hex.EncodeToString(b)))
	c.add("hexadecimal", bytes.ToUpper([]byte(hex.EncodeToString(b))))
	c.addBase64("base64", b)
	return c
}

func (c *Canary) add(name string, b []byte) { c.forms = append(c.forms, form{name, b}) }

func (c *Canary) addUTF16(text string) {
	var little, big []byte
	for _, u := range utf16.Encode([]rune(text)) {
		little = binary.LittleEndian.AppendUint16(little, u)
		big = binary.BigEndian.AppendUint16(big, u)
	}
	c.add("UTF-16, little-endian", little)
	c.add("UTF-16, big-endian", big)
}

// addBase64 adds the base64 of b at each of its three places in a group, without the
// characters at the ends that its neighbours have a part in.
func (c *Canary) addBase64(name string, b []byte) {
	for lead := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, lead), b...))
		from := (lead*8 + 5) / 6
		to := (lead + len(b)) * 8 / 6
		if to-from >= 8 {
			c.add(name, []byte(text[from:to]))
		}
	}
}

// pack writes two digits a byte; an odd one at the end is left out.
func pack(digits string) []byte {
	out := make([]byte, 0, len(digits)/2)
	for i := 0; i+1 < len(digits); i += 2 {
		b, err := strconv.ParseUint(digits[i:i+2], 16, 8)
		if err != nil {
			return []byte(digits)
		}
		out = append(out, byte(b))
	}
	return out
}

// around is how much of the neighbourhood a Hit shows, in bytes.
const around = 48

// Find returns where the canary stands in content.
func (c Canary) Find(place string, content []byte) []Hit {
	var out []Hit
	for _, f := range c.forms {
		for from := 0; ; {
			i := bytes.Index(content[from:], f.bytes)
			if i < 0 {
				break
			}
			at := from + i
			near := content[max(at-around, 0):min(at+len(f.bytes)+around, len(content))]
			out = append(out, Hit{c.Name, f.name, place, int64(at), bytes.Clone(near)})
			from = at + 1
		}
	}
	return out
}

// FindAll looks for all of them.
func FindAll(canaries []Canary, place string, content []byte) []Hit {
	var out []Hit
	for _, c := range canaries {
		out = append(out, c.Find(place, content)...)
	}
	return out
}
