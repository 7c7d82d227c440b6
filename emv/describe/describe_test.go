package describe

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"posd/emv/apdu"
	"posd/emv/tag"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.String() + "\n")
	}
	return b.String()
}

func describe(t testing.TB, kind, data string, o Options) (string, error) {
	t.Helper()
	k, err := Named(kind)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := k.Describe(unhex(t, data), o)
	return text(lines), err
}

// TestKinds: known values, each as the Books or the scheme's public documents read it.
func TestKinds(t *testing.T) {
	for _, row := range []struct {
		situation, kind, data, want string
	}{
		{"nothing is wrong", "tvr", "0000000000", "no bit is set\n"},
		{
			"first and last named bit", "tvr", "8000000010",
			"byte 1 bit 8: offline data authentication not performed  (offline data authentication, Book 3, 10.3)\n" +
				"byte 5 bit 5: script failed after final GENERATE AC  (issuer scripts, Book 3, 10.10)\n",
		},
		{
			"a bit that nobody defined", "tvr", "0000008001",
			"byte 4 bit 8: floor limit exceeded  (floor limits, Book 3, 10.6.1)\nbyte 5 bit 1: reserved\n",
		},
		{
			"action code", "iac", "0010000000",
			"byte 2 bit 5: service not allowed for card product  (application usage control, Book 3, 10.4.2)\n",
		},
		{
			"the E800 of every receipt, in part", "tsi", "A000",
			"byte 1 bit 8: offline data authentication was performed  (offline data authentication, Book 3, 10.3)\n" +
				"byte 1 bit 6: card risk management was performed  (card action analysis, Book 3, 10.8)\n",
		},
		{
			"SDA, verification and risk management", "aip", "5C00",
			"byte 1 bit 7: SDA is supported\nbyte 1 bit 5: cardholder verification is supported\n" +
				"byte 1 bit 4: terminal risk management is to be performed\n" +
				"byte 1 bit 3: issuer authentication by EXTERNAL AUTHENTICATE is supported\n",
		},
		{"CDA is the last bit of byte 1", "aip", "0100", "byte 1 bit 1: CDA is supported\n"},
		{"cash at home, and no ATM", "auc", "8180", "byte 1 bit 8: valid for cash at home\nbyte 1 bit 1: valid at terminals other than ATMs\nbyte 2 bit 8: cashback allowed at home\n"},
		{"files and records", "afl", "0801010010010101", "file 1: records 1 to 1\nfile 2: records 1 to 1  (the first is signed)\n"},
		{"records that run backwards", "afl", "08020100", "file 1: records 2 to 1  (breaks the rules of Book 3, 10.2)\n"},
		{
			"offline PIN, then signature, else fail", "cvmlist", "000007D0000001F4 4103 1E06 0000",
			"amount X: 2000 minor units\namount Y: 500 minor units\n" +
				"rule 1  4103: plaintext PIN, verified by the card, if the terminal supports it  (if it fails, the next rule counts)\n" +
				"rule 2  1E06: signature, if in the application currency and under X (2000)  (if it fails, verification fails)\n" +
				"rule 3  0000: fail CVM processing, always  (if it fails, verification fails)\n",
		},
		{"amounts alone", "cvmlist", "0000000000000000", "no rules\n"},
		{
			"biometrics of EMV 4.4, a scheme's method, a scheme's condition", "cvmlist", "0000000000000000 0609 2080",
			"amount X: 0 minor units\namount Y: 0 minor units\n" +
				"rule 1  0609: facial biometric, verified by the card, if in the application currency and over Y (0)  (if it fails, verification fails)\n" +
				"rule 2  2080: method 20 of the payment system, condition 80 of the payment system  (if it fails, verification fails)\n",
		},
		{"online PIN", "cvmresults", "420300", "method: enciphered PIN, verified online  (if it fails, the next rule counts)\ncondition: if the terminal supports it\nresult: unknown: somebody else says, as for a signature or an online PIN\n"},
		{"nothing was performed", "cvmresults", "3F0001", "method: no CVM performed\nresult: failed\n"},
		{"no CVM required, successful", "cvmresults", "1F0002", "method: no CVM required\ncondition: always\nresult: successful\n"},
		{"ARQC", "cid", "80", "cryptogram: ARQC, online authorisation requested\n"},
		{"AAC with advice, PIN blocked", "cid", "0A", "cryptogram: AAC, declined\nadvice: required\nreason: PIN try limit exceeded\n"},
		{"reserved kind", "cid", "C7", "cryptogram: reserved\nreason: reserved 7\n"},
		{"terminal of a merchant", "termtype", "22", "operated by: merchant\nenvironment: attended, offline with online capability\n"},
		{"no such terminal", "termtype", "27", "reserved\n"},
		{
			"capabilities of the demo", "termcaps", "E06008",
			"byte 1 bit 8: card data by manual key entry\nbyte 1 bit 7: card data from the magnetic stripe\n" +
				"byte 1 bit 6: card data from the chip by contacts\nbyte 2 bit 7: enciphered PIN for verification online\n" +
				"byte 2 bit 6: signature\nbyte 3 bit 4: CDA\n",
		},
		{"additional capabilities", "addcaps", "8080800201", "byte 1 bit 8: cash\nbyte 2 bit 8: cash deposit\nbyte 3 bit 8: numeric keys\nbyte 4 bit 2: code table ISO 8859-10\nbyte 5 bit 1: code table ISO 8859-1\n"},
		{
			"qualifiers of a reader", "ttq", "36C04000",
			"byte 1 bit 6: EMV mode supported\nbyte 1 bit 5: EMV contact chip supported\nbyte 1 bit 3: online PIN supported\n" +
				"byte 1 bit 2: signature supported\nbyte 2 bit 8: online cryptogram required\nbyte 2 bit 7: CVM required\n" +
				"byte 3 bit 7: consumer device CVM supported\n",
		},
		{"a script that failed at its second command", "scripts", "12000000012000000000", "script 00000001: failed at command 2\nscript 00000000: successful\n"},
		{"unable to go online", "arc", "5A33", "\"Z3\": unable to go online, declined offline\n"},
		{"three tries left", "sw", "63C3", "63C3: warning: verification failed, 3 tries left\n"},
		{"more to fetch", "sw", "6100", "6100: 256 more bytes by GET RESPONSE\n"},
		{
			"CDOL1 of a test card", "dol", "9F02069F37049505",
			"9F02 Amount, Authorised (Numeric)  (6 bytes)\n9F37 Unpredictable Number  (4 bytes)\n" +
				"95 Terminal Verification Results  (5 bytes)\ntogether: 15 bytes\n",
		},
	} {
		got, err := describe(t, row.kind, row.data, Options{})
		if err != nil || got != row.want {
			t.Errorf("%s: %s %s: error %v, got\n%swant\n%s", row.situation, row.kind, row.data, err, got, row.want)
		}
	}
}

