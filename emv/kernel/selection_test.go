package kernel

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/tag"
)

const (
	selectPSE = "00A404000E315041592E5359532E4444463031"
	fciOfPSE  = "6F1E 840E315041592E5359532E4444463031 A50C 880102 5F2D02656E 9F110101 9000"
)

// fciOf writes an application's FCI.
func fciOf(name string, proprietary ...string) string {
	inner := object(tag.DFName, name) + object(tag.FCIProprietaryTemplate, strings.Join(proprietary, ""))
	return object(tag.FCITemplate, inner) + "9000"
}

// listedBy runs a session of which only the selection matters and returns the SELECTs
// of the listing and the final one.
func listedBy(t *testing.T, u *setup) (Result, string) {
	t.Helper()
	r := u.run(t)
	return r, strings.Join(u.card.sentWith("00A4"), " ")
}

// TestDirectory: points 6 and 7. A directory that is not as it should be leads to the
// list of AIDs; a blocked card leads nowhere.
func TestDirectory(t *testing.T) {
	good := object(0x70, object(0x61, "4F08"+aid+"5008554E494F4E504159870101")) + "9000"
	for _, row := range []struct {
		situation string
		pse       string
		records   []string
		byList    bool // the AID list was used
	}{
		{"good", fciOfPSE, []string{good, "6A83"}, false},
		{"A5 before 84 (2CA.119)", "6F1A A508 880102 5F2D02656E 840E315041592E5359532E4444463031 9000", []string{good, "6A83"}, false},
		{"two entries in one record", fciOfPSE, []string{object(0x70, object(0x61, "4F07A00000000410105002414 1")+good[4:len(good)-4]) + "9000", "6A83"}, false},
		{"entry for another directory", fciOfPSE, []string{object(0x70, object(0x61, "9D05A000000001")+good[4:len(good)-4]) + "9000", "6A83"}, false},
		{"no directory", "6A82", nil, true},
		{"directory is blocked", "6283", nil, true},
		{"SFI 11", strings.Replace(fciOfPSE, "880102", "88010B", 1), []string{good, "6A83"}, true},
		{"no SFI", "6F17 840E315041592E5359532E4444463031 A505 5F2D02656E 9000", nil, true},
		{"another DF name", fciOf("A000000333", "880102"), []string{good, "6A83"}, true},
		{"record that cannot be read", fciOfPSE, []string{good, "6985"}, true},
		{"empty directory", fciOfPSE, []string{"6A83"}, true},
		{"record without 61", fciOfPSE, []string{"70009000"}, true},
		{"record without 61 before a good one", fciOfPSE, []string{"70009000", good, "6A83"}, true},
		{"record without 70", fciOfPSE, []string{good[4:], "6A83"}, true},
		{"entry without AID", fciOfPSE, []string{object(0x70, object(0x61, "500441424344")) + "9000", "6A83"}, true},
		{"entry without label", fciOfPSE, []string{object(0x70, object(0x61, "4F08"+aid)) + "9000", "6A83"}, true},
		{"entry cut off", fciOfPSE, []string{"7004610A4F08 9000", "6A83"}, true},
		{"AID of 4 bytes", fciOfPSE, []string{object(0x70, object(0x61, "4F04A00000035003414243")) + "9000", "6A83"}, true},
		{"only others' applications", fciOfPSE, []string{object(0x70, object(0x61, "4F07A00000000410105003414243")) + "9000", "6A83"}, true},
		{"directory without end", fciOfPSE, []string{good}, true},
	} {
		t.Run(row.situation, func(t *testing.T) {
			u := newSetup(plain())
			u.cfg.UsePSE = true
			u.card.on(selectPSE, row.pse)
			if row.records != nil {
				u.card.on("00B2", row.records...)
			}
			r, sent := listedBy(t, u)
			r.want(t, emv.Approved, "00", false)
			if n := strings.Count(sent, select_); (n == 2) != row.byList {
				t.Errorf("by list: %v, want %v: %s", n == 2, row.byList, sent)
			}
		})
	}
}

