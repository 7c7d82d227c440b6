package iso7816

import (
	"testing"
	"time"
)

// The figures are those of the standard's formulas with EMV's margins, done by hand in
// etu: at 1 MHz and F=372, D=1 an etu is 372 µs, at 3.579545 MHz 103.923 µs.
func TestTiming(t *testing.T) {
	const us = time.Microsecond
	etu := func(n int) time.Duration { return time.Duration(n) * 372 * us }
	for _, row := range []struct {
		name, atr string
		fiDi      byte
		want      Timing
	}{
		{
			"T=0, nothing said: WWT 9600 + 480", "3B 60 00 00", 0x11,
			Timing{ETU: etu(1), Turnaround: etu(16), WorkWaiting: etu(10080), CharWaiting: etu(8207), BlockWaiting: etu(11 + 15360 + 960)},
		},
		{
			"T=1, BWI 4, CWI 5: BWT 15371 + 960, CWT 43 + 4", "3B E0 00 00 81 31 20 45", 0x11,
			Timing{ETU: etu(1), Turnaround: etu(22), WorkWaiting: etu(10080), CharWaiting: etu(47), BlockWaiting: etu(16331)},
		},
		{
			"D=4: etu and CWT a quarter, WWT and BWT in clock cycles stay", "3B E0 00 00 81 31 20 45", 0x13,
			Timing{ETU: 93 * us, Turnaround: 22 * 93 * us, WorkWaiting: etu(10080), CharWaiting: 47 * 93 * us, BlockWaiting: 11*93*us + etu(15360+960)},
		},
		{
			"BWI 9 and WI 255, which are minutes: capped", "3B E0 00 00 C1 FF 31 FE 9F", 0x11,
			Timing{ETU: etu(1), Turnaround: etu(22), WorkWaiting: 10 * time.Second, CharWaiting: 10 * time.Second, BlockWaiting: 10 * time.Second},
		},
		{
			"extra guard time", "3B 60 00 02", 0x11,
			Timing{ETU: etu(1), ExtraGuard: etu(2), Turnaround: etu(16), WorkWaiting: etu(10080), CharWaiting: etu(8207), BlockWaiting: etu(16331)},
		},
		{
			"extra guard time of a card with global bytes counts as TA1 says", "3B F0 12 00 02 80 1F 03", 0x11,
			Timing{ETU: etu(1), ExtraGuard: etu(1), Turnaround: etu(16), WorkWaiting: etu(10080), CharWaiting: etu(8207), BlockWaiting: etu(16331)},
		},
		{
			"TC1 FF is none", "3B 60 00 FF", 0x11,
			Timing{ETU: etu(1), Turnaround: etu(16), WorkWaiting: etu(10080), CharWaiting: etu(8207), BlockWaiting: etu(16331)},
		},
	} {
		a, err := ParseATR(unhex(t, row.atr))
		if err != nil {
			a = atrOf(t, row.atr)
		}
		got, err := a.Timing(1_000_000, row.fiDi)
		if err != nil || got != row.want {
			t.Errorf("%s: got %+v, %v; want %+v", row.name, got, err, row.want)
		}
	}
	real, err := atrOf(t, "3B E0 00 00 81 31 20 45").Timing(3_579_545, DefaultFiDi)
	if err != nil || real.ETU.Round(us/10) != 103900*time.Nanosecond || real.BlockWaiting.Round(10*time.Millisecond) != 1700*time.Millisecond {
		t.Errorf("at 3.579545 MHz: %+v, %v", real, err)
	}
	for _, bad := range []byte{0x10, 0x1A, 0x7F, 0xE1} {
		if _, err := (ATR{Raw: []byte{0x3B, 0}}).Timing(1_000_000, bad); err == nil {
			t.Errorf("factors %02X are reserved", bad)
		}
	}
	if _, err := (ATR{Raw: []byte{0x3B, 0}}).Timing(0, DefaultFiDi); err == nil {
		t.Error("no clock")
	}
}

func TestExtendedBlockWaitingTime(t *testing.T) {
	w := Timing{BlockWaiting: 1700 * time.Millisecond}
	for times, want := range map[byte]time.Duration{0: w.BlockWaiting, 1: w.BlockWaiting, 3: 5100 * time.Millisecond, 255: maxExtension} {
		if got := w.Block(times); got != want {
			t.Errorf("%d times: %v, want %v", times, got, want)
		}
	}
}

func TestInterfaceBytesOfT1AndGlobal(t *testing.T) {
	for _, row := range []struct {
		name, atr      string
		ifsc, bwi, cwi int
		crc            bool
		classes, stop  byte
	}{
		{"nothing said", "3B 00", 32, 4, 13, false, 1, 0},
		{"TA3 and TB3", "3B E0 00 00 81 31 FE 15", 254, 1, 5, false, 1, 0},
		{"TC3", "3B E0 00 00 81 71 20 45 01", 32, 4, 5, true, 1, 0},
		{"TA3 0 and FF are reserved", "3B E0 00 00 81 31 FF A5", 32, 9, 5, false, 1, 0},
		{"behind T=0", "3B 80 80 31 80 12", 128, 1, 2, false, 1, 0},
		{"bytes of another protocol are not those of T=1", "3B 80 80 3E 80 12", 32, 4, 13, false, 1, 0},
		{"only the first level of T=1 counts", "3B 80 80 B1 40 45 31 50 12", 64, 4, 5, false, 1, 0},
		{"global: classes A to C, clock stop in either state", "3B 80 80 B1 40 45 1F C7", 64, 4, 5, false, 7, 3},
	} {
		a, err := ParseATR(unhex(t, row.atr))
		if err != nil {
			a = atrOf(t, row.atr)
		}
		bwi, cwi := a.WaitingIntegers()
		if a.IFSC() != row.ifsc || bwi != row.bwi || cwi != row.cwi || a.CRC() != row.crc {
			t.Errorf("%s: IFSC %d, BWI %d, CWI %d, CRC %v", row.name, a.IFSC(), bwi, cwi, a.CRC())
		}
		if a.Classes() != row.classes || a.ClockStop() != row.stop || a.StandardUse() != 0 {
			t.Errorf("%s: classes %d, clock stop %d, standard use %d", row.name, a.Classes(), a.ClockStop(), a.StandardUse())
		}
	}
	for atr, want := range map[string]byte{"3B 10 95": 0x11, "3B 90 95 10 00": 0x95, "3B 90 95 10 10": 0x11} {
		if a, err := ParseATR(unhex(t, atr)); err != nil || a.InForce() != want {
			t.Errorf("%s: in force %02X, %v; want %02X", atr, a.InForce(), err, want)
		}
	}
}
