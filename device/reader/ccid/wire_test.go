package ccid_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/device"
	"posd/device/link"
	"posd/device/link/linktest"
	"posd/device/reader/ccid"
)

// frame is a line of a wire: the message in its frame.
func frame(t *testing.T, way, message string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll("0306"+message, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s % X %02X\n", way, b, link.LRC(b...))
}

// reset is PowerOn of a card that needs nothing said.
func reset(t *testing.T) string {
	return frame(t, ">", "62 00000000 00 01 010000") + frame(t, "<", "80 02000000 00 01 000000 3B00") +
		frame(t, ">", "61 05000000 00 02 000000 11 00 00 0A 00") + frame(t, "<", "82 00000000 00 02 000000")
}

// poweredOn replays a wire that begins with reset, up to there.
func poweredOn(t *testing.T, wire string) (*ccid.Reader, *linktest.Player) {
	t.Helper()
	line, err := linktest.Replay(strings.NewReader(wire))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ccid.New(line, ccid.Config{Profile: ccid.SEC1210})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, line
}

// Each row pulls the card and puts it back in a way that leaves one trace only.
func TestEveryTraceOfAPulledCardEndsTheSession(t *testing.T) {
	status := frame(t, ">", "65 00000000 00 03 000000")
	active := frame(t, "<", "81 00000000 00 03 000000")
	xfr := frame(t, ">", "6F 05000000 00 03 000000 00B2010C00")
	ok := frame(t, "<", "80 02000000 00 03 000000 9000")
	for _, row := range []struct {
		name, wire string
		ask        bool // for the slot's status before the command
	}{
		{"told before an answer that knows nothing of it", status + "< 50 02 50 03\n" + active, true},
		{"in a status without power", status + frame(t, "<", "81 00000000 00 03 010000"), true},
		{"told while the command is under way", xfr + "< 50 02\n" + ok, false},
		{"in the command's answer", xfr + frame(t, "<", "80 00000000 00 03 41FE00"), false},
	} {
		r, line := poweredOn(t, reset(t)+row.wire)
		if row.ask {
			if err := r.WaitCard(t.Context(), true); err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
		}
		if _, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrNoCard) {
			t.Errorf("%s: %v, want %v", row.name, err, device.ErrNoCard)
		}
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestReaderIsToldOfTheCard(t *testing.T) {
	for _, row := range []struct{ name, atr, parameters string }{
		{"inverse convention", "3F00", "11 02 00 0A 00"},
		{"guard time and waiting integer", "3BC0 02 40 0C", "11 00 02 0C 00"},
		{"TA1 of a card that could be asked to change is not used", "3B10 95", "11 00 00 0A 00"},
		{"TA1 of a card in specific mode", "3B90 95 10 00", "95 00 00 0A 00"},
	} {
		n := len(strings.ReplaceAll(row.atr, " ", "")) / 2
		_, line := poweredOn(t, frame(t, ">", "62 00000000 00 01 010000")+
			frame(t, "<", fmt.Sprintf("80 %02X000000 00 01 000000 %s", n, row.atr))+
			frame(t, ">", "61 05000000 00 02 000000"+row.parameters)+frame(t, "<", "82 00000000 00 02 000000"))
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestReaderThatNeverComesToAnEnd(t *testing.T) {
	xfr := frame(t, ">", "6F 05000000 00 03 000000 00B2010C00")
	for _, row := range []struct{ name, wire string }{
		{"time requests", "< " + strings.Repeat("81 ", 200)},
		{"more time", strings.Repeat(frame(t, "<", "80 00000000 00 03 800100"), 200)},
		{"noise", "< " + strings.Repeat("00 ", 600)},
		{"answers to others", strings.Repeat(frame(t, "<", "80 02000000 00 77 000000 9000"), 600)},
		{"another type of answer", frame(t, "<", "81 00000000 00 03 000000")},
	} {
		r, _ := poweredOn(t, reset(t)+xfr+row.wire)
		if got, err := r.Transmit(t.Context(), readRecord); !errors.Is(err, device.ErrProtocol) {
			t.Errorf("%s: % X, %v; want %v", row.name, got, err, device.ErrProtocol)
		}
	}
}

// Every bError becomes what its reader needs to know.
func TestErrors(t *testing.T) {
	xfr := frame(t, ">", "6F 05000000 00 03 000000 00B2010C00")
	for _, row := range []struct {
		status, code byte
		want         error
		text         string
	}{
		{0x42, 0xFE, device.ErrNoCard, "slot is empty"},
		{0x40, 0xFE, device.ErrMute, "does not answer"},
		{0x40, 0xFD, device.ErrMute, "parity"},
		{0x40, 0xF4, device.ErrMute, "procedure byte"},
		{0x40, 0xE0, device.ErrRefused, "busy"},
		{0x40, 0x00, device.ErrRefused, "command is not supported"},
		{0x40, 0x07, device.ErrRefused, "parameter at offset 7"},
		{0x40, 0xC0, device.ErrRefused, "reason of the reader's own (bStatus 40, bError C0)"},
	} {
		r, _ := poweredOn(t, reset(t)+xfr+frame(t, "<", fmt.Sprintf("80 00000000 00 03 %02X%02X00", row.status, row.code)))
		_, err := r.Transmit(t.Context(), readRecord)
		if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
			t.Errorf("bError %02X: %v, want %v with %q", row.code, err, row.want, row.text)
		}
	}
}

func TestFirmwareIsAskedAsTheProfileWantsIt(t *testing.T) {
	for profile, ask := range map[ccid.Profile]string{ccid.GemPC: "02", ccid.SEC1210: "06"} {
		line, err := linktest.Replay(strings.NewReader(frame(t, ">", "6B 01000000 00 01 000000"+ask) +
			frame(t, "<", "83 06000000 00 01 000000"+hex.EncodeToString([]byte("V1.00\x00")))))
		if err != nil {
			t.Fatal(err)
		}
		r, err := ccid.New(line, ccid.Config{Profile: profile})
		if err != nil {
			t.Fatal(err)
		}
		if name, err := r.Firmware(t.Context()); name != "V1.00" || err != nil {
			t.Errorf("%q, %v", name, err)
		}
		if big := bytes.Repeat([]byte{1}, 262); profile == ccid.GemPC {
			if _, err := r.Escape(t.Context(), big); err == nil || !strings.Contains(err.Error(), "262 bytes") {
				t.Errorf("262 bytes: %v", err)
			}
		}
	}
}