// TestBlocked: a blocked card, or a blocked application, is not for the stripe either.
func TestBlocked(t *testing.T) {
	for _, row := range []struct {
		situation, pse, sel string
		fallback            bool
	}{
		{"card blocked, said of the directory", "6A81", "9000", false},
		{"card blocked, said of the application", "6A82", "6A81", false},
		{"application blocked", "6A82", fciOf(aid)[:len(fciOf(aid))-4] + "6283", false},
		{"nothing in common", "6A82", "6A82", true},
		{"FCI that is none", "6A82", "6F058403A000009000", true},
	} {
		u := newSetup(plain())
		u.cfg.UsePSE = true
		u.card.on(selectPSE, row.pse).on(select_, row.sel)
		r := u.run(t)
		if r.Outcome != emv.NotAccepted || r.Fallback != row.fallback {
			t.Errorf("%s: %v, fallback %v (%s)", row.situation, r.Outcome, r.Fallback, r.Why)
		}
	}
}

// TestPartial: points 8 and 9. A partial AID finds all that begin with it, until the
// card has no more or repeats itself; the same application counts once.
func TestPartial(t *testing.T) {
	const rid = "A000000333"
	next := "00A4040205" + rid
	for _, row := range []struct {
		situation string
		partial   bool
		first     string
		next      []string
		want      []string
	}{
		{"two, then no more", true, fciOf(rid + "01"), []string{fciOf(rid + "02"), "6A82"}, []string{"01", "02"}},
		{"repeats itself", true, fciOf(rid + "01"), []string{fciOf(rid + "01")}, []string{"01"}},
		{"blocked one in between", true, fciOf(rid + "01"), []string{strings.TrimSuffix(fciOf(rid+"02"), "9000") + "6283", fciOf(rid + "03"), "6A82"}, []string{"01", "03"}},
		{"comes back later", true, fciOf(rid + "01"), []string{fciOf(rid + "02"), fciOf(rid + "01"), "6A82"}, []string{"01", "02"}},
		{"exact only, the card's is longer", false, fciOf(rid + "01"), []string{fciOf(rid), "6A82"}, []string{""}},
		{"exact only, never", false, fciOf(rid + "01"), []string{"6A82"}, nil},
		{"not ours at all", true, fciOf("A000000004"), nil, nil},
		{"without end", true, fciOf(rid + "01"), []string{fciOf(rid + "02"), fciOf(rid + "01"), fciOf(rid + "02"), fciOf(rid + "01")}, []string{"01", "02"}},
	} {
		t.Run(row.situation, func(t *testing.T) {
			u := newSetup(plain())
			u.cfg.Applications[0].AID, u.cfg.Applications[0].Partial = unhex(rid), row.partial
			u.card.on("00A4040005"+rid, row.first)
			if row.next != nil {
				u.card.on(next, row.next...)
			}
			u.run(t)
			if n := len(u.card.sentWith(next)); n > len(row.next) && row.situation != "without end" {
				t.Errorf("asked %d times for the next one", n)
			}
			var got []string
			for _, c := range u.candidates() {
				got = append(got, fmt.Sprintf("%X", c.AID[5:]))
			}
			if fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("candidates %v, want %v", got, row.want)
			}
		})
	}
}

// candidates are what the cardholder was offered, or the application that was tried
// without asking.
func (u *setup) candidates() []Candidate {
	if len(u.holder.offered) > 0 {
		return u.holder.offered[0]
	}
	sent := u.card.sentWith("00A40400")
	last := unhex(sent[len(sent)-1])
	if len(sent) < 2 {
		return nil
	}
	return []Candidate{{AID: last[5 : 5+last[4]]}}
}

// two is a card with two applications of the given priority indicators.
func two(first, second string) *setup {
	u := newSetup(plain())
	u.cfg.Applications = append(u.cfg.Applications, u.cfg.Applications[0])
	u.cfg.Applications[1].AID = unhex("A000000333010102")
	u.card.on(select_, fciOf(aid, "50014187", first)).
		on("00A4040008A000000333010102", fciOf("A000000333010102", "50014287", second))
	return u
}

