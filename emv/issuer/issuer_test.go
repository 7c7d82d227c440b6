package issuer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"strings"
	"testing"

	"posd/emv"
)

const vectorsFile = "../../../shared/vectors/emv/issuer-crypto.json"

// vector is one line of the file: an input for the function that name names.
type vector struct {
	ID     string
	Name   string
	Keys   map[string]string `json:"issuer_keys_and_pan"`
	Input  map[string]any
	Output string
}

// in reads the values of a vector; the first bad one sticks in err.
type in struct {
	v   vector
	err error
}

func (r *in) text(name string) string {
	value, _ := r.v.Input[name].(string)
	return value
}

func (r *in) bytes(name string) []byte { return r.hex(name, r.text(name)) }

func (r *in) hex(name, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		r.err = errors.Join(r.err, fmt.Errorf("%s: %w", name, err))
	}
	return b
}

func (r *in) number(name string) int {
	value, ok := r.v.Input[name].(float64)
	if !ok {
		r.err = errors.Join(r.err, fmt.Errorf("%s is no number", name))
	}
	return int(value)
}

// fixed copies into an array of the wanted size.
func (r *in) fixed(dst []byte, name string) {
	if b := r.bytes(name); copy(dst, b) != len(b) || len(b) != len(dst) {
		r.err = errors.Join(r.err, fmt.Errorf("%s has %d bytes, %d wanted", name, len(b), len(dst)))
	}
}

// Some vectors have digits as they are, some as the hexadecimal form of their ASCII
// codes; a card number has at most 19 digits, a sequence number 2, a PIN of these
// vectors 4 or 12, so that the length tells.
func (r *in) digits(s string, plain func(n int) bool) string {
	if plain(len(s)) {
		return s
	}
	return string(r.hex("digits", s))
}

func (r *in) card(pan, psn string) (emv.PAN, int) {
	number, err := emv.ParsePAN(r.digits(pan, func(n int) bool { return n <= 19 }))
	r.err = errors.Join(r.err, err)
	n := -1
	if psn != "" {
		_, err := fmt.Sscanf(r.digits(psn, func(n int) bool { return n == 2 }), "%d", &n)
		r.err = errors.Join(r.err, err)
	}
	return number, n
}

func (r *in) pin(name string) []byte {
	s := r.text(name)
	if s == "" {
		return nil
	}
	return []byte(r.digits(s, func(n int) bool { return n == 4 || n == 12 }))
}

func (r *in) atc() uint16 {
	var atc [2]byte
	r.fixed(atc[:], "tag_9f36")
	return uint16(atc[0])<<8 | uint16(atc[1])
}

func (r *in) arqc() (arqc [8]byte) {
	r.fixed(arqc[:], "tag_9f26")
	return arqc
}

