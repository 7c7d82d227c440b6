package vector

import (
	"encoding/json"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/cvm"
	"posd/emv/oda"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Scenario is a recorded session.
type Scenario struct {
	ID       string
	Terminal Terminal
	Payment  Payment
	// First and Second are what the GENERATE ACs asked for, nil where nobody said.
	First, Second *emv.Cryptogram
	CVMResults    *[3]byte // tag 9F34, where the recording has no cardholder verification
	Outcomes      Outcomes // of PIN methods, empty where nobody said
	Online        *Online  // nil: the issuer could not be asked
	CAKeys        []oda.CAKey
	Answers       []Exchange
	Else          Else
	Ordered       bool // the answers are a log: each command once, in this order
	Steps         []Step
	Recovered     map[tlv.Tag][]byte
	Outcome       string // how the session ends, empty where nobody says
	Verdict       Verdict
}

// Terminal is who played.
type Terminal struct {
	Data            map[tlv.Tag][]byte // less what belongs to the applications
	Apps            []App
	Version         [2]byte // tag 9F09 of each application
	FloorLimitMinor int64   // tag 9F1B
	DefaultDDOL     []byte  // tag 9F49
}

// App is an AID of the terminal.
type App struct {
	AID     []byte
	Partial bool
}

// Payment is what was to be paid.
type Payment struct {
	Amount   emv.Amount
	Cashback int64 // minor units
	Type     byte
	Time     time.Time
	Sequence uint32
	UN       [4]byte
}

// Online is the issuer's answer.
type Online struct {
	ARC [2]byte
	ICC []byte // field 55 of the answer
}

// Exchange is a command and its answer, as they go over the line. Answer is empty where
// the card gave none.
type Exchange struct{ Command, Answer []byte }

// Step is what the recording has of one phase.
type Step struct {
	Phase, Outcome string
	TVR            *emv.TVR // nil where it was not recorded
	TSI            *emv.TSI
	Sent           []string // commands, hexadecimal in capitals; nil where they were not recorded
}

// Verdict is what those who compared the kernels of the recording found.
type Verdict struct {
	Review   bool // they could not decide
	Why      string
	TVR      *emv.TVR // at the end, where the recording has it wrong
	TSI      *emv.TSI
	Expected string // what should have happened instead, in words
}

// the JSON form of a scenario.
type rawScenario struct {
	ID       string `json:"id"`
	Terminal *struct {
		Config map[string]string `json:"config"`
		Params map[string]string `json:"params"`
		Apps   []struct {
			AID   string `json:"aid"`
			Match string `json:"match"`
		} `json:"apps"`
		UN     string             `json:"unpredictable_number"`
		First  string             `json:"genac1_type"`
		Second string             `json:"genac2_type"`
		Online map[string]*string `json:"online"`
	} `json:"terminal"`
	CAPKs []struct {
		RID      string `json:"rid"`
		Index    string `json:"index"`
		Modulus  string `json:"modulus"`
		Exponent string `json:"exponent"`
		SHA1     string `json:"sha1"`
	} `json:"capks"`
	Card *struct {
		Answers []struct {
			C string `json:"c"`
			R string `json:"r"`
		} `json:"answers"`
		Match string `json:"match"`
		Else  string `json:"else"`
	} `json:"card"`
	Outcomes string `json:"outcomes"`
	Expect   struct {
		Steps     []rawStep         `json:"steps"`
		Recovered map[string]string `json:"recovered"`
		Outcome   string            `json:"outcome"`
	} `json:"expect"`
	Verdict struct {
		Use      string          `json:"use"`
		Why      string          `json:"why"`
		TVR      string          `json:"tvr"`
		TSI      string          `json:"tsi"`
		Expected string          `json:"expected"`
		Expect   json.RawMessage `json:"expect"`
	} `json:"verdict"`
}

type rawStep struct {
	Phase   string   `json:"phase"`
	Outcome string   `json:"outcome"`
	TVR     string   `json:"tvr"`
	TSI     string   `json:"tsi"`
	Sent    []string `json:"sent"`
}

// scenario makes a Scenario of its JSON form, without the card.
func (r *rawScenario) scenario() (*Scenario, error) {
	if r.Terminal == nil {
		return nil, bad("terminal", "missing")
	}
	s := &Scenario{ID: r.ID}
	for _, read := range []func(*Scenario) error{
		r.readTerminal, r.readPayment, r.readDecisions, r.readOnline, r.readKeys, r.readSteps, r.readVerdict,
	} {
		if err := read(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (r *rawScenario) readTerminal(s *Scenario) (err error) {
	t := &s.Terminal
	if t.Data, err = dataOf("terminal.config", r.Terminal.Config); err != nil {
		return err
	}
	if v := t.Data[tag.ApplicationVersionNumberTerminal]; len(v) == 2 {
		t.Version = [2]byte(v)
	} else if v != nil {
		return bad("terminal.config.9F09", "2 bytes wanted")
	}
	if t.FloorLimitMinor, err = floorLimit(t.Data[tag.TerminalFloorLimit]); err != nil {
		return err
	}
	t.DefaultDDOL = t.Data[tag.DDOL]
	for _, of := range []tlv.Tag{tag.TerminalFloorLimit, tag.ApplicationVersionNumberTerminal, tag.DDOL} {
		delete(t.Data, of)
	}
	for i, a := range r.Terminal.Apps {
		field := fmt.Sprintf("terminal.apps[%d]", i)
		aid, err := bytesOf(field+".aid", a.AID, 5, 16)
		if err != nil {
			return err
		}
		if a.Match != "exact" && a.Match != "partial" {
			return bad(field+".match", "exact or partial wanted")
		}
		t.Apps = append(t.Apps, App{aid, a.Match == "partial"})
	}
	if len(t.Apps) == 0 {
		return bad("terminal.apps", "missing")
	}
	return nil
}

func floorLimit(v []byte) (int64, error) {
	if len(v) != 4 && v != nil {
		return 0, bad("terminal.config.9F1B", "4 bytes wanted")
	}
	var n int64
	for _, c := range v {
		n = n<<8 | int64(c)
	}
	return n, nil
}

func (r *rawScenario) readPayment(s *Scenario) error {
	p := r.Terminal.Params
	currency, err := digitsOf("terminal.params.5F2A", p["5F2A"], 4)
	if err != nil {
		return err
	}
	pay := &s.Payment
	pay.Amount.Currency = emv.Currency(currency)
	if pay.Amount.Minor, err = digitsOf("terminal.params.9F02", p["9F02"], 12); err != nil {
		return err
	}
	if pay.Cashback, err = digitsOf("terminal.params.9F03", p["9F03"], 12); err != nil {
		return err
	}
	if pay.Type, err = byteOf("terminal.params.9C", p["9C"]); err != nil {
		return err
	}
	if pay.Time, err = timeOf(p["9A"], p["9F21"]); err != nil {
		return err
	}
	sequence, err := digitsOf("terminal.params.9F41", p["9F41"], 8)
	if err != nil {
		return err
	}
	pay.Sequence = uint32(sequence)
	un, err := bytesOf("terminal.unpredictable_number", r.Terminal.UN, 4, 4)
	if err != nil {
		return err
	}
	pay.UN = [4]byte(un)
	return nil
}

// readDecisions reads what the recording decided by means that it does not hold.
func (r *rawScenario) readDecisions(s *Scenario) (err error) {
	if s.First, err = cryptogramOf("terminal.genac1_type", r.Terminal.First); err != nil {
		return err
	}
	if s.Second, err = cryptogramOf("terminal.genac2_type", r.Terminal.Second); err != nil {
		return err
	}
	if s.Outcomes, err = outcomesOf(r.Outcomes); err != nil {
		return err
	}
	if v, ok := r.Terminal.Params["9F34"]; ok {
		b, err := bytesOf("terminal.params.9F34", v, 3, 3)
		if err != nil {
			return err
		}
		s.CVMResults = (*[3]byte)(b)
	}
	return nil
}

// readOnline reads the issuer's answer. Y3 and Z3 are no issuer's: they say that nobody
// answered.
func (r *rawScenario) readOnline(s *Scenario) error {
	on := r.Terminal.Online
	if on == nil || on["arc"] == nil {
		return nil
	}
	arc, err := bytesOf("terminal.online.arc", *on["arc"], 2, 2)
	if err != nil {
		return err
	}
	if arc[0] == 'Y' || arc[0] == 'Z' {
		return nil
	}
	s.Online = &Online{ARC: [2]byte(arc)}
	for _, t := range []tlv.Tag{tag.IssuerAuthenticationData, tag.IssuerScriptTemplate1, tag.IssuerScriptTemplate2} {
		if v := on[t.String()]; v != nil && *v != "" {
			b, err := bytesOf("terminal.online."+t.String(), *v, 1, 1024)
			if err != nil {
				return err
			}
			s.Online.ICC = tlv.Append(s.Online.ICC, t, b)
		}
	}
	if v := on["icc"]; v != nil {
		b, err := bytesOf("terminal.online.icc", *v, 0, 4096)
		if err != nil {
			return err
		}
		s.Online.ICC = append(s.Online.ICC, b...)
	}
	return nil
}

func (r *rawScenario) readKeys(s *Scenario) error {
	for i, k := range r.CAPKs {
		field := fmt.Sprintf("capks[%d]", i)
		rid, err := bytesOf(field+".rid", k.RID, 5, 5)
		if err != nil {
			return err
		}
		index, err := byteOf(field+".index", k.Index)
		if err != nil {
			return err
		}
		key := oda.CAKey{RID: [5]byte(rid), Index: index}
		if key.Modulus, err = bytesOf(field+".modulus", k.Modulus, 1, 256); err != nil {
			return err
		}
		if key.Exponent, err = bytesOf(field+".exponent", k.Exponent, 1, 3); err != nil {
			return err
		}
		if k.SHA1 != "" {
			if key.SHA1, err = bytesOf(field+".sha1", k.SHA1, 20, 20); err != nil {
				return err
			}
		}
		s.CAKeys = append(s.CAKeys, key)
	}
	return nil
}

// Methods of Outcomes that a scenario may name are PIN methods alone: nothing else is
// asked of anybody.
func pinMethod(m cvm.Method) bool { return m == cvm.OnlinePIN || m.OfflinePIN() }