// TestChoice: point 10, and 11 for what follows a choice that fails.
func TestChoice(t *testing.T) {
	final := func(u *setup) string {
		var last string
		for _, s := range u.card.sentWith("00A40400") {
			last = s[10 : len(s)-2]
		}
		return last
	}
	const a, b = "A000000333010101", "A000000333010102"
	for _, row := range []struct {
		situation     string
		first, second string // priority indicators
		change        func(*setup)
		offered       int
		selected      string
		outcome       emv.Outcome
	}{
		{"lower number first", "0102", "0101", func(u *setup) { u.holder.choose = []int{0} }, 1, b, emv.Approved},
		{"none is last", "0100", "010F", func(u *setup) { u.holder.choose = []int{0} }, 1, b, emv.Approved},
		{"cardholder takes the second", "0101", "0102", func(u *setup) { u.holder.choose = []int{1} }, 1, b, emv.Approved},
		{"cardholder cancels", "0101", "0102", func(*setup) {}, 1, b, emv.Cancelled},
		{"one that needs consent is offered", "0181", "", func(u *setup) {
			u.cfg.Applications = u.cfg.Applications[:1]
			u.holder.choose = []int{0}
		}, 1, a, emv.Approved},
		{"one that needs none is not", "0101", "", func(u *setup) { u.cfg.Applications = u.cfg.Applications[:1] }, 0, a, emv.Approved},
		{"nobody can choose", "0102", "0101", func(u *setup) { u.cfg.AutoSelect = true }, 0, b, emv.Approved},
		{"nobody can consent", "0102", "0181", func(u *setup) { u.cfg.AutoSelect = true }, 0, a, emv.Approved},
		{"nobody can consent to any", "0182", "0181", func(u *setup) { u.cfg.AutoSelect = true }, 0, b, emv.NotAccepted},
		{"final SELECT fails, the other is taken", "0101", "0102", func(u *setup) {
			u.holder.choose = []int{0}
			u.card.on(select_, fciOf(aid, "500141870101"), "6A82")
		}, 1, b, emv.Approved},
		{"final SELECT answers for another", "0101", "0102", func(u *setup) {
			u.holder.choose = []int{0}
			u.card.on(select_, fciOf(aid, "500141870101"), fciOf("A000000333010103"))
		}, 1, b, emv.Approved},
		{"GET PROCESSING OPTIONS 6985, the other is taken", "0101", "0102", func(u *setup) {
			u.holder.choose = []int{0}
			u.card.on("80A8", "6985", "80061C00080101009000")
		}, 1, b, emv.Approved},
		{"GET PROCESSING OPTIONS 6985, no other", "0101", "0102", func(u *setup) {
			u.holder.choose = []int{0}
			u.card.on("80A8", "6985")
		}, 1, b, emv.NotAccepted},
		{"GET PROCESSING OPTIONS 6A80", "0101", "0102", func(u *setup) {
			u.holder.choose = []int{0}
			u.card.on("80A8", "6A80")
		}, 1, a, emv.Terminated},
	} {
		t.Run(row.situation, func(t *testing.T) {
			u := two(row.first, row.second)
			row.change(u)
			r := u.run(t)
			if r.Outcome != row.outcome || len(u.holder.offered) != row.offered || final(u) != row.selected {
				t.Errorf("%v (%s), offered %d times, selected %s; want %v, %d, %s", r.Outcome, r.Why,
					len(u.holder.offered), final(u), row.outcome, row.offered, row.selected)
			}
			if row.outcome == emv.NotAccepted && r.Facts.AID != nil {
				t.Errorf("no application was accepted, but the facts name %X", r.Facts.AID)
			}
		})
	}
}

// TestChoiceOutOfRange: the cardholder port is broken, not the card.
func TestChoiceOutOfRange(t *testing.T) {
	u := two("0101", "0102")
	u.holder.choose = []int{2}
	if r, err := u.try(t); err == nil {
		t.Errorf("choice 2 of 2: %v", r.Outcome)
	}
}

