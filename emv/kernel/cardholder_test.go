package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/tag"
)

// entered is a plaintext PIN block of ISO 9564 format 2, as a pad makes it.
func entered() PINResult {
	return PINResult{Status: PINEntered, VerifyData: unhex("241234FFFFFFFFFF")}
}

// TestPINs: points 24, 26, 27, 28, 29 and 30, from the cardholder's entry to the CVM Results.
func TestPINs(t *testing.T) {
	const (
		plainPIN  = "4100"
		onlinePIN = "0200"
		orSigns   = "5E00"
	)
	for _, row := range []struct {
		situation string
		rules     string
		holder    person
		card      func(*fake)
		results   string
		tvr       emv.TVR
		verify    int // VERIFY commands
		asked     string
	}{
		{"online PIN", onlinePIN, person{pins: []PINResult{{Status: PINEntered}}}, nil, "020000", emv.OnlinePINEntered, 0, "online"},
		{"online PIN, pad broken", onlinePIN, person{pins: []PINResult{{Status: PINPadFailed}}}, nil, "020001", emv.CVMFailed | emv.PINPadMissing, 0, "online"},
		{"offline PIN right", plainPIN, person{pins: []PINResult{entered()}}, nil, "410002", 0, 1, "3"},
		{"right at the second try", plainPIN, person{pins: []PINResult{entered(), entered()}}, func(f *fake) { f.on("0020", "63C2", "9000") }, "410002", 0, 2, "3 2 again"},
		{"last try", plainPIN, person{pins: []PINResult{entered()}}, func(f *fake) { f.on("80CA9F17", "9F170101 9000") }, "410002", 0, 1, "1"},
		{"counter unknown", plainPIN, person{pins: []PINResult{entered()}}, func(f *fake) { f.on("80CA9F17", "6A88") }, "410002", 0, 1, "0"},
		{"no tries left, not asked", plainPIN + orSigns, person{}, func(f *fake) { f.on("80CA9F17", "9F170100 9000") }, "5E0000", emv.PINTryLimit, 0, ""},
		{"wrong until blocked", plainPIN + orSigns, person{pins: []PINResult{entered(), entered(), entered()}}, func(f *fake) { f.on("0020", "63C2", "63C1", "63C0") }, "5E0000", emv.PINTryLimit, 3, "3 2 again 1 again"},
		{"blocked already", plainPIN, person{pins: []PINResult{entered()}}, func(f *fake) { f.on("0020", "6983") }, "410001", emv.CVMFailed | emv.PINTryLimit, 1, "3"},
		{"bypass counts for all", plainPIN + "4200" + orSigns, person{pins: []PINResult{{Status: PINBypassed}}}, nil, "5E0000", emv.PINNotEntered, 0, "3"},
		{"PIN and signature", "0300", person{pins: []PINResult{entered()}}, nil, "030000", 0, 1, "3"},
		{"counter never falls: bounded", plainPIN, person{pins: many(40)}, func(f *fake) { f.on("0020", "63C3") }, "410001", emv.CVMFailed, 16, ""},
		{"enciphered without any key", "4400" + orSigns, person{}, nil, "5E0000", 0, 0, ""},
		{"amounts alone (point 24)", "", person{}, nil, "3F0000", emv.ICCDataMissing, 0, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			rec := plain()
			rec[tag.CVMList] = "0000000000000000" + row.rules
			u := newSetup(rec)
			u.cfg.Data[tag.TerminalCapabilities] = unhex("E0F8C8")
			u.card.on("80CA9F17", "9F170103 9000").on("0020", "9000")
			if row.card != nil {
				row.card(u.card)
			}
			u.holder = &row.holder
			r := u.run(t)
			r.want(t, emv.Approved, "00", false)
			bits := emv.CVMFailed | emv.CVMUnknown | emv.PINTryLimit | emv.PINPadMissing | emv.PINNotEntered | emv.OnlinePINEntered | emv.ICCDataMissing
			if got := fmt.Sprintf("%X", r.Facts.CVMResults); got != row.results || r.Facts.TVR&bits != row.tvr {
				t.Errorf("results %s, TVR %s; want %s, %s", got, (r.Facts.TVR & bits).Names(), row.results, row.tvr.Names())
			}
			if n := len(u.card.sentWith("0020")); n != row.verify {
				t.Errorf("%d VERIFY, want %d", n, row.verify)
			}
			if got := u.holder.said(); row.verify < 10 && got != row.asked {
				t.Errorf("asked %q, want %q", got, row.asked)
			}
			if u.issuer.got.OnlinePIN != (row.tvr&emv.OnlinePINEntered != 0) {
				t.Errorf("request says online PIN %v", u.issuer.got.OnlinePIN)
			}
			if (r.Facts.TSI&emv.CVMPerformed == 0) != (row.rules == "") {
				t.Errorf("TSI %v", r.Facts.TSI)
			}
		})
	}
}

