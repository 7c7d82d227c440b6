package vector

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"posd/emv"
	"posd/emv/tlv"
)

// ErrFormat is the cause of every refusal to read a case.
var ErrFormat = errors.New("not a recorded case")

// bad says which field is wrong.
func bad(field, what string) error { return fmt.Errorf("%s: %s: %w", field, what, ErrFormat) }

// bytesOf reads hexadecimal of min to max bytes; blanks between bytes are allowed.
func bytesOf(field, s string, least, most int) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	switch {
	case err != nil:
		return nil, bad(field, "not hexadecimal")
	case len(b) < least || len(b) > most:
		return nil, bad(field, fmt.Sprintf("%d bytes, %d to %d wanted", len(b), least, most))
	}
	return b, nil
}

// byteOf reads one byte.
func byteOf(field, s string) (byte, error) {
	b, err := bytesOf(field, s, 1, 1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// digitsOf reads decimal digits; none are 0.
func digitsOf(field, s string, most int) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || len(s) > most {
		return 0, bad(field, fmt.Sprintf("not a number of at most %d digits", most))
	}
	return n, nil
}

// cryptogramOf reads the kind that a GENERATE AC asked for; nil where nobody said.
func cryptogramOf(field, s string) (*emv.Cryptogram, error) {
	if s == "" {
		return nil, nil
	}
	b, err := byteOf(field, s)
	if err != nil {
		return nil, err
	}
	c := emv.Cryptogram(b)
	if c != emv.AAC && c != emv.TC && c != emv.ARQC {
		return nil, bad(field, "00, 40 or 80 wanted")
	}
	return &c, nil
}

// dataOf reads a map from tag to value.
func dataOf(field string, m map[string]string) (map[tlv.Tag][]byte, error) {
	out := make(map[tlv.Tag][]byte, len(m))
	for name, value := range m {
		t, err := tagOf(field, name)
		if err != nil {
			return nil, err
		}
		if out[t], err = bytesOf(field+"."+name, value, 0, tlv.MaxLength); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func tagOf(field, name string) (tlv.Tag, error) {
	n, err := strconv.ParseUint(name, 16, 24)
	if err != nil || n == 0 {
		return 0, bad(field+"."+name, "not a tag")
	}
	return tlv.Tag(n), nil
}

// timeOf reads date YYMMDD and time HHMMSS; a missing time is midnight.
func timeOf(date, clock string) (time.Time, error) {
	if clock == "" {
		clock = "000000"
	}
	if len(date) != 6 || date[0] < '0' || date[0] > '9' {
		return time.Time{}, bad("terminal.params.9A", "not a date YYMMDD")
	}
	century := "20"
	if date[0] >= '5' {
		century = "19" // EMV 4.4 Book 4, 6.7.3
	}
	t, err := time.Parse("20060102 150405", century+date+" "+clock)
	if err != nil {
		return time.Time{}, bad("terminal.params.9A and 9F21", "not a date YYMMDD and a time HHMMSS")
	}
	return t, nil
}
