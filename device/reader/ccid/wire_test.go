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
	return frame(t, ">", "62 00000000 00 01 010000") + frame(t, "<", "80 04000000 00 01 000000 3B600000") +
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

// on is a PowerOn in the replay: what the card answers to reset, at which voltage.
func on(t *testing.T, seq, voltage byte, atr string) string {
	n := len(strings.ReplaceAll(atr, " ", "")) / 2
	return frame(t, ">", fmt.Sprintf("62 00000000 00 %02X %02X0000", seq, voltage)) +
		frame(t, "<", fmt.Sprintf("80 %02X000000 00 %02X 000000 %s", n, seq, atr))
}

// check is TCK: all characters behind TS, exclusive-or.
func check(t *testing.T, atr string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(atr, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%02X", link.LRC(b[1:]...))
}

func TestReaderIsToldOfTheCard(t *testing.T) {
	for _, row := range []struct{ name, atr, parameters string }{
		{"nothing said", "3B60 0000", "05 00 11 00 00 0A 00"},
		{"inverse convention", "3F60 0000", "05 00 11 02 00 0A 00"},
		{"guard time and waiting integer", "3BE0 00 02 40 0A", "05 00 11 00 02 0A 00"},
		{"TA1 of a card that could be asked to change is not used", "3B70 95 0000", "05 00 11 00 00 0A 00"},
		{"TA1 of a card in specific mode", "3BF0 13 0000 10 00", "05 00 13 00 00 0A 00"},
		{"T=1", "3BE0 0000 81 31 20 45", "07 01 11 10 00 45 00 20 00"},
		{"T=1, inverse, guard time, IFSC", "3FE0 0001 81 31 FE 34", "07 01 11 12 01 34 00 FE 00"},
		{"T=1, specific mode", "3BF0 12 0000 91 01 31 FE 45", "07 01 12 10 00 45 00 FE 00"},
	} {
		f := strings.Fields(row.parameters)
		if f[1] == "01" {
			row.atr += check(t, row.atr)
		}
		wire := on(t, 1, 1, row.atr) + frame(t, ">", "61 "+f[0]+"000000 00 02 "+f[1]+"0000"+strings.Join(f[2:], "")) +
			frame(t, "<", "82 00000000 00 02 000000")
		if f[1] == "01" {
			wire += frame(t, ">", "6F 05000000 00 03 000000 00C101FE3E") + frame(t, "<", "80 05000000 00 03 000000 00E101FE1E")
		}
		_, line := poweredOn(t, wire)
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// A GemPC is asked for notices with its answers before the first command about the slot,
// unless the configuration leaves it alone; a SEC1210 never.
func TestMovementNotices(t *testing.T) {
	movement := frame(t, ">", "6B 03000000 00 01 000000 010101")
	status := frame(t, ">", "65 00000000 00 02 000000") + frame(t, "<", "81 00000000 00 02 010000")
	first := frame(t, ">", "65 00000000 00 01 000000") + frame(t, "<", "81 00000000 00 01 010000")
	for _, row := range []struct {
		name   string
		config ccid.Config
		wire   string
	}{
		{"gempc", ccid.Config{}, movement + frame(t, "<", "83 00000000 00 01 010000") + status},
		{"gempc that does not know it", ccid.Config{}, movement + frame(t, "<", "83 00000000 00 01 410A00") + status},
		{"gempc that tells in between", ccid.Config{}, movement + frame(t, "<", "83 00000000 00 01 010000") +
			frame(t, ">", "65 00000000 00 02 000000") + "< 50 03\n" + frame(t, "<", "81 00000000 00 02 010000")},
		{"gempc, left alone", ccid.Config{Unasked: true}, first},
		{"sec1210", ccid.Config{Profile: ccid.SEC1210}, first},
	} {
		line, err := linktest.Replay(strings.NewReader(row.wire))
		if err != nil {
			t.Fatal(err)
		}
		r, err := ccid.New(line, row.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.WaitCard(t.Context(), true); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// What a reset can come to, command by command: voltages in their order, cold again for one
// that failed, warm for an answer that is not good.
func TestResets(t *testing.T) {
	mute := func(seq, voltage byte) string {
		return frame(t, ">", fmt.Sprintf("62 00000000 00 %02X %02X0000", seq, voltage)) + frame(t, "<", fmt.Sprintf("80 00000000 00 %02X 41FE00", seq))
	}
	off := func(seq byte) string {
		return frame(t, ">", fmt.Sprintf("63 00000000 00 %02X 000000", seq)) + frame(t, "<", fmt.Sprintf("81 00000000 00 %02X 010000", seq))
	}
	set := func(seq byte) string {
		return frame(t, ">", fmt.Sprintf("61 05000000 00 %02X 000000 11 00 00 0A 00", seq)) + frame(t, "<", fmt.Sprintf("82 00000000 00 %02X 000000", seq))
	}
	good, bad := "3B600000", "3A600000"
	for _, row := range []struct {
		name, wire string
		anyATR     bool
		want       error
		text       string
	}{
		{name: "5 V", wire: on(t, 1, 1, good) + set(2)},
		{name: "5 V the second time, cold", wire: mute(1, 1) + off(2) + on(t, 3, 1, good) + set(4)},
		{name: "3 V", wire: mute(1, 1) + off(2) + mute(3, 1) + off(4) + on(t, 5, 2, good) + set(6)},
		{name: "1.8 V", wire: mute(1, 1) + off(2) + mute(3, 1) + off(4) + mute(5, 2) + off(6) + on(t, 7, 3, good) + set(8)},
		{name: "no voltage", wire: mute(1, 1) + off(2) + mute(3, 1) + off(4) + mute(5, 2) + off(6) + mute(7, 3) + off(8), want: device.ErrMute, text: "bError FE"},
		{name: "reader without 3 V", wire: mute(1, 1) + off(2) + mute(3, 1) + off(4) + frame(t, ">", "62 00000000 00 05 020000") + frame(t, "<", "80 00000000 00 05 410700") + off(6), want: device.ErrMute, text: "bError FE"},
		{name: "garbled, good after a warm reset", wire: on(t, 1, 1, bad) + on(t, 2, 1, good) + set(3)},
		{name: "garbled, mute after a warm reset, good after a cold one", wire: on(t, 1, 1, bad) + mute(2, 1) + off(3) + on(t, 4, 1, good) + set(5)},
		{name: "garbled cold and warm, then good", wire: on(t, 1, 1, bad) + on(t, 2, 1, bad) + off(3) + on(t, 4, 1, good) + set(5)},
		{name: "TB1 missing: not good for EMV, unless after a warm reset", wire: on(t, 1, 1, "3B00") + on(t, 2, 1, "3B00") + set(3)},
		{name: "TB2: never good, at no voltage", wire: on(t, 1, 1, "3BE000002000") + on(t, 2, 1, "3BE000002000") + off(3), want: device.ErrMute, text: "not for EMV: TB2"},
		{name: "TB2, in the laboratory", anyATR: true, wire: on(t, 1, 1, "3BE000002000") + set(2)},
		{name: "T=14", anyATR: true, wire: on(t, 1, 1, "3B800E8E") + off(2), want: device.ErrRefused, text: "T=14"},
		{name: "factors that are reserved", anyATR: true, wire: on(t, 1, 1, "3B901F1000") + off(2), want: nil, text: "factors 1F"},
		{name: "parameters refused", wire: on(t, 1, 1, good) + frame(t, ">", "61 05000000 00 02 000000 11 00 00 0A 00") + frame(t, "<", "82 00000000 00 02 400A00"), want: device.ErrRefused, text: "offset 10"},
		{name: "parameters are not the reader's to be told", wire: on(t, 1, 1, good) + frame(t, ">", "61 05000000 00 02 000000 11 00 00 0A 00") + frame(t, "<", "82 00000000 00 02 400000")},
		{name: "card gone in the middle", wire: mute(1, 1) + off(2) + frame(t, ">", "62 00000000 00 03 010000") + frame(t, "<", "80 00000000 00 03 42FE00"), want: device.ErrNoCard, text: "slot is empty"},
	} {
		line, err := linktest.Replay(strings.NewReader(row.wire))
		if err != nil {
			t.Fatal(err)
		}
		r, err := ccid.New(line, ccid.Config{Profile: ccid.SEC1210, AnyATR: row.anyATR})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.PowerOn(t.Context())
		if (err == nil) != (row.text == "") || row.want != nil && !errors.Is(err, row.want) || err != nil && !strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: %v, want %v with %q", row.name, err, row.want, row.text)
		}
		if err := line.Done(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// A block of T=1 goes out as it is, and with the time that the card asked for.
func TestBlocksOfT1OnTheLine(t *testing.T) {
	block := func(seq byte, bwi string, out, in string) string {
		n := func(s string) int { return len(s) / 2 }
		return frame(t, ">", fmt.Sprintf("6F %02X000000 00 %02X %s0000 %s", n(out), seq, bwi, out)) +
			frame(t, "<", fmt.Sprintf("80 %02X000000 00 %02X 000000 %s", n(in), seq, in))
	}
	silent := func(seq byte, out string) string {
		return frame(t, ">", fmt.Sprintf("6F %02X000000 00 %02X 000000 %s", len(out)/2, seq, out)) +
			frame(t, "<", fmt.Sprintf("80 00000000 00 %02X 40FE00", seq))
	}
	begin := on(t, 1, 1, "3BE00000813120 4535") + frame(t, ">", "61 07000000 00 02 010000 11100045002000") + frame(t, "<", "82 00000000 00 02 000000") +
		block(3, "00", "00C101FE3E", "00E101FE1E")
	off := frame(t, ">", "63 00000000 00 0A 000000") + frame(t, "<", "81 00000000 00 0A 010000")
	i := "00000500B2010C00BA"
	for _, row := range []struct {
		name, wire string
		want       error
	}{
		{"at once", block(4, "00", i, "000003079000"+"94"), nil},
		{"with more time", block(4, "00", i, "00C3010AC8") + block(5, "0A", "00E3010AE8", "00000307900094"), nil},
		{"silence: an R-block", silent(4, i) + block(5, "00", "00820082", "00000307900094"), nil},
		{
			"silence for good: without power", silent(4, i) + silent(5, "00820082") + silent(6, "00820082") +
				silent(7, "00C000C0") + silent(8, "00C000C0") + silent(9, "00C000C0") + off, device.ErrMute,
		},
		{"pulled", frame(t, ">", "6F 09000000 00 04 000000 "+i) + "< 50 02\n" + frame(t, "<", "80 07000000 00 04 000000 00000307900094"), device.ErrNoCard},
		{"reader refuses", frame(t, ">", "6F 09000000 00 04 000000 "+i) + frame(t, "<", "80 00000000 00 04 40E000"), device.ErrRefused},
	} {
		r, line := poweredOn(t, begin+row.wire)
		got, err := r.Transmit(t.Context(), readRecord)
		if !errors.Is(err, row.want) || err == nil && !bytes.Equal(got, []byte{7, 0x90, 0}) {
			t.Errorf("%s: % X, %v; want %v", row.name, got, err, row.want)
		}
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
