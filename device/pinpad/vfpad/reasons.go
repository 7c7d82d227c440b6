package vfpad

import (
	"fmt"

	"posd/device"
)

// Errors in frame 71 of master and session keys. UIC PP791, "Message 71".
var entryErrors = map[byte]string{
	'0': "no account number",
	'1': "working key does not fit the master key",
	'2': "account number too short",
	'3': "account number too long",
	'4': "account number is not digits",
	'5': "working key is malformed",
	'6': "time-out value is malformed",
	'7': "too many PIN entries in too short a time",
	'8': "amount, lengths, bypass flag or prompt are malformed",
	'9': "no master key in the selected slot",
	'A': "selected slot is not for PINs",
	'B': "memory of the pad is broken",
	'C': "memory of the pad is full",
	'E': "a field is too long or too short",
	'G': "prompt is not allowed",
}

// Errors in frame 71 of DUKPT. UIC PP791, "Message 71" of section 10; VeriFone's pads have
// 1, 2, 5 and 6 of their own.
var dukptErrors = map[byte]string{
	'0': "no account number",
	'1': "no initial key",
	'2': "account number too short",
	'3': "account number too long",
	'4': "account number is not digits",
	'5': "debit or credit indicator is malformed",
	'6': "time-out value is malformed, or the counter of the initial key has ended",
	'8': "amount, lengths or prompt are malformed",
	'A': "no initial key",
	'B': "memory of the pad is broken",
	'C': "memory of the pad is full",
	'F': "the counter of the initial key has ended",
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

// Errors in frame 91. UIC PP791, "Message 91".
var initialErrors = map[byte]string{
	'1': "the loading was not authenticated",
	'2': "key or serial number is malformed",
	'3': "memory of the pad is full",
	'4': "memory of the pad is broken",
	'A': "key block is malformed",
	'B': "the key is longer than the one that protects it",
	'C': "MAC of the key block differs",
	'D': "the pad has no key block protection key",
	'F': "too many key loads",
}

// Errors in frame Z67. UIC PP791, "Message Z67".
var macErrors = map[byte]string{
	'1': "the pad waits for more of the message",
	'2': "parts of the message are out of order",
	'3': "no master key in the slot, or one that is not for MACs",
	'4': "second master key does not fit",
	'5': "length of the message",
	'6': "kind of the frame",
	'7': "message is malformed",
	'8': "working key is malformed",
	'9': "MAC key is too short",
	'A': "working key does not fit the master key",
}

func refused(words map[byte]string, code byte) error {
	text, ok := words[code]
	if !ok {
		text = "unknown reason"
	}
	return fmt.Errorf("%w: %s (%q)", device.ErrRefused, text, code)
}