// TestIAD: each layout is recognised by itself, and says so first.
func TestIAD(t *testing.T) {
	for _, row := range []struct {
		situation, data string
		want            []string
	}{
		{
			"Visa CVN 10", "06010A03A4A002",
			[]string{
				"layout: Visa, format 0, 1 or 3", "cryptogram version number: 0A  (CVN 10)", "card verification results: 03A4A002",
				"  second GENERATE AC: not requested", "  first GENERATE AC: ARQC", "  byte 1 bit 3: offline PIN verification performed",
				"  byte 2 bit 8: last online transaction not completed", "  byte 2 bit 6: velocity checking counters exceeded", "  byte 3 bit 2: DDA performed",
			},
		},
		{
			"Visa CVN 18 with the issuer's own", "06011203A000000F0300000000000000000000000000000000",
			[]string{"cryptogram version number: 12  (CVN 18)", "issuer's own: 0F03"},
		},
		{
			"Visa CVN 22", "1F2201" + "00A0000000" + strings.Repeat("00", 24),
			[]string{"layout: Visa, format 2 or 4", "cryptogram version number: 22  (CVN '22')", "  first GENERATE AC: ARQC"},
		},
		{
			"UnionPay", "07010103A02000010A010000000000F2E3C1A4",
			[]string{"layout: UnionPay", "  byte 2 bit 6: velocity checking counters exceeded", "algorithm: 01  (TDES)", "issuer's own: 010000000000F2E3C1A4"},
		},
		{"UnionPay, SM4", "07010103A0000004", []string{"algorithm: 04  (SM4)"}},
		{"UnionPay, cut short", "07010103A00000", []string{"layout: UnionPay", "algorithm: missing"}},
		{
			"Mastercard CVN 16", "0110" + "A00003220000" + "0000" + "0000000000000000",
			[]string{
				"layout: Mastercard M/Chip", "cryptogram version number: 10  (Mastercard session key)", "  PIN try counter, low nibble: 3",
				"  byte 4 bit 6: offline PIN verification not performed", "  byte 4 bit 2: domestic transaction",
			},
		},
		{
			"Mastercard CVN 21", "0115" + "400000000000" + "0000" + "0000000000000000" + "00FF",
			[]string{"cryptogram version number: 15  (EMV session key, counters in the cryptogram)", "  second GENERATE AC: TC", "further counters: 00FF"},
		},
		{
			"Common Core Definitions", "0FA501" + "A830F01100" + "0102030405060708" + "0F" + strings.Repeat("AA", 15),
			[]string{
				"layout: Common Core Definitions", "common core identifier: A5  (TDES)", "  byte 1 bit 4: CDA performed", "  PIN try counter, low nibble: 3",
				"  byte 3 bit 8: lower offline transaction count limit exceeded", "  byte 3 bit 5: upper cumulative offline amount limit exceeded",
				"  script commands done under secure messaging: 1", "  byte 4 bit 1: unable to go online", "counters: 0102030405060708",
			},
		},
		{"nobody's", "112233", []string{"layout not recognised: 3 bytes"}},
	} {
		got, err := describe(t, "iad", row.data, Options{})
		if err != nil {
			t.Errorf("%s: %v", row.situation, err)
		}
		for _, want := range row.want {
			if !strings.Contains("\n"+got, "\n"+want) {
				t.Errorf("%s: %q is not in\n%s", row.situation, want, got)
			}
		}
	}
}

