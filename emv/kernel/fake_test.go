package kernel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// errPulled is a card that is gone.
var errPulled = errors.New("no card")

// fake is a card that answers by the beginning of a command. Of several answers to one
// rule the last is repeated.
type fake struct {
	rules []rule
	sent  []string
	// pullAt is the number of the command, from 1, at which the card is gone; 0 never.
	pullAt int
	// bend changes an answer on its way.
	bend func(n int, answer []byte) []byte
}

type rule struct {
	prefix  string
	answers []string
}

func (f *fake) Transmit(_ context.Context, cmd apdu.Command) (apdu.Response, error) {
	wire := fmt.Sprintf("%X", cmd.Append(nil))
	f.sent = append(f.sent, wire)
	if len(f.sent) == f.pullAt {
		return apdu.Response{}, errPulled
	}
	answer := f.find(wire, cmd.INS)
	if f.bend != nil {
		answer = f.bend(len(f.sent), answer)
	}
	return apdu.ParseResponse(answer)
}

// find takes the rule with the longest prefix.
func (f *fake) find(wire string, ins byte) []byte {
	best := -1
	for i, r := range f.rules {
		if strings.HasPrefix(wire, r.prefix) && (best < 0 || len(r.prefix) > len(f.rules[best].prefix)) {
			best = i
		}
	}
	if best < 0 {
		return apdu.Response{SW: elsewise(ins)}.Append(nil)
	}
	r := &f.rules[best]
	answer := unhex(r.answers[0])
	if len(r.answers) > 1 {
		r.answers = r.answers[1:]
	}
	return answer
}

// on replaces the answers to commands that begin with prefix.
func (f *fake) on(prefix string, answers ...string) *fake {
	prefix = strings.ReplaceAll(prefix, " ", "")
	for i := range f.rules {
		if f.rules[i].prefix == prefix {
			f.rules[i].answers = answers
			return f
		}
	}
	f.rules = append(f.rules, rule{prefix, answers})
	return f
}

