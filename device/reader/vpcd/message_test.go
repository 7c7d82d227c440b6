package vpcd

import (
	"bytes"
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	for _, row := range []struct {
		name    string
		payload []byte
		want    []byte
	}{
		{"power on", []byte{powerOn}, []byte{0, 1, 1}},
		{"answer to reset?", []byte{askATR}, []byte{0, 1, 4}},
		{"empty", nil, []byte{0, 0}},
		{"258 bytes", make([]byte, 258), append([]byte{1, 2}, make([]byte, 258)...)},
	} {
		got := appendMessage(nil, row.payload)
		if !bytes.Equal(got, row.want) {
			t.Errorf("%s: got % X", row.name, got)
		}
		payload, rest, err := parseMessage(append(got, 7), maxPayload)
		if err != nil || !bytes.Equal(payload, row.payload) || !bytes.Equal(rest, []byte{7}) {
			t.Errorf("%s: read % X and % X, %v", row.name, payload, rest, err)
		}
	}
}

func TestParseMessageNamesWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		name    string
		message []byte
		want    string
	}{
		{"nothing", nil, "header of 0 bytes"},
		{"half a header", []byte{0}, "header of 1 bytes"},
		{"cut", []byte{0, 3, 1, 2}, "2 of 3 bytes"},
		{"longer than expected", []byte{0, 34}, "34 bytes, at most 33"},
	} {
		if _, _, err := parseMessage(row.message, maxATR); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q in it", row.name, err, row.want)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte{0, 1, 4, 0, 0}, maxPayload)
	f.Add([]byte{0, 2, 0x90, 0}, maxResponse)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		payload, rest, err := parseMessage(b, limit)
		if err != nil {
			return
		}
		if len(payload) > limit {
			t.Errorf("% X: %d bytes, at most %d were expected", b, len(payload), limit)
		}
		if again := append(appendMessage(nil, payload), rest...); !bytes.Equal(again, b) {
			t.Errorf("% X became % X", b, again)
		}
	})
}

func FuzzURL(f *testing.F) {
	f.Add("vpcd:")
	f.Add("vpcd://127.0.0.1:1?role=connect")
	f.Add("vpcd://[::1]:65535")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseURL(text)
		if err != nil {
			return
		}
		role := "listen"
		if a.Connect {
			role = "connect"
		}
		if again, err := ParseURL("vpcd://" + a.TCP + "?role=" + role); err != nil || again != a {
			t.Errorf("%q: %+v became %+v, %v", text, a, again, err)
		}
	})
}

func TestURLs(t *testing.T) {
	for _, row := range []struct {
		url  string
		want Address
		err  string
	}{
		{"vpcd:", Address{"127.0.0.1:35963", false}, ""},
		{"vpcd://127.0.0.1", Address{"127.0.0.1:35963", false}, ""},
		{"vpcd://:4000", Address{"127.0.0.1:4000", false}, ""},
		{"vpcd://localhost:35964?role=listen", Address{"localhost:35964", false}, ""},
		{"vpcd://[::1]:35963?role=connect", Address{"[::1]:35963", true}, ""},
		{"vpcd://0.0.0.0:35963", Address{}, "host 0.0.0.0 is not this machine"},
		{"vpcd://example.org:35963?role=connect", Address{}, "is not this machine"},
		{"vpcd://127.0.0.1:0", Address{}, `port "0"`},
		{"vpcd://127.0.0.1:65536", Address{}, `port "65536"`},
		{"vpcd://127.0.0.1/dev", Address{}, "not vpcd://"},
		{"vpcd:?role=both", Address{}, "neither listen nor connect"},
		{"vpcd:?baud=9600", Address{}, `unknown parameter "baud"`},
		{"ccid:", Address{}, "not vpcd://"},
	} {
		got, err := ParseURL(row.url)
		switch {
		case row.err == "" && (err != nil || got != row.want):
			t.Errorf("%s: %+v, %v, want %+v", row.url, got, err, row.want)
		case row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)):
			t.Errorf("%s: %+v, %v, want %q in the error", row.url, got, err, row.err)
		}
	}
}