// TestRefusals: what cannot be of a kind is an error that says what was wanted.
func TestRefusals(t *testing.T) {
	for _, row := range []struct{ kind, data, want string }{
		{"tvr", "00000000", "4 bytes, 5 wanted"},
		{"tsi", "00", "1 bytes, 2 wanted"},
		{"aip", "000000", "3 bytes, 2 wanted"},
		{"afl", "080101", "a multiple of 4"},
		{"cvmlist", "00000000000000", "7 bytes"},
		{"cid", "", "0 bytes, 1 wanted"},
		{"dol", "9F02", "no length"},
		{"iad-visa", "07010103A00000", "beginning 06"},
		{"iad-mastercard", "0110", "18, 20, 26 or 28"},
		{"iad-ccd", "0FA5", "32 with 0F"},
		{"iad-unionpay", "0601", "beginning 07"},
		{"scripts", "2000", "5 for each"},
		{"tlv", "7003", "truncated"},
	} {
		_, err := describe(t, row.kind, row.data, Options{})
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "describe: "+row.kind) {
			t.Errorf("%s %s: got %v, want %q", row.kind, row.data, err, row.want)
		}
	}
	if _, err := Named("tvrs"); !errors.Is(err, ErrKind) {
		t.Errorf("got %v, want %v", err, ErrKind)
	}
}

// A record of the test card: track, number, sequence, and a template in a template.
const record = "7028 5712 6277000000000017D30122010000000000F0 5A08 6277000000000017 5F340101 9F1F03313233"

func TestTLV(t *testing.T) {
	got, err := describe(t, "tlv", record, Options{})
	want := `70 READ RECORD Response Message Template  (40 bytes)
  57 Track 2 Equivalent Data: 627700******0017D*******************
  5A Application Primary Account Number: 627700******0017
  5F34 Application PAN Sequence Number: 01
  9F1F Track 1 Discretionary Data: hidden, 3 bytes
`
	if err != nil || got != want {
		t.Errorf("error %v, got\n%swant\n%s", err, got, want)
	}
	clear, err := describe(t, "tlv", record, Options{Unmasked: true})
	if err != nil || !strings.Contains(clear, "5A Application Primary Account Number: 6277000000000017\n") ||
		!strings.Contains(clear, `9F1F Track 1 Discretionary Data: 313233  ("123")`) {
		t.Errorf("unmasked: error %v, got\n%s", err, clear)
	}
}