// TestPreferredName: point 10.
func TestPreferredName(t *testing.T) {
	for _, row := range []struct {
		situation, index, want string
	}{
		{"Latin 1 is supported", "9F110101", "Zürich"},
		{"Cyrillic is not", "9F110105", "UNIONPAY"},
		{"no index", "", "UNIONPAY"},
		{"index out of range", "9F110111", "UNIONPAY"},
	} {
		u := newSetup(plain())
		u.card.on(select_, fciOf(aid, "5008554E494F4E504159870181", "9F12065AFC72696368", row.index, "5F2D047A68656E"))
		u.holder.choose = []int{0}
		r := u.run(t)
		c := u.holder.offered[0][0]
		if c.Label != row.want || c.Languages != "zhen" {
			t.Errorf("%s: offered %q %q, want %q", row.situation, c.Label, c.Languages, row.want)
		}
		if r.Facts.Label != "UNIONPAY" || (r.Facts.PreferredName == "") != (row.want == "UNIONPAY") {
			t.Errorf("%s: facts %q %q", row.situation, r.Facts.Label, r.Facts.PreferredName)
		}
	}
}

// TestOptions: points 12 and 13, what GET PROCESSING OPTIONS may answer.
func TestOptions(t *testing.T) {
	for _, row := range []struct {
		situation, gpo string
		outcome        emv.Outcome
	}{
		{"format 1", "80061C0008010100 9000", emv.Approved},
		{"format 2", "770A 82021C00 940408010100 9000", emv.Approved},
		{"format 2, AFL first", "770A 940408010100 82021C00 9000", emv.Approved},
		{"format 1 without AFL", "80021C00 9000", emv.Terminated},
		{"format 2 without AFL", "7704 82021C00 9000", emv.Terminated},
		{"format 2 without AIP", "7706 940408010100 9000", emv.Terminated},
		{"AFL of 5 bytes", "80071C000801010008 9000", emv.Terminated},
		{"SFI 0", "80061C0000010100 9000", emv.Terminated},
		{"SFI 31", "80061C00F8010100 9000", emv.Terminated},
		{"SFI with low bits", "80061C0009010100 9000", emv.Terminated},
		{"first record 0", "80061C0008000100 9000", emv.Terminated},
		{"last before first", "80061C0008020100 9000", emv.Terminated},
		{"more signed than read", "80061C0008010102 9000", emv.Terminated},
		{"another template", "70061C0008010100 9000", emv.Terminated},
		{"trailing bytes", "80061C0008010100 9F01 9000", emv.Terminated},
		{"nothing", "9000", emv.Terminated},
	} {
		u := newSetup(plain())
		u.card.on("80A8", row.gpo)
		if r := u.run(t); r.Outcome != row.outcome {
			t.Errorf("%s: %v (%s), want %v", row.situation, r.Outcome, r.Why, row.outcome)
		}
	}
}

// TestPDOL: points 4 and 12.
func TestPDOL(t *testing.T) {
	u := newSetup(plain())
	u.cfg.Data[0xE1] = []byte{0x11, 0x22}
	u.card.on(select_, fciOf(aid, "9F3813 9F1A02 9F0203 5F2A02 5A04 E102 DF7902 9F4D02", "BF0C05 9F4D02 0B0A"))
	u.run(t)
	// Country, the low digits of the amount, currency; nothing for a PAN not yet read, a
	// template, an unknown tag; and what the issuer put into the FCI.
	if got := u.card.sentWith("80A8")[0]; got != "80A80000138311"+"0156"+"001200"+"0156"+"00000000"+"0000"+"0000"+"0B0A"+"00" {
		t.Errorf("sent %s", got)
	}
}