// sentWith returns the commands that begin with prefix.
func (f *fake) sentWith(prefix string) []string {
	var out []string
	for _, s := range f.sent {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	return out
}

// object writes one data object in hexadecimal.
func object(t tlv.Tag, value string) string {
	return fmt.Sprintf("%X", tlv.Append(nil, t, unhex(value)))
}

// record is what the fake card's only record holds.
type record map[tlv.Tag]string

// plain is a card without data authentication: CVM list of its own, all limits far.
func plain() record {
	return record{
		tag.ApplicationPAN:            "6277000000000017",
		tag.Track2EquivalentData:      "6277000000000017D3012201",
		tag.PANSequenceNumber:         "01",
		tag.ApplicationExpirationDate: "301231",
		tag.ApplicationUsageControl:   "FFC0",
		tag.IssuerCountryCode:         "0156",
		tag.ApplicationCurrencyCode:   "0156",
		tag.CDOL1:                     "9F02069F03069F1A0295055F2A029A039C019F3704",
		tag.CDOL2:                     "8A029F370495059F0206",
		tag.CVMList:                   "0000000000000000 1F00",
		tag.IssuerActionCodeDefault:   "0000000000",
		tag.IssuerActionCodeDenial:    "0000000000",
		tag.IssuerActionCodeOnline:    "8000000000",
	}
}

func (r record) String() string {
	var content string
	for _, t := range []tlv.Tag{
		tag.ApplicationPAN, tag.Track2EquivalentData, tag.PANSequenceNumber, tag.ApplicationExpirationDate,
		tag.ApplicationEffectiveDate, tag.ApplicationUsageControl, tag.ApplicationVersionNumber, tag.IssuerCountryCode,
		tag.ApplicationCurrencyCode, tag.CDOL1, tag.CDOL2, tag.TDOL, tag.CVMList, tag.IssuerActionCodeDefault,
		tag.IssuerActionCodeDenial, tag.IssuerActionCodeOnline, tag.LowerConsecutiveOfflineLimit,
		tag.UpperConsecutiveOfflineLimit, tag.TVR, tag.UnpredictableNumber, tag.AIP, 0xDF7F,
	} {
		if v, ok := r[t]; ok {
			content += object(t, v)
		}
	}
	return object(tag.ReadRecordTemplate, content)
}

// The fake card's answers.
const (
	aid      = "A000000333010101"
	select_  = "00A4040008" + aid
	fciOfAID = "6F1C 8408A000000333010101 A510 5008554E494F4E504159 8701015F2D00 9000"
	arqc     = "8012 80 0042 C0FFEE0000000001 07010103A00000 9000"
	tc1      = "8012 40 0042 C0FFEE0000000002 07010103900000 9000"
	aac1     = "8012 00 0042 C0FFEE0000000003 07010103800000 9000"
)

// newCard is a card with one application, which goes online and then approves.
func newCard(r record) *fake {
	f := &fake{}
	return f.on(select_, fciOfAID).
		on("80A8", "80061C0008010100 9000").
		on("00B2010C", r.String()+"9000").
		on("80AE80", arqc).on("80AE40", tc1).on("80AE00", aac1).
		on("0082", "9000")
}

// setup is a terminal and a payment; tests change what they are about.
type setup struct {
	cfg    Config
	tx     Transaction
	card   *fake
	holder *person
	issuer *answerer
}

func newSetup(r record) *setup {
	return &setup{
		cfg: Config{
			Data: map[tlv.Tag][]byte{
				tag.TerminalCapabilities:           unhex("E0F8C8"),
				tag.TerminalType:                   unhex("22"),
				tag.AdditionalTerminalCapabilities: unhex("F000F0A001"),
				tag.TerminalCountryCode:            unhex("0156"),
			},
			Applications: []Application{{
				AID: unhex("A000000333010101"), Version: [2]byte{0, 0x20}, FloorLimitMinor: 100000,
				DefaultDDOL: unhex("9F3704"),
			}},
			OnlineTags: []tlv.Tag{
				tag.ApplicationCryptogram, tag.CryptogramInformationData, tag.IssuerApplicationData, tag.UnpredictableNumber,
				tag.ATC, tag.TVR, tag.TransactionDate, tag.TransactionType, tag.AmountAuthorised,
				tag.TransactionCurrencyCode, tag.AIP, tag.TerminalCountryCode, tag.AmountOther, tag.TerminalCapabilities,
				tag.CVMResults, tag.TerminalType, tag.DFName, tag.ApplicationVersionNumberTerminal,
				tag.TransactionSequenceCounter, tag.PANSequenceNumber, tag.LogEntry,
			},
			CompletionTags: []tlv.Tag{tag.ApplicationCryptogram, tag.TVR, tag.TSI, tag.AuthorisationResponseCode, tag.IssuerScriptResults},
		},
		tx: Transaction{
			Amount:   emv.Amount{Minor: 1200, Currency: emv.CNY},
			Time:     time.Date(2026, 8, 1, 10, 11, 12, 0, time.UTC),
			Sequence: 7,
			UN:       [2][4]byte{{0xA1, 0xB2, 0xC3, 0xD4}, {0x11, 0x22, 0x33, 0x44}},
			Draw:     99,
		},
		card:   newCard(r),
		holder: &person{},
		issuer: &answerer{answer: OnlineAnswer{ARC: [2]byte{'0', '0'}}},
	}
}

// run must not end in an error.
func (u *setup) run(t *testing.T) Result {
	t.Helper()
	r, err := u.try(t)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (u *setup) try(t testing.TB) (Result, error) {
	t.Helper()
	k, err := New(u.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k.Run(context.Background(), u.tx, u.card, u.holder, u.issuer)
}

// app is the terminal's only application.
func (u *setup) app() *Application { return &u.cfg.Applications[0] }

// person is a cardholder who does what the test says.
type person struct {
	choose  []int // indexes, one a question
	pins    []PINResult
	err     error
	offered [][]Candidate
	asked   []PINRequest
}

func (p *person) Select(_ context.Context, list []Candidate) (int, error) {
	p.offered = append(p.offered, list)
	if p.err != nil || len(p.choose) == 0 {
		return 0, errors.Join(ErrCancelled, p.err)
	}
	i := p.choose[0]
	p.choose = p.choose[1:]
	return i, nil
}

func (p *person) EnterPIN(_ context.Context, req PINRequest) (PINResult, error) {
	p.asked = append(p.asked, req)
	if p.err != nil {
		return PINResult{}, p.err
	}
	if len(p.pins) == 0 {
		return PINResult{}, ErrCancelled
	}
	r := p.pins[0]
	p.pins = p.pins[1:]
	return r, nil
}