// TestValues: a value with a meaning says it.
func TestValues(t *testing.T) {
	for _, row := range []struct{ data, want string }{
		{"9A03260801", "9A Transaction Date: 260801  (2026-08-01)\n"},
		{"5F2403991231", "5F24 Application Expiration Date: 991231  (1999-12-31)\n"},
		{"9F0206000000001234", "9F02 Amount, Authorised (Numeric): 000000001234  (1234 minor units)\n"},
		{"5F2A020156", "5F2A Transaction Currency Code: 0156  (CNY)\n"},
		{"870181", "87 Application Priority Indicator: 81  (priority 1, not without the cardholder's confirmation)\n"},
		{"500553594E5448", "50 Application Label: 53594E5448  (\"SYNTH\")\n"},
		{"840E315041592E5359532E4444463031", "84 Dedicated File Name: 315041592E5359532E4444463031  (\"1PAY.SYS.DDF01\")\n"},
		{"9F360200FF", "9F36 Application Transaction Counter: 00FF  (255)\n"},
		{"9C0109", "9C Transaction Type: 09  (purchase with cashback)\n"},
		{"9A02AA", "describe: tlv:"},
		{"9A0326AA01", "9A Transaction Date: 26AA01  (breaks its format: n, 3 to 3 bytes)\n"},
		{"5A00", "5A Application Primary Account Number  (empty, which counts as absent)\n"},
		{"DF7F0155", "DF7F not in the dictionary: 55\n"},
		{"9B02E800", "9B Transaction Status Information: E800\n  byte 1 bit 8: offline"},
		{"950200", "describe: tlv:"},
		{"95020000", "95 Terminal Verification Results: 0000  (breaks its format: b, 5 to 5 bytes)\n  cannot be read on: 2 bytes, 5 wanted"},
	} {
		got, err := describe(t, "tlv", row.data, Options{})
		if err != nil {
			got += err.Error()
		}
		if !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: got\n%swant\n%s", row.data, got, row.want)
		}
	}
	if got, _ := describe(t, "tlv", "90050102030405", Options{Longest: 2}); !strings.Contains(got, "0102… (5 bytes)") {
		t.Errorf("long value: got %s", got)
	}
}

// TestPartly: what can be read before an error is shown.
func TestPartly(t *testing.T) {
	got, err := describe(t, "tlv", "7006 9A03260801 9F", Options{})
	if err == nil || !strings.Contains(got, "9A Transaction Date") {
		t.Errorf("error %v, got\n%s", err, got)
	}
}

func TestMaskNumber(t *testing.T) {
	for _, row := range []struct{ data, want string }{
		{"6277000000000017", "627700******0017"},
		{"6277000000000000017F", "627700*********0017"},
		{"6277000000012F", "627700***0012"},
		{"627700000012", "hidden, 6 bytes"},
		{"6277000000000017D3012F", "627700******0017D****"},
		{"D3012201", "hidden, 4 bytes"},
		{"62770000000000170000", "hidden, 10 bytes"},
	} {
		if got := maskNumber(unhex(t, row.data)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.data, got, row.want)
		}
	}
}

