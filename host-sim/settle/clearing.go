package settle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Clearing is a network's clearing file of a day. As text it has one record a line, fields
// parted by "|": a header H|POSDCLR1|day|network, a record
// D|rrn|tid|batch|stan|masked number|gross|milliseconds for each payment, and a trailer
// T|records|sum of gross|SHA-256 of all before the trailer, in hexadecimal.
type Clearing struct {
	Day, Network string
	Records      []Record
}

// Record is one payment of a clearing file; Gross is below zero for what goes back.
type Record struct {
	RRN, TID    string
	Batch, STAN uint32
	Masked      string
	Gross, AtMS int64
}

// ErrClearing says that a clearing file is not whole.
var ErrClearing = errors.New("clearing file is not whole")

// maxClearing bounds a clearing file.
const maxClearing = 256 << 20

// Text writes the file.
func (c Clearing) Text() []byte {
	var b bytes.Buffer
	var sum int64
	fmt.Fprintf(&b, "H|POSDCLR1|%s|%s\n", c.Day, c.Network)
	for _, r := range c.Records {
		fmt.Fprintf(&b, "D|%s|%s|%06d|%06d|%s|%d|%d\n", r.RRN, r.TID, r.Batch, r.STAN, r.Masked, r.Gross, r.AtMS)
		sum += r.Gross
	}
	fmt.Fprintf(&b, "T|%d|%d|%x\n", len(c.Records), sum, sha256.Sum256(b.Bytes()))
	return b.Bytes()
}

// ParseClearing reads a file back. What it takes is byte for byte what Text writes.
func ParseClearing(text []byte) (c Clearing, err error) {
	if len(text) > maxClearing || !bytes.HasSuffix(text, []byte("\n")) {
		return c, fmt.Errorf("settle: read clearing file: size or end: %w", ErrClearing)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	head := strings.Split(lines[0], "|")
	if len(lines) < 2 || len(head) != 4 {
		return c, fmt.Errorf("settle: read clearing file: header: %w", ErrClearing)
	}
	c.Day, c.Network = head[2], head[3]
	for i, line := range lines[1 : len(lines)-1] {
		f := strings.Split(line, "|")
		if len(f) != 8 {
			return Clearing{}, fmt.Errorf("settle: read clearing file: record %d: %w", i+1, ErrClearing)
		}
		batch, err1 := strconv.ParseUint(f[3], 10, 32)
		stan, err2 := strconv.ParseUint(f[4], 10, 32)
		gross, err3 := strconv.ParseInt(f[6], 10, 64)
		at, err4 := strconv.ParseInt(f[7], 10, 64)
		if errors.Join(err1, err2, err3, err4) != nil {
			return Clearing{}, fmt.Errorf("settle: read clearing file: record %d: %w", i+1, ErrClearing)
		}
		c.Records = append(c.Records, Record{f[1], f[2], uint32(batch), uint32(stan), f[5], gross, at})
	}
	if !bytes.Equal(c.Text(), text) {
		return Clearing{}, fmt.Errorf("settle: read clearing file: count, sum, hash or form: %w", ErrClearing)
	}
	return c, nil
}
