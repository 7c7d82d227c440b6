package simulate

import (
	"fmt"

	"posd/transport/iso8583"
)

var dialect = iso8583.CUP()

// named names a frame by its type, number and answer code, for the trace.
func named(frame []byte) string {
	if len(frame) == 0 {
		return "nothing"
	}
	_, m, err := dialect.Parse(frame)
	if err != nil {
		return "unreadable frame"
	}
	k := m.Key()
	code := ""
	switch m := m.(type) {
	case *iso8583.FinancialResponse:
		code = m.Code
	case *iso8583.ReversalResponse:
		code = m.Code
	case *iso8583.NetworkResponse:
		code = m.Code
	}
	if code != "" {
		code = " says " + code
	}
	return fmt.Sprintf("%T %06d%s", m, k.STAN, code)[len("*iso8583."):]
}