// TestConversation: the data of a command are told by the lists that the card gave.
func TestConversation(t *testing.T) {
	var m Memory
	var got strings.Builder
	o := Options{}
	for _, row := range [][2]string{
		{"00A4040007F000000001010100", "6F18 8407F0000000010101 A50D 500553594E5448 9F3803 9F0206 9000"},
		{"80A80000 08 8306000000001234 00", "6985"},
		{"00B2010C00", "700E 8C08 9F0206 5A08 9F3704 8D02 9505 9000"},
		{"80AE9000120000000012346277000000000017A1B2C3D400", "800F 80 002A C0FFEE0000000001 06010A03 9000"},
		{"80AE400005 0000008000 00", "6D00"},
		{"0020008008 241234FFFFFFFFFF", "63C2"},
		{"0088000004A1B2C3D400", "8003010203 9000"},
		{"80CA9F1700", "9F170103 9000"},
	} {
		cmd, err := apdu.ParseCommand(unhex(t, row[0]))
		if err != nil {
			got.WriteString("unreadable: " + row[0] + "\n")
			continue
		}
		resp, err := apdu.ParseResponse(unhex(t, row[1]))
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(text(m.Command(cmd, o)) + text(m.Response(resp, o)))
	}
	for _, want := range []string{
		"SELECT: 00A40400\n  84 Dedicated File Name: F0000000010101\n9000: done\n",
		"GENERATE AC, ARQC asked for with CDA: 80AE9000\n  9F02 Amount, Authorised (Numeric): 000000001234  (1234 minor units)\n  5A Application Primary Account Number: 627700******0017\n  9F37 Unpredictable Number: A1B2C3D4\n",
		"GET PROCESSING OPTIONS: 80A80000\n  9F02 Amount, Authorised (Numeric): 000000001234  (1234 minor units)\n6985: conditions",
		"9000: done\n  80 Response Message Template Format 1\n    9F27 Cryptogram Information Data: 80\n      cryptogram: ARQC, online authorisation requested\n    9F36 Application Transaction Counter: 002A  (42)\n",
		"GENERATE AC, TC asked for: 80AE4000\n  95 Terminal Verification Results: 0000008000\n    byte 4 bit 8: floor limit exceeded",
		"VERIFY, plaintext PIN: 00200080\n  PIN data: hidden, 8 bytes\n63C2: warning: verification failed, 2 tries left\n",
		"INTERNAL AUTHENTICATE: 00880000\n  9F37 Unpredictable Number: A1B2C3D4\n",
		"GET DATA 9F17 PIN Try Counter: 80CA9F17\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%q is not in\n%s", want, got.String())
		}
	}
	if strings.Contains(got.String(), "6277000000000017") || strings.Contains(got.String(), "241234") {
		t.Errorf("a secret shows:\n%s", got.String())
	}
}

// FuzzKinds gives the same bytes to every decoder.
func FuzzKinds(f *testing.F) {
	for _, s := range []string{record, "8000000010", "5C00", "000007D0000001F441031E060000", "0FA501A830F01100", "07010103A02000010A01", "9F02069F37049505", "36C04000"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range Kinds() {
			lines, err := k.Describe(b, Options{Longest: 32})
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Errorf("%s: %v is no format error", k.Name, err)
			}
			if len(lines) > 2*maxLines {
				t.Errorf("%s: %d lines", k.Name, len(lines))
			}
			_ = text(lines)
		}
	})
}

// FuzzConversation: any command and any answer, and a card number in an object of its own
// never shows.
func FuzzConversation(f *testing.F) {
	f.Add([]byte{0x80, 0xAE, 0x80, 0, 2, 1, 2, 0}, unhex(f, "700E8C089F02065A089F37048D0295059000"))
	f.Add([]byte{0x80, 0xA8, 0, 0, 2, 0x83, 0, 0}, unhex(f, record+"9000"))
	f.Fuzz(func(t *testing.T, command, answer []byte) {
		cmd, err := apdu.ParseCommand(command)
		if err != nil {
			return
		}
		resp, err := apdu.ParseResponse(answer)
		if err != nil {
			return
		}
		var m Memory
		for range 2 {
			_ = text(m.Command(cmd, Options{}))
			_ = text(m.Response(resp, Options{}))
		}
		number := apdu.Response{Data: unhex(t, "5A086277000000000017"), SW: apdu.OK}
		if s := text(m.Response(number, Options{})); strings.Contains(s, "6277000000000017") {
			t.Errorf("a card number shows: %s", s)
		}
	})
}

// Every kind has a name of its own, and the dictionary knows its tag.
func TestKindsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name] || k.What == "" || k.Ref == "" || k.read == nil {
			t.Errorf("kind %q is twice or not whole", k.Name)
		}
		seen[k.Name] = true
		if _, ok := tag.Lookup(k.Tag); k.Tag != 0 && !ok {
			t.Errorf("kind %q: tag %v is not in the dictionary", k.Name, k.Tag)
		}
	}
}
