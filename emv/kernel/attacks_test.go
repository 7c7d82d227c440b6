package kernel

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// The attacks that a terminal can withstand by itself. Those that the host sees through
// are in cmd/internal/rig. Each test runs the session first without the attack, and sees
// it approved.

// spoken are objects that only a terminal or an issuer may say, with values that a card
// could wish for, as a list of objects.
func spoken(t *testing.T) string {
	t.Helper()
	var out []byte
	for _, own := range []tlv.Tag{
		tag.AmountAuthorised, tag.AmountAuthorisedBinary, tag.AmountOther, tag.AmountOtherBinary, tag.TransactionCurrencyCode,
		tag.TransactionCurrencyExponent, tag.TransactionDate, tag.TransactionTime, tag.TransactionType, tag.UnpredictableNumber,
		tag.TVR, tag.TSI, tag.CVMResults, tag.TerminalCapabilities, tag.AdditionalTerminalCapabilities, tag.TerminalType,
		tag.TerminalCountryCode, tag.TerminalFloorLimit, tag.AIDTerminal, tag.ApplicationVersionNumberTerminal,
		tag.AuthorisationResponseCode, tag.IssuerAuthenticationData, tag.TCHashValue, tag.TransactionSequenceCounter,
		tag.POSEntryMode, tag.MerchantCategoryCode, tag.TerminalIdentification,
	} {
		info, ok := tag.Lookup(own)
		if !ok || info.Source == tag.ICC {
			t.Fatalf("%v is a card's own", own)
		}
		out = tlv.Append(out, own, bytes.Repeat([]byte{0x01}, info.Min))
	}
	return strings.ToUpper(hex.EncodeToString(out))
}

// TestAttackCardSpeaksForTerminal: point 2. Objects of the terminal in the FCI, in both
// answers to GENERATE AC, in GET PROCESSING OPTIONS and in records of any file change no
// byte of what the terminal sends to card and issuer.
func TestAttackCardSpeaksForTerminal(t *testing.T) {
	lies := spoken(t)
	half := len(lies) / 4 * 2 // an FCI has room for a part
	for tlv.Check(unhex(lies[:half])) != nil {
		half -= 2
	}
	session := func(change func(*fake)) (string, Result) {
		rec := plain()
		rec[tag.CDOL1] = "9F02069F03069F1A0295055F2A029A039C019F37049F35019F33039F34039F2103"
		u := newSetup(rec)
		u.card.on("80A8", "770E 82021C00 9408 08010100 10010100 9000").on("00B20114", "7000 9000").
			on("80AE80", "771E 9F270180 9F36020042 9F2608C0FFEE0000000001 9F100707010103A00000 9000").
			on("80AE40", "771E 9F270140 9F36020043 9F2608C0FFEE0000000002 9F100707010103900000 9000")
		if change != nil {
			change(u.card)
		}
		r := u.run(t)
		return fmt.Sprintf("%v\nfield 55 %X\nfinal %X", u.card.sent, u.issuer.got.ICC, r.ICC), r
	}
	inside := func(answer, more string) string {
		b := unhex(answer)
		content, err := tlv.Template(b[:len(b)-2], tlv.Tag(b[0]))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%X9000", tlv.Append(nil, tlv.Tag(b[0]), append(bytes.Clone(content), unhex(more)...)))
	}
	honest, r := session(nil)
	r.want(t, emv.Approved, "00", false)
	for place, change := range map[string]func(*fake){
		"record of file 1": func(f *fake) { f.on("00B20114", object(0x70, lies)+"9000") },
		"record of file 20": func(f *fake) {
			f.on("80A8", "770E 82021C00 9408 08010100 A0010100 9000").on("00B201A4", object(0x70, lies)+"9000")
		},
		"FCI": func(f *fake) { f.on(select_, fciOf(aid, "5008554E494F4E504159870101", "5F2D00", lies[:half])) },
		"issuer's part of the FCI": func(f *fake) {
			f.on(select_, fciOf(aid, "5008554E494F4E504159870101", "5F2D00", object(0xBF0C, lies[:half])))
		},
		"GET PROCESSING OPTIONS": func(f *fake) { f.on("80A8", inside("770E 82021C00 9408 08010100 10010100 9000", lies)) },
		"first GENERATE AC": func(f *fake) {
			f.on("80AE80", inside("771E 9F270180 9F36020042 9F2608C0FFEE0000000001 9F100707010103A00000 9000", lies))
		},
		"second GENERATE AC": func(f *fake) {
			f.on("80AE40", inside("771E 9F270140 9F36020043 9F2608C0FFEE0000000002 9F100707010103900000 9000", lies))
		},
	} {
		got, r := session(change)
		if place == "record of file 20" {
			got = strings.ReplaceAll(got, "00B201A400", "00B2011400")
		}
		if r.Outcome != emv.Approved || got != honest {
			t.Errorf("%s: %v (%s)\n%s\nwant\n%s", place, r.Outcome, r.Why, got, honest)
		}
	}
}

