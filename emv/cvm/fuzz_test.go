package cvm_test

import (
	"bytes"
	"testing"

	"posd/emv"
	"posd/emv/cvm"
)

// FuzzList: any list is walked to a verdict that can be, and asks no more than it has rules.
func FuzzList(f *testing.F) {
	f.Add([]byte{0, 0, 7, 0xD0, 0, 0, 1, 0xF4, 0x41, 3, 0x1F, 0}, byte(0xF8), uint64(1000))
	f.Add(make([]byte, 8), byte(0), uint64(0))
	for _, v := range readVectors(f) {
		f.Add(v.List, v.Capabilities[1], uint64(v.Amount.Minor))
	}
	f.Fuzz(func(t *testing.T, raw []byte, capabilities byte, amount uint64) {
		list, err := cvm.Parse(raw)
		if err != nil {
			return
		}
		if again := list.Append(nil); !bytes.Equal(again, raw) {
			t.Fatalf("read %X, wrote %X", raw, again)
		}
		asked := 0
		terms := cvm.Terms{Capabilities: cvm.Capabilities(capabilities), AmountMinor: amount, SameCurrency: true}
		v, err := cvm.Evaluate(list, terms, func(cvm.Method) (cvm.Attempt, error) { asked++; return cvm.Failed, nil })
		switch {
		case err != nil || asked > list.Len():
			t.Fatalf("asked %d times for %d rules: %v", asked, list.Len(), err)
		case v.Results[2] > 2:
			t.Fatalf("results %X", v.Results)
		case v.TVR&emv.CVMFailed != 0 && v.Results[2] != 1:
			t.Fatalf("results %X with TVR %v", v.Results, v.TVR)
		}
	})
}