func (r *in) request() Request {
	q := Request{ATC: r.atc()}
	for name, dst := range map[string][]byte{
		"tag_9f02": q.AmountAuthorised[:], "tag_9f03": q.AmountOther[:], "tag_9f1a": q.Country[:], "tag_95": q.TVR[:],
		"tag_5f2a": q.Currency[:], "tag_9a": q.Date[:], "tag_9f37": q.UN[:], "tag_82": q.AIP[:],
	} {
		r.fixed(dst, name)
	}
	var kind [1]byte
	r.fixed(kind[:], "tag_9c")
	q.Type = kind[0]
	q.IssuerData = append(append(r.bytes("cvr"), r.bytes("counters")...), r.bytes("tag_9f10")...)
	return q
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile(vectorsFile)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") != "true" {
		t.Skipf("%s is not there", vectorsFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != 313 {
		t.Fatalf("%d vectors, 313 wanted", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		r := &in{v: v}
		got, err := compute(r)
		if err := errors.Join(err, r.err); err != nil {
			t.Errorf("%s %s: %v", v.ID, v.Name, err)
		} else if want := r.hex("output", v.Output); !bytes.Equal(got, want) {
			t.Errorf("%s %s: got %X, want %X", v.ID, v.Name, got, want)
		}
	}
}

// compute calls what the vector's name names. A name that it does not know is an error.
func compute(r *in) ([]byte, error) {
	if class, ok := strings.CutPrefix(r.v.Name, "cvn."); ok {
		name, method, _ := strings.Cut(class, ".")
		return computeCard(r, name, method)
	}
	switch r.v.Name {
	case "kd.derive_icc_mk_a":
		pan, psn := r.card(r.text("pan"), r.text("psn"))
		return DeriveICCMasterKey(r.bytes("iss_mk"), pan, psn)
	case "kd.derive_icc_mk_b":
		pan, psn := r.card(r.text("pan"), r.text("psn"))
		return DeriveICCMasterKeyB(r.bytes("iss_mk"), pan, psn)
	case "kd.derive_common_sk":
		var value [8]byte
		r.fixed(value[:], "r")
		return SessionKeyFrom(r.bytes("icc_mk"), value)
	case "kd.derive_visa_sm_sk":
		var atc [2]byte
		r.fixed(atc[:], "atc")
		return SessionKeyVisa(r.bytes("icc_mk"), uint16(atc[0])<<8|uint16(atc[1]))
	case "kd.derive_emv2000_tree_sk":
		var atc [2]byte
		var iv [16]byte
		r.fixed(atc[:], "atc")
		r.fixed(iv[:], "iv")
		return SessionKeyTree(r.bytes("icc_mk"), uint16(atc[0])<<8|uint16(atc[1]), r.number("height"), r.number("branch_factor"), iv)
	case "ac.generate_ac":
		return computeMAC(r, "sk_ac", "data", map[string]Padding{"": Pad80, "EMV": Pad80, "VISA": PadZeros}[r.text("padding_type")])
	case "ac.generate_arpc_1":
		var arqc [8]byte
		var code [2]byte
		r.fixed(arqc[:], "arqc")
		r.fixed(code[:], "arpc_rc")
		arpc, err := ARPC1(r.bytes("sk_ac"), arqc, code)
		return arpc[:], err
	case "ac.generate_arpc_2":
		var arqc [8]byte
		var csu [4]byte
		r.fixed(arqc[:], "arqc")
		r.fixed(csu[:], "csu")
		arpc, err := ARPC2(r.bytes("sk_ac"), arqc, csu, r.bytes("prop_auth_data"))
		return arpc[:], err
	case "mac.pad_iso9797_1", "mac.pad_iso9797_2":
		block := 8
		if r.v.Input["block_size"] != nil {
			block = r.number("block_size")
		}
		return Padding(r.v.Name[len(r.v.Name)-1]-'0').Append(nil, r.bytes("data"), block), nil
	case "mac.mac_iso9797_3":
		r.v.Input["key"] = r.text("key1") + r.text("key2")
		return computeMAC(r, "key", "data", Padding(r.number("padding")))
	case "sm.generate_command_mac":
		return computeMAC(r, "sk_smi", "command", Pad80)
	case "sm.encrypt_command_data":
		how := map[string]Encipherment{"EMV": EncipherEMV, "MASTERCARD": EncipherMastercard, "VISA": EncipherVisa}
		return how[r.text("encryption_type")].Encipher(r.bytes("sk_smc"), r.bytes("command_data"))
	case "sm.format_iso9564_2_pin_block":
		block, err := PINBlock2(r.pin("pin"))
		return block[:], err
	case "sm.format_vis_pin_block":
		block, err := VisaPINBlock(r.bytes("icc_mk_ac"), r.pin("pin"), r.pin("current_pin"))
		return block[:], err
	}
	return nil, errors.New("no function for this name")
}

func computeMAC(r *in, key, data string, padding Padding) ([]byte, error) {
	length := 8
	if r.v.Input["length"] != nil {
		length = r.number("length")
	}
	mac, err := MAC(r.bytes(key), r.bytes(data), padding)
	return mac[:min(max(length, 0), 8)], err
}

func computeCard(r *in, name, method string) ([]byte, error) {
	version, ok := map[string]Version{
		"VisaCVN10": VisaCVN10, "VisaCVN18": VisaCVN18, "VisaCVN22": VisaCVN22, "InteracCVN133": InteracCVN133,
		"MasterCardCVN16": MastercardCVN16, "MasterCardCVN17": MastercardCVN17, "MasterCardCVN20": MastercardCVN20, "MasterCardCVN21": MastercardCVN21,
	}[name]
	if !ok {
		return nil, errors.New("no version of this name")
	}
	pan, psn := r.card(r.v.Keys["pan"], r.v.Keys["psn"])
	keys := MasterKeys{r.hex("AC", r.v.Keys["iss_mk_ac"]), r.hex("SMI", r.v.Keys["iss_mk_smi"]), r.hex("SMC", r.v.Keys["iss_mk_smc"])}
	card, err := NewCard(version, keys, pan, psn)
	if err != nil {
		return nil, err
	}
	switch method {
	case "generate_ac":
		ac, err := card.Cryptogram(r.request())
		return ac[:], err
	case "generate_arpc":
		return computeAnswer(r, card)
	case "generate_command_mac":
		var header [5]byte
		r.fixed(header[:], "command_header")
		mac, err := card.CommandMAC(header, optionalATC(r), r.arqc(), r.bytes("command_data"))
		return mac[:], err
	case "generate_pin_change_command":
		return card.PINChange(optionalATC(r), r.arqc(), r.pin("pin"), r.pin("current_pin"))
	}
	return nil, errors.New("no method of this name")
}

// computeAnswer returns the ARPC alone, after looking at what tag 91 adds to it.
func computeAnswer(r *in, card Card) ([]byte, error) {
	var q Request
	q.ATC = optionalATC(r)
	if r.text("tag_9f37") != "" {
		r.fixed(q.UN[:], "tag_9f37")
	}
	var a Answer
	var tail []byte
	if r.text("csu") != "" {
		r.fixed(a.CSU[:], "csu")
		a.Proprietary = r.bytes("proprietary_auth_data")
		tail = append(a.CSU[:], a.Proprietary...)
	} else {
		r.fixed(a.Code[:], "arpc_rc")
		tail = a.Code[:]
	}
	tag91, err := card.IssuerAuthenticationData(q, r.arqc(), a)
	arpc, ok := bytes.CutSuffix(tag91, tail)
	if !ok {
		return nil, fmt.Errorf("tag 91 is %X, without %X at its end", tag91, tail)
	}
	return arpc, err
}

func optionalATC(r *in) uint16 {
	if r.text("tag_9f36") == "" {
		return 0
	}
	return r.atc()
}

// unhex is for constants of this file.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// A chain that this package passes with nothing beside it: master key, session key,
// cryptogram and both answers. Values: knovichikhin/pyemv, tests/test_ac_hsm.py, which
// has them from an HSM.
func TestChainOfPublishedValues(t *testing.T) {
	pan, err := emv.ParsePAN("9901234567890123")
	if err != nil {
		t.Fatal(err)
	}
	mk, err := DeriveICCMasterKey(unhex("0123456789ABCDEFFEDCBA9876543210"), pan, 45)
	if want := unhex("F84315C7B95BD3B0C74694922C3808B0"); err != nil || !bytes.Equal(mk, want) {
		t.Fatalf("ICC master key %X, %v", mk, err)
	}
	sk, err := SessionKeyFrom(mk, [8]byte(unhex("1234567890123456")))
	if want := unhex("3E736BF8D37664348A04E3ABE00DEFC1"); err != nil || !bytes.Equal(sk, want) {
		t.Fatalf("session key %X, %v", sk, err)
	}
	arqc, err := ARQC(sk, unhex("0123456789ABCDEF0123456789ABCDEF"))
	if want := unhex("4B46013359B7A58B"); err != nil || !bytes.Equal(arqc[:], want) {
		t.Fatalf("ARQC %X, %v", arqc, err)
	}
	first, err := ARPC1(mk, arqc, [2]byte{})
	if want := unhex("F8C9CECAABD55AD1"); err != nil || !bytes.Equal(first[:], want) {
		t.Errorf("ARPC by method 1 %X, %v", first, err)
	}
	second, err := ARPC2(sk, arqc, [4]byte{}, unhex("1234567890ABCDEF"))
	if want := unhex("4962B76C"); err != nil || !bytes.Equal(second[:], want) {
		t.Errorf("ARPC by method 2 %X, %v", second, err)
	}
}

func TestSessionKeyCommonIsTheCounterAndZeros(t *testing.T) {
	// Value: knovichikhin/pyemv, pyemv/kd.py, derive_common_sk.
	got, err := SessionKeyCommon(unhex("0123456789ABCDEFFEDCBA9876543210"), 0x001C)
	if want := unhex("E9FB384AF807B940FEDCEA613461B0C4"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %X, %v", got, err)
	}
}

func TestRefusals(t *testing.T) {
	pan, err := emv.ParsePAN("6277000000000017")
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 16)
	keys := MasterKeys{key, key, key}
	card, err := NewCard(MastercardCVN20, keys, pan, 1)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		call func() error
		want error
	}{
		{"short issuer key", func() error { _, err := DeriveICCMasterKey(key[:8], pan, 0); return err }, ErrKey},
		{"long issuer key", func() error { _, err := DeriveICCMasterKeyB(make([]byte, 24), pan, 0); return err }, ErrKey},
		{"sequence number 100", func() error { _, err := DeriveICCMasterKey(key, pan, 100); return err }, ErrNumber},
		{"no session key", func() error { _, err := ARQC(nil, nil); return err }, ErrKey},
		{"no key for an ARPC", func() error { _, err := ARPC1(nil, [8]byte{}, [2]byte{}); return err }, ErrKey},
		{"nine proprietary bytes", func() error { _, err := ARPC2(key, [8]byte{}, [4]byte{}, make([]byte, 9)); return err }, ErrLength},
		{"short Visa key", func() error { _, err := SessionKeyVisa(key[:15], 1); return err }, ErrKey},
		{"flat tree", func() error { _, err := SessionKeyTree(key, 1, 0, 4, [16]byte{}); return err }, ErrNumber},
		{"version nought", func() error { _, err := NewCard(0, keys, pan, 0); return err }, ErrNumber},
		{"version beyond", func() error { _, err := NewCard(99, keys, pan, 0); return err }, ErrNumber},
		{"one master key missing", func() error { _, err := NewCard(VisaCVN18, MasterKeys{AC: key, SMI: key}, pan, 0); return err }, ErrKey},
		{"PIN of 3 digits", func() error { _, err := PINBlock2([]byte("123")); return err }, ErrLength},
		{"PIN of 13 digits", func() error { _, err := PINBlock2([]byte("1234567890123")); return err }, ErrLength},
		{"PIN with a letter", func() error { _, err := PINBlock2([]byte("12A4")); return err }, ErrNumber},
		{"current PIN too short", func() error { _, err := VisaPINBlock(key, []byte("1234"), []byte("1")); return err }, ErrLength},
		{"current PIN for Mastercard", func() error { _, err := card.PINChange(1, [8]byte{}, []byte("1234"), []byte("1111")); return err }, ErrNumber},
		{"data of 256 bytes", func() error { _, err := EncipherEMV.Encipher(key, make([]byte, 256)); return err }, ErrLength},
	}
	for _, tt := range tests {
		if err := tt.call(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestDerivedKeysHaveOddParity(t *testing.T) {
	pan, _ := emv.ParsePAN("6277000000000017")
	mk, err := DeriveICCMasterKey(unhex("0123456789ABCDEFFEDCBA9876543210"), pan, -1)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range mk {
		if bits.OnesCount8(b)%2 != 1 {
			t.Errorf("byte %d is %02X", i, b)
		}
	}
}