// TestAttackAfterAuthentication: what a card says of CVM list, AIP, number and action
// codes once it was authenticated, in its answer to GENERATE AC, is not heard: commands,
// request and verdict are those of the honest session, or the signature fails.
func TestAttackAfterAuthentication(t *testing.T) {
	session := func(more string) (string, Result) {
		sc := named(t, "dda-online-approved-genac2-tc")
		f := sc.fakeOf()
		for _, r := range f.rules {
			if b := unhex(r.answers[0]); strings.HasPrefix(r.prefix, "80AE80") && b[0] == 0x77 {
				content, err := tlv.Template(b[:len(b)-2], 0x77)
				if err != nil {
					t.Fatal(err)
				}
				f.on(r.prefix, fmt.Sprintf("%X9000", tlv.Append(nil, 0x77, append(bytes.Clone(content), unhex(more)...))))
			}
		}
		r, issuer := sc.plays(t, f, func(cfg *Config) { cfg.OnlineTags = newSetup(plain()).cfg.OnlineTags })
		return fmt.Sprintf("%v\n%X\n%v %X", f.sent, issuer.got.ICC, r.Facts.AIP, r.Facts.CVMResults), r
	}
	honest, r := session("")
	r.want(t, emv.Approved, "00", false)
	for name, more := range map[string]string{
		"CVM list":           object(tag.CVMList, "00000000000000001F00"),
		"AIP without checks": object(tag.AIP, "0000"),
		"card number":        object(tag.ApplicationPAN, "6277000000000025"),
		"action codes":       object(tag.IssuerActionCodeOnline, "0000000000") + object(tag.IssuerActionCodeDefault, "0000000000"),
		"CDOL2":              object(tag.CDOL2, "8A02"),
	} {
		if got, r := session(more); got != honest || r.Outcome != emv.Approved {
			t.Errorf("%s: %v (%s)\n%s\nwant\n%s", name, r.Outcome, r.Why, got, honest)
		}
	}
	// The same under CDA: one object more, and the signature over the answer is wrong.
	sc := named(t, "online-approved-genac2-tc-cda")
	if r, _ := sc.plays(t, sc.fakeOf(), nil); r.Outcome != emv.Approved {
		t.Fatalf("honest CDA session: %v (%s)", r.Outcome, r.Why)
	}
	f := sc.fakeOf()
	for _, r := range f.rules {
		if strings.HasPrefix(r.prefix, "80AE90") {
			b := unhex(r.answers[0])
			content, _ := tlv.Template(b[:len(b)-2], 0x77)
			f.on(r.prefix, fmt.Sprintf("%X9000", tlv.Append(nil, 0x77, append(bytes.Clone(content), unhex(object(tag.CVMList, "00000000000000001F00"))...))))
		}
	}
	r, issuer := sc.plays(t, f, nil)
	if r.Outcome == emv.Approved || issuer.asked != 0 || r.Facts.TVR&emv.CDAFailed == 0 {
		t.Errorf("CDA: %v, issuer asked %d times, TVR %s", r.Outcome, issuer.asked, r.Facts.TVR.Names())
	}
}

