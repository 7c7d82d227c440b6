package vfpad

import (
	"encoding/hex"
	"fmt"
	"strings"

	"posd/device"
)

const (
	maxPrompt = 16 // characters of one line of the pad
	maxShown  = 64
)

// entryFrame is Z62. The caller wipes what it returns.
func entryFrame(req device.PINRequest) ([]byte, error) {
	if err := checkRequest(req); err != nil {
		return nil, err
	}
	first, second := split(printable(req.Prompt))
	bypass := byte('N')
	if req.AllowBypass {
		bypass = 'Y'
	}
	data := make([]byte, 0, 128)
	defer clear(data[:cap(data)])
	data = append(data, "Z62."...)
	data = append(req.PAN.Append(data), fs)
	data = appendHex(data, req.Key.Bytes)
	data = fmt.Appendf(data, "%02d%02d%c%s\x1C%s\x1C", req.MinDigits, req.MaxDigits, bypass, first, second)
	return frame{stx, data}.append(make([]byte, 0, len(data)+3))
}

// checkRequest refuses what a pad would refuse, without a word of the secrets.
func checkRequest(req device.PINRequest) error {
	switch {
	case req.PAN.IsZero():
		return fmt.Errorf("no card number")
	case req.Slot < 0 || req.Slot > 9:
		return fmt.Errorf("key slot %d, 0 to 9 wanted", req.Slot)
	case len(req.Key.Bytes) != 8 && len(req.Key.Bytes) != 16:
		return fmt.Errorf("working key of %d bytes, 8 or 16 wanted", len(req.Key.Bytes))
	case req.MinDigits < 4 || req.MinDigits > req.MaxDigits || req.MaxDigits > 12:
		return fmt.Errorf("PIN of %d to %d digits, 4 to 12 wanted", req.MinDigits, req.MaxDigits)
	}
	return nil
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, x := range b {
		dst = append(dst, digits[x>>4], digits[x&0xF])
	}
	return dst
}

// printable replaces what a pad has no character for.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7E {
			return '?'
		}
		return r
	}, s)
}

// split puts a prompt on two lines, at a space where one is near; what does not fit is
// cut off.
func split(s string) (first, second string) {
	if len(s) <= maxPrompt {
		return s, ""
	}
	at := strings.LastIndexByte(s[:maxPrompt+1], ' ')
	if at <= 0 {
		return s[:maxPrompt], s[maxPrompt:min(len(s), 2*maxPrompt)]
	}
	second = s[at+1:]
	return s[:at], second[:min(len(second), maxPrompt)]
}

// Errors in frame 71. UIC PP791, "Message 71".
var entryErrors = map[byte]string{
	'0': "no account number",
	'1': "working key does not fit the master key",
	'2': "account number too short",
	'3': "account number too long",
	'4': "account number is not digits",
	'5': "working key is malformed",
	'6': "time-out value is malformed",
	'7': "too many PIN entries in too short a time",
	'8': "lengths, bypass flag or prompt are malformed",
	'9': "no master key in the selected slot",
	'A': "selected slot is not for PINs",
	'B': "memory of the pad is broken",
	'C': "memory of the pad is full",
	'E': "a field is too long or too short",
	'G': "prompt is not allowed",
}

// Errors in frame 02. UIC PP791, "Message 02".
var loadErrors = map[byte]string{
	'2': "the key is in another slot already",
	'3': "memory of the pad is full",
	'4': "memory of the pad is broken",
	'7': "the key does not decipher",
	'A': "key block is malformed",
	'B': "the key is longer than the one that protects it",
	'C': "MAC of the key block differs",
	'D': "the pad has no key block protection key",
	'E': "key usage does not fit the slot",
	'F': "too many key loads",
}

func refused(words map[byte]string, code byte) error {
	text, ok := words[code]
	if !ok {
		text = "unknown reason"
	}
	return fmt.Errorf("%w: %s (%q)", device.ErrRefused, text, code)
}

// readBlock reads frame 71: a PIN block, a null PIN, or an error.
func readBlock(data []byte, req device.PINRequest) (block device.PINBlock, err error) {
	if len(data) == 3 && data[2] != '.' {
		return block, refused(entryErrors, data[2])
	}
	if len(data) < 8 || data[2] != '.' || data[3] != '0' || string(data[6:8]) != "01" {
		return block, fmt.Errorf("%w: frame 71 of %d bytes has another form", device.ErrProtocol, len(data))
	}
	tens, units := data[4]-'0', data[5]-'0'
	if tens > 9 || units > 9 {
		return block, fmt.Errorf("%w: frame 71: number of digits is no number", device.ErrProtocol)
	}
	block.Digits = int(tens)*10 + int(units)
	switch {
	case block.Digits == 0 && req.AllowBypass:
		return device.PINBlock{}, device.ErrBypassed
	case block.Digits < req.MinDigits || block.Digits > req.MaxDigits:
		return device.PINBlock{}, fmt.Errorf("%w: frame 71: PIN of another length than asked for", device.ErrProtocol)
	case len(data) != 24:
		return device.PINBlock{}, fmt.Errorf("%w: frame 71 of %d bytes, 24 wanted", device.ErrProtocol, len(data))
	}
	if _, err := hex.Decode(block.Block[:], data[8:]); err != nil {
		return device.PINBlock{}, fmt.Errorf("%w: frame 71: block is not hexadecimal", device.ErrProtocol)
	}
	return block, nil
}