func many(n int) []PINResult {
	out := make([]PINResult, n)
	for i := range out {
		out[i] = entered()
	}
	return out
}

// said is what the cardholder was asked, one word an entry.
func (p *person) said() string {
	var words []string
	for _, req := range p.asked {
		word := fmt.Sprint(req.TriesLeft)
		if req.Online {
			word = "online"
		}
		if req.Again {
			word += " again"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestBypassAskedAgain: point 28, by setting.
func TestBypassAskedAgain(t *testing.T) {
	rec := plain()
	rec[tag.CVMList] = "0000000000000000" + "41000200"
	u := newSetup(rec)
	u.cfg.AskPINAfterBypass = true
	u.holder.pins = []PINResult{{Status: PINBypassed}, {Status: PINEntered}}
	r := u.run(t)
	if got := fmt.Sprintf("%X", r.Facts.CVMResults); got != "020000" || r.Facts.TVR&(emv.PINNotEntered|emv.OnlinePINEntered) != emv.PINNotEntered|emv.OnlinePINEntered {
		t.Errorf("results %s, TVR %v", got, r.Facts.TVR)
	}
}

// TestVERIFYData: the block goes to the card as the pad made it, and is wiped.
func TestVERIFYData(t *testing.T) {
	rec := plain()
	rec[tag.CVMList] = "0000000000000000" + "4100"
	u := newSetup(rec)
	block := entered()
	u.holder.pins = []PINResult{block}
	u.card.on("0020", "9000")
	var traced []string
	u.cfg.Trace = func(e Event) {
		if e.Command != nil {
			traced = append(traced, fmt.Sprintf("%X", e.Command.Append(nil)))
		}
		if e.Response != nil {
			traced = append(traced, fmt.Sprintf("%X", e.Response.Append(nil)))
		}
	}
	u.run(t)
	if got := u.card.sentWith("0020"); len(got) != 1 || got[0] != "0020008008241234FFFFFFFFFF" {
		t.Errorf("sent %q", got)
	}
	if !bytes.Equal(block.VerifyData, make([]byte, 8)) {
		t.Errorf("PIN block is still there: %X", block.VerifyData)
	}
	for _, line := range traced {
		if strings.Contains(line, "241234") || strings.Contains(line, "6277000000000017") {
			t.Errorf("trace shows %s", line)
		}
	}
}

// TestCardholderEndings: points 28 and 43, cancel is an outcome, a broken port an error.
func TestCardholderEndings(t *testing.T) {
	rec := plain()
	rec[tag.CVMList] = "0000000000000000" + "0200"
	u := newSetup(rec)
	u.holder.err = fmt.Errorf("pad: %w", ErrCancelled)
	r := u.run(t)
	r.want(t, emv.Cancelled, "", false)

	u = newSetup(rec)
	u.holder.err = errors.New("line is dead")
	if _, err := u.try(t); !errors.Is(err, u.holder.err) {
		t.Errorf("broken pad port: %v", err)
	}

	u = newSetup(rec)
	u.holder.pins = []PINResult{{}}
	if _, err := u.try(t); err == nil {
		t.Error("a status that is none")
	}

	rec[tag.CVMList] = "0000000000000000" + "0100"
	u = newSetup(rec)
	u.holder.pins = []PINResult{{Status: PINEntered, VerifyData: []byte{0x24}}}
	if _, err := u.try(t); err == nil {
		t.Error("VERIFY data of one byte")
	}

	u = newSetup(rec)
	u.holder.pins = []PINResult{entered()}
	u.card.on("0020", "6A80")
	r = u.run(t)
	r.want(t, emv.Terminated, "", false)

	rec[tag.CVMList] = "000000000000000041"
	u = newSetup(rec)
	r = u.run(t)
	r.want(t, emv.Terminated, "", false)
}
