package card

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Methods and conditions of a CVM list, in the words of card files. EMV 4.4 Book 3,
// Annex C3.
var (
	cvmMethods = map[string]byte{
		"fail": 0x00, "plaintext-pin": 0x01, "online-pin": 0x02, "plaintext-pin+signature": 0x03,
		"enciphered-pin": 0x04, "enciphered-pin+signature": 0x05, "signature": 0x1E, "no-cvm": 0x1F,
	}
	cvmConditions = map[string]byte{
		"always": 0x00, "if-unattended-cash": 0x01, "if-not-cash": 0x02, "if-supported": 0x03,
		"if-manual-cash": 0x04, "if-cashback": 0x05,
		"if-under-x": 0x06, "if-over-x": 0x07, "if-under-y": 0x08, "if-over-y": 0x09,
	}
)

const (
	maxCVMRules = 100
	cvmGoOn     = 0x40 // apply the next rule if this one is unsuccessful
)

// parseCVM turns rules in words, separated by semicolons, into tag 8E with amounts X
// and Y in minor units. A rule that fails lets the next one try, unless it is the
// last one or ends with the word "final". A rule of 4 hexadecimal digits is taken as
// it stands.
func parseCVM(text string, x, y uint32) ([]byte, error) {
	rules := strings.Split(text, ";")
	if len(rules) > maxCVMRules {
		return nil, fmt.Errorf("%d rules, at most %d", len(rules), maxCVMRules)
	}
	list := binary.BigEndian.AppendUint32(nil, x)
	list = binary.BigEndian.AppendUint32(list, y)
	for i, text := range rules {
		rule, err := parseRule(text, i == len(rules)-1)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		list = append(list, rule[:]...)
	}
	return list, nil
}

func parseRule(text string, last bool) (rule [2]byte, err error) {
	words := strings.Fields(text)
	if len(words) == 1 && len(words[0]) == 4 {
		if _, err := hex.Decode(rule[:], []byte(words[0])); err == nil {
			return rule, nil
		}
	}
	if len(words) == 3 && words[2] == "final" {
		words, last = words[:2], true
	}
	if len(words) != 2 {
		return rule, fmt.Errorf("%q: method and condition wanted, as in \"online-pin if-supported\"", strings.TrimSpace(text))
	}
	method, ok := cvmMethods[words[0]]
	if !ok {
		return rule, fmt.Errorf("unknown method %q", words[0])
	}
	condition, ok := cvmConditions[words[1]]
	if !ok {
		return rule, fmt.Errorf("unknown condition %q", words[1])
	}
	if !last {
		method |= cvmGoOn
	}
	return [2]byte{method, condition}, nil
}
