package vpcd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"posd/device"
	"posd/device/link"
)

const maxPayload = 1<<16 - 1

// stream is a line on which all has come in already.
type stream struct{ io.Reader }

func (stream) Write(b []byte) (int, error)      { return len(b), nil }
func (stream) Close() error                     { return nil }
func (stream) SetReadDeadline(time.Time) error  { return nil }
func (stream) SetWriteDeadline(time.Time) error { return nil }

func lineOf(b []byte) *link.Link { return link.New("vpcd", stream{bytes.NewReader(b)}) }

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
		payload, err := receive(t.Context(), lineOf(got), maxPayload)
		if err != nil || !bytes.Equal(payload, row.payload) {
			t.Errorf("%s: read % X, %v", row.name, payload, err)
		}
	}
}

func TestReceiveNamesWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		name    string
		message []byte
		cause   error
		want    string
	}{
		{"nothing", nil, device.ErrGone, "0 of 2 bytes"},
		{"half a header", []byte{0}, device.ErrGone, "1 of 2 bytes"},
		{"cut", []byte{0, 3, 1, 2}, device.ErrGone, "2 of 3 bytes"},
		{"longer than expected", []byte{0, 34}, device.ErrProtocol, "34 bytes, at most 33"},
	} {
		if _, err := receive(t.Context(), lineOf(row.message), maxATR); !errors.Is(err, row.cause) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %v with %q", row.name, err, row.cause, row.want)
		}
	}
}

// FuzzMessage takes messages off any stream; put together again they are the stream, as
// far as they were whole and not too long.
func FuzzMessage(f *testing.F) {
	f.Add([]byte{0, 1, 4, 0, 0}, maxPayload)
	f.Add([]byte{0, 2, 0x90, 0, 0, 2, 0x61}, maxResponse)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		line := lineOf(b)
		var again []byte
		for {
			m, err := receive(context.Background(), line, limit)
			if err != nil {
				break
			}
			if len(m) > limit {
				t.Fatalf("% X: %d bytes, at most %d were expected", b, len(m), limit)
			}
			again = appendMessage(again, m)
		}
		if !bytes.HasPrefix(b, again) {
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