// TestRecords: points 2, 3 and 13.
func TestRecords(t *testing.T) {
	without := func(t ...int) record {
		r := plain()
		for _, i := range t {
			delete(r, mandatory[i])
		}
		return r
	}
	tampered := plain()
	tampered[tag.TVR], tampered[tag.UnpredictableNumber], tampered[tag.AIP] = "0000000000", "00000000", "0000"
	badDate, badPAN, badTrack := plain(), plain(), plain()
	badDate[tag.ApplicationExpirationDate] = "301331"
	badPAN[tag.ApplicationPAN] = "62770000000000A7"
	badTrack[tag.Track2EquivalentData] = "6277000000000017"
	for _, row := range []struct {
		situation string
		record    string
		outcome   emv.Outcome
	}{
		{"all there", plain().String() + "9000", emv.Approved},
		{"no PAN", without(0).String() + "9000", emv.Terminated},
		{"no expiration date", without(1).String() + "9000", emv.Terminated},
		{"no CDOL1", without(2).String() + "9000", emv.Terminated},
		{"no CDOL2", without(3).String() + "9000", emv.Terminated},
		{"card speaks for the terminal", tampered.String() + "9000", emv.Approved},
		{"month 13", badDate.String() + "9000", emv.Terminated},
		{"PAN with a letter", badPAN.String() + "9000", emv.Terminated},
		{"track without separator", badTrack.String() + "9000", emv.Terminated},
		{"6A83", "6A83", emv.Terminated},
		{"two templates", plain().String() + "70009000", emv.Terminated},
		{"no template", "5A0862770000000000179000", emv.Terminated},
		{"empty", "9000", emv.Terminated},
	} {
		u := newSetup(plain())
		u.card.on("00B2010C", row.record)
		r := u.run(t)
		if r.Outcome != row.outcome {
			t.Errorf("%s: %v (%s), want %v", row.situation, r.Outcome, r.Why, row.outcome)
		}
		if first := u.card.sentWith("80AE80"); row.outcome == emv.Approved && !strings.Contains(first[0], "8000000000") {
			t.Errorf("%s: TVR of the card's making: %s", row.situation, first)
		}
		if row.outcome == emv.Approved && !bytes.Contains(u.issuer.got.ICC, unhex("82021C00")) {
			t.Errorf("%s: an AIP from a record: %X", row.situation, u.issuer.got.ICC)
		}
	}
}

// TestDuplicates: point 3, in one record and over two; empty objects are none.
func TestDuplicates(t *testing.T) {
	for _, row := range []struct {
		situation, second string
		outcome           emv.Outcome
	}{
		{"in another record", "700A5A08627700000000001790 00", emv.Terminated},
		{"twice in one", "7008 DF7F0101 DF7F0102 9000", emv.Terminated},
		{"another object", "7004 DF7F0101 9000", emv.Approved},
		{"an empty one", "7002 5A00 9000", emv.Approved},
		{"an empty unknown one", "7003 DF7F00 9000", emv.Approved},
	} {
		u := newSetup(plain())
		u.card.on("80A8", "80061C0008010200 9000").on("00B2020C", row.second)
		if r := u.run(t); r.Outcome != row.outcome {
			t.Errorf("%s: %v (%s), want %v", row.situation, r.Outcome, r.Why, row.outcome)
		}
	}
}

// TestManyRecords: point 13, a loop counter of a byte would never end at 255.
func TestManyRecords(t *testing.T) {
	u := newSetup(plain())
	u.card.on("80A8", "800A1C0008010100 1001FF00 9000").on("00B2", "70009000")
	if r := u.run(t); r.Outcome != emv.Approved || len(u.card.sentWith("00B2")) != 256 {
		t.Errorf("%v (%s) after %d records", r.Outcome, r.Why, len(u.card.sentWith("00B2")))
	}
	u = newSetup(plain())
	u.card.on("80A8", "800E1C0008010100 1001FF00 1801FF00 9000").on("00B2", "70009000")
	if r := u.run(t); r.Outcome != emv.Terminated || len(u.card.sentWith("00B2")) != 300 {
		t.Errorf("%v (%s) after %d records", r.Outcome, r.Why, len(u.card.sentWith("00B2")))
	}
}