// certified are scenarios whose card is honest, one a method, and the bit of its failure.
var certified = map[string]emv.TVR{
	"sda-keys-1408-1120-768":        emv.SDAFailed,
	"dda-online-approved-genac2-tc": emv.DDAFailed,
	"online-approved-genac2-tc-cda": emv.CDAFailed,
}

// between runs a scenario with a man in the middle, at a terminal whose action codes know
// that failed or missing data authentication goes online, and by default no further. cut
// has him cut the line as well, which leaves the terminal alone.
func (sc scenario) between(t *testing.T, cut bool, spoil func(answer []byte) []byte) (Result, *answerer, []string) {
	t.Helper()
	cfg := sc.config()
	recording := sc.replay()
	cfg.replay = &Recording{CVMResults: recording.CVMResults}
	if spoil == nil {
		cfg.replay = recording // the honest session as it was
	}
	cfg.OnlineTags = []tlv.Tag{tag.TVR}
	app := &cfg.Applications[0]
	app.TACOnline = emv.SDAFailed | emv.DDAFailed | emv.CDAFailed | emv.ODANotPerformed
	app.TACDefault = app.TACOnline
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}}}
	if sc.Terminal.Online != nil {
		issuer = sc.issuer()
	}
	if cut {
		issuer.err = ErrUnableToGoOnline
	}
	f := sc.fakeOf()
	var p1 []string
	for _, kind := range []struct{ p1, answer string }{{"80AE80", arqc}, {"80AE40", tc1}, {"80AE00", aac1}} {
		f.on(kind.p1, kind.answer) // what the vectors' card was never asked for it gives, too
	}
	f.bend = func(_ int, answer []byte) []byte {
		if spoil != nil {
			return spoil(answer)
		}
		return answer
	}
	r, err := k.Run(t.Context(), sc.transaction(), f, nobody{}, issuer)
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range f.sentWith("80AE") {
		p1 = append(p1, sent[4:6])
	}
	return r, issuer, p1
}

// exchanged replaces bytes in every answer.
func exchanged(old, with string) func([]byte) []byte {
	return func(answer []byte) []byte { return bytes.ReplaceAll(answer, unhex(old), unhex(with)) }
}

// aipWithout clears bits in the answer to GET PROCESSING OPTIONS, which is in format 1.
func aipWithout(bits emv.AIP) func([]byte) []byte {
	return func(answer []byte) []byte {
		if len(answer) > 4 && answer[0] == 0x80 && int(answer[1]) == len(answer)-4 && answer[1]%4 == 2 {
			answer = bytes.Clone(answer)
			answer[2] &^= byte(bits >> 8)
		}
		return answer
	}
}

// TestAttackBeforeAuthentication: CVM list, AIP, limits and number that were changed on
// the way, a CA index that no terminal knows, a certificate of another card, a signature
// of yesterday: authentication fails, the terminal asks for no more signatures, wants to
// go online with the bit set, and without a line declines. SDA, DDA and CDA alike.
func TestAttackBeforeAuthentication(t *testing.T) {
	for name, bit := range certified {
		sc := named(t, name)
		if r, _, _ := sc.between(t, false, nil); r.Outcome != emv.Approved || r.Facts.TVR&bit != 0 {
			t.Fatalf("%s: honest session: %v (%s), TVR %s", name, r.Outcome, r.Why, r.Facts.TVR.Names())
		}
		for _, attack := range []struct {
			what  string
			spoil func([]byte) []byte
			bit   emv.TVR
		}{
			{"CVM list: no CVM for everybody", exchanged("8E0A00000000000000001F03", "8E0A00000000000000001F00"), bit},
			{"AIP: no cardholder verification", aipWithout(emv.CVMSupported), bit},
			{"AIP: no data authentication", aipWithout(emv.SDASupported | emv.DDASupported | emv.CDASupported), emv.ODANotPerformed},
			{"issuer country", exchanged("5F28020156", "5F28020840"), bit},
			{"usage control", exchanged("9F0702FFC0", "9F0702FFFF"), bit},
			{"expiry", exchanged("5F2403301231", "5F2403491231"), bit},
			{"action codes", exchanged("9F0F050000000000", "9F0F050000000001"), bit},
			{"CA index of nobody", exchanged("8F0101", "8F0177"), bit},
			{"issuer exponent", exchanged("9F320103", "9F320111"), bit},
		} {
			r, issuer, p1 := sc.between(t, false, attack.spoil)
			if r.Facts.TVR&attack.bit == 0 || issuer.asked != 1 || len(p1) == 0 || p1[0] != "80" {
				t.Errorf("%s, %s: TVR %s, issuer asked %d times, P1 %v (%s)", name, attack.what, r.Facts.TVR.Names(), issuer.asked, p1, r.Why)
			}
			if tvr, _ := tlv.Find(issuer.got.ICC, tag.TVR); len(tvr) != 5 || tvr[0]&byte(attack.bit>>32) == 0 {
				t.Errorf("%s, %s: the issuer was told TVR %X", name, attack.what, tvr)
			}
			if r, _, _ := sc.between(t, true, attack.spoil); r.Outcome != emv.Declined || string(r.ARC[:]) != "Z3" {
				t.Errorf("%s, %s, line cut: %v %s (%s)", name, attack.what, r.Outcome, r.ARC, r.Why)
			}
		}
	}
}

// TestAttackReplayedSignature: pre-play. A signature that the card made for another
// random number, or over another amount, is none: that is why 9F37 must not be
// predictable (emv/payment stops where the random source fails or repeats itself).
func TestAttackReplayedSignature(t *testing.T) {
	for name, bit := range certified {
		if bit == emv.SDAFailed {
			continue // has none
		}
		sc := named(t, name)
		for what, change := range map[string]func(*Transaction){
			"another random number": func(tx *Transaction) { tx.UN[0][3] ^= 1 },
			"another amount":        func(tx *Transaction) { tx.Amount.Minor++ },
		} {
			if what == "another amount" && bit == emv.DDAFailed {
				continue // DDA signs no amount: the cryptogram does
			}
			cfg := sc.config()
			cfg.replay = sc.replay()
			k, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			tx := sc.transaction()
			change(&tx)
			issuer := sc.issuer()
			r, err := k.Run(t.Context(), tx, recorded{sc.fakeOf()}, nobody{}, issuer)
			if err != nil {
				t.Fatal(err)
			}
			if r.Facts.TVR&bit == 0 || bit == emv.CDAFailed && (r.Outcome == emv.Approved || issuer.asked != 0) {
				t.Errorf("%s, %s: %v, TVR %s, issuer asked %d times (%s)", name, what, r.Outcome, r.Facts.TVR.Names(), issuer.asked, r.Why)
			}
		}
	}
}

// recorded is an attacker's card: whatever it is asked, it answers what it once saw in
// answer to that command.
type recorded struct{ *fake }

func (r recorded) Transmit(ctx context.Context, cmd apdu.Command) (apdu.Response, error) {
	wire := fmt.Sprintf("%X", cmd.Append(nil))
	known := func(p string) bool { return strings.HasPrefix(wire, p) }
	if !slices.ContainsFunc(r.rules, func(x rule) bool { return known(x.prefix) }) {
		for _, x := range r.rules {
			if x.prefix[:4] == wire[:4] && (cmd.INS == apdu.InsGenerateAC || cmd.INS == 0x88) {
				return apdu.ParseResponse(unhex(x.answers[0]))
			}
		}
	}
	return r.fake.Transmit(ctx, cmd)
}
