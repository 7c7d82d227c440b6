package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/payment"
	"posd/store"
)

// Buckets. A record's key is its number in the journal, 8 bytes big-endian; the head is
// alone in its bucket, small enough for bbolt to keep it in a page that each commit
// writes anyway.
const (
	bucketRecords = "journal"
	bucketHead    = "head"
)

func keyHead() []byte { return []byte("journal") }

func keyOf(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// head says what comes next: numbers first to next-1 are in the journal; batch and the
// last STAN given.
type head struct {
	first, next uint64
	batch, stan uint32
}

const headSize = 24

func (h head) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, h.first)
	b = binary.BigEndian.AppendUint64(b, h.next)
	b = binary.BigEndian.AppendUint32(b, h.batch)
	return binary.BigEndian.AppendUint32(b, h.stan)
}

// readHead reads the head; a journal that never held anything begins with batch 1.
func readHead(tx *store.Tx) (head, error) {
	b, err := tx.Get(bucketHead, keyHead())
	if errors.Is(err, store.ErrNotFound) {
		return head{first: 1, next: 1, batch: 1}, nil
	}
	if err != nil {
		return head{}, err
	}
	if len(b) != headSize {
		return head{}, fmt.Errorf("head of %d bytes: %w", len(b), store.ErrDamaged)
	}
	be := binary.BigEndian
	h := head{be.Uint64(b), be.Uint64(b[8:]), be.Uint32(b[16:]), be.Uint32(b[20:])}
	if h.first > h.next || h.batch < 1 || h.batch > maxBatch || h.stan > maxSTAN {
		return head{}, fmt.Errorf("head %+v: %w", h, store.ErrDamaged)
	}
	return h, nil
}

// A record's value, in the clear:
//
//	byte  0      format, 2
//	byte  1      state; 0 for a payment that both copies lost
//	byte  2      flags: 1 its receipt was printed, 2 a notice of script results is owed,
//	             4 its batch is closed and it is not
//	byte  3      kind
//	bytes 4-7    batch, big-endian
//	bytes 8-11   STAN, big-endian
//	bytes 12-19  batch and STAN of the original; zeros for none
//	bytes 20-    the rest of the record as JSON, see stored
//
// So the index is read without reading JSON. The card number is the record's secret.
// Format 1, which the first version wrote, has the JSON from byte 12 and zero in byte 3.
const (
	valueFormat = 2
	valueHeader = 20
	firstFormat = 1
	firstHeader = 12
)

// Flags of a value.
const (
	flagPrinted = 1
	flagNotice  = 2
	flagCarried = 4
)

// stored is the persisted form of payment.Record, apart from what the value's header
// has and the card number. Its names are the disk's: they do not follow a rename.
type stored struct {
	Kind        uint8         `json:"kind"`
	Minor       int64         `json:"minor"`
	Currency    uint16        `json:"currency"`
	Time        time.Time     `json:"time"`
	Operator    string        `json:"operator,omitempty"`
	Terminal    string        `json:"terminal,omitempty"`
	Merchant    string        `json:"merchant,omitempty"`
	Masked      string        `json:"masked,omitempty"`
	Expiry      string        `json:"expiry,omitempty"`
	PANSequence int           `json:"psn"`
	EntryMode   string        `json:"entry,omitempty"`
	Request     []byte        `json:"request,omitempty"`
	Final       []byte        `json:"final,omitempty"`
	OnlinePIN   bool          `json:"online_pin,omitempty"`
	Answer      *storedAnswer `json:"answer,omitempty"`
	Facts       storedFacts   `json:"facts"`
	Why         string        `json:"why,omitempty"`
	Reversal    *storedDebt   `json:"reversal,omitempty"`
	Completed   time.Time     `json:"completed,omitzero"`

	Supervisor string          `json:"supervisor,omitempty"`
	Fallback   bool            `json:"fallback,omitempty"`
	Original   *storedOriginal `json:"original,omitempty"`
	Before     int64           `json:"before,omitempty"` // minor units of Currency
	Tries      int             `json:"tries,omitempty"`
	Script     *storedNotice   `json:"script,omitempty"`
}

type storedOriginal struct {
	Batch    uint32 `json:"batch,omitempty"`
	STAN     uint32 `json:"stan,omitempty"`
	RRN      string `json:"rrn,omitempty"`
	AuthCode string `json:"auth,omitempty"`
	Date     string `json:"date,omitempty"`
}

type storedNotice struct {
	ICC    []byte        `json:"icc,omitempty"`
	Since  time.Time     `json:"since,omitzero"`
	Tries  int           `json:"tries,omitempty"`
	Answer *storedAnswer `json:"answer,omitempty"`
}

type storedAnswer struct {
	Code       string `json:"code,omitempty"`
	AuthCode   string `json:"auth,omitempty"`
	RRN        string `json:"rrn,omitempty"`
	Time       string `json:"time,omitempty"`
	SettleDate string `json:"settle,omitempty"`
	Acquirer   string `json:"acquirer,omitempty"`
	Issuer     string `json:"issuer,omitempty"`
	Text       string `json:"text,omitempty"`
	ICC        []byte `json:"icc,omitempty"`
	Amount     int64  `json:"amount,omitempty"`
	Balance    *int64 `json:"balance,omitempty"`
}

type storedDebt struct {
	Reason     string        `json:"reason,omitempty"`
	ICC        []byte        `json:"icc,omitempty"`
	Since      time.Time     `json:"since,omitzero"`
	Tries      int           `json:"tries,omitempty"`
	Last       string        `json:"last,omitempty"`
	Answer     *storedAnswer `json:"answer,omitempty"`
	Resolution string        `json:"resolution,omitempty"`
	Operator   string        `json:"operator,omitempty"`
}

type storedFacts struct {
	AID           []byte  `json:"aid,omitempty"`
	Label         string  `json:"label,omitempty"`
	PreferredName string  `json:"name,omitempty"`
	TVR           uint64  `json:"tvr,omitempty"`
	TSI           uint16  `json:"tsi,omitempty"`
	CVMResults    [3]byte `json:"cvm"`
	Cryptogram    []byte  `json:"ac,omitempty"`
	Kind          byte    `json:"kind,omitempty"`
	ATC           uint16  `json:"atc,omitempty"`
	UN            [4]byte `json:"un"`
	AIP           uint16  `json:"aip,omitempty"`
	IAD           []byte  `json:"iad,omitempty"`
	Signature     bool    `json:"signature,omitempty"`
	PINEntered    bool    `json:"pin,omitempty"`
}

// forgets tells that a payment in this state will never be reversed, sent or uploaded:
// nobody needs its card number any longer. A notice that the host has not answered does.
func forgets(s payment.State, k payment.Kind, notice bool) bool {
	if notice {
		return false
	}
	switch s {
	case payment.Declined, payment.Reversed, payment.Resolved:
		return true
	case payment.Completed:
		return k == payment.Balance
	}
	return false
}

// owesNotice tells that the host is still to hear of issuer scripts.
func owesNotice(rec *payment.Record) bool { return rec.Script != nil && rec.Script.Answer == nil }

// putRecord stores a record under its number; a new one with its card number.
func putRecord(tx *store.Tx, e entry, rec *payment.Record, begun bool) error {
	value, err := encode(rec)
	if err != nil {
		return err
	}
	value[2] |= e.flags & flagCarried
	switch {
	case forgets(rec.State, rec.Kind, owesNotice(rec)):
		return tx.PutBare(bucketRecords, keyOf(e.seq), value)
	case begun && !rec.PAN.IsZero():
		digits := rec.PAN.Append(make([]byte, 0, 19))
		defer clear(digits)
		return tx.PutSecret(bucketRecords, keyOf(e.seq), value, digits)
	}
	return tx.Put(bucketRecords, keyOf(e.seq), value)
}

func markPrinted(value []byte) { value[2] |= flagPrinted }

// encode gives the record's value: the same bytes for the same record.
func encode(rec *payment.Record) ([]byte, error) {
	e := entryFor(0, rec)
	out := []byte{valueFormat, byte(e.state), e.flags, byte(e.kind)}
	for _, n := range []uint32{e.id.Batch, e.id.STAN, e.original.Batch, e.original.STAN} {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	body, err := json.Marshal(toStored(rec))
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err) // a time that JSON cannot hold
	}
	return append(out, body...), nil
}

// entryFor is what the index knows of a record.
func entryFor(seq uint64, rec *payment.Record) entry {
	e := entry{seq: seq, id: rec.ID, state: rec.State, kind: rec.Kind}
	if rec.Original != nil {
		e.original = rec.Original.ID
	}
	if rec.Printed {
		e.flags |= flagPrinted
	}
	if rec.Script != nil && rec.Script.Answer == nil {
		e.flags |= flagNotice
	}
	return e
}

// entryOf reads the head of a value.
func entryOf(key, value []byte) (entry, error) {
	if len(key) != 8 || len(value) < firstHeader {
		return entry{}, fmt.Errorf("record %x: not a journal record: %w", key, store.ErrDamaged)
	}
	be := binary.BigEndian
	e := entry{
		seq: be.Uint64(key), state: payment.State(value[1]), flags: value[2], kind: payment.Kind(value[3]),
		id: payment.ID{Batch: be.Uint32(value[4:]), STAN: be.Uint32(value[8:])},
	}
	switch {
	case value[0] == firstFormat:
		e.kind = payment.Sale // the first version knew no other
	case value[0] == valueFormat && len(value) >= valueHeader:
		e.original = payment.ID{Batch: be.Uint32(value[12:]), STAN: be.Uint32(value[16:])}
	default:
		return entry{}, fmt.Errorf("record %x: not a journal record: %w", key, store.ErrDamaged)
	}
	if !e.state.Valid() && !e.hole() {
		return entry{}, fmt.Errorf("record %x (%v): unknown %v: %w", key, e.id, e.state, store.ErrDamaged)
	}
	return e, nil
}

// hole is the value of a payment that both copies lost.
func hole() []byte {
	value := make([]byte, valueHeader)
	value[0] = valueFormat
	return value
}

func decode(value []byte) (*payment.Record, error) {
	e, err := entryOf(keyOf(0), value)
	if err != nil {
		return nil, err
	}
	body := value[firstHeader:]
	if value[0] == valueFormat {
		body = value[valueHeader:]
	}
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("payment %v: %w: %w", e.id, store.ErrDamaged, err)
	}
	return fromStored(e, &s), nil
}

func toStored(r *payment.Record) *stored {
	return &stored{
		Kind: uint8(r.Kind), Minor: r.Amount.Minor, Currency: uint16(r.Amount.Currency),
		Time: r.Time, Operator: r.Operator, Terminal: r.Terminal, Merchant: r.Merchant,
		Masked: r.Masked, Expiry: r.Expiry, PANSequence: r.PANSequence, EntryMode: r.EntryMode,
		Request: r.Request, Final: r.Final, OnlinePIN: r.OnlinePIN,
		Answer: (*storedAnswer)(r.Answer), Facts: toFacts(&r.Facts),
		Why: r.Why, Reversal: toDebt(r.Reversal), Completed: r.Completed,
		Supervisor: r.Supervisor, Fallback: r.Fallback, Original: toOriginal(r.Original),
		Before: r.Before.Minor, Tries: r.Tries, Script: toNotice(r.Script),
	}
}

func fromStored(e entry, s *stored) *payment.Record {
	return &payment.Record{
		ID: e.id, Kind: payment.Kind(s.Kind), State: e.state,
		Amount: emv.Amount{Minor: s.Minor, Currency: emv.Currency(s.Currency)},
		Time:   s.Time, Operator: s.Operator, Terminal: s.Terminal, Merchant: s.Merchant,
		Masked: s.Masked, Expiry: s.Expiry, PANSequence: s.PANSequence, EntryMode: s.EntryMode,
		Request: s.Request, Final: s.Final, OnlinePIN: s.OnlinePIN,
		Answer: (*payment.Answer)(s.Answer), Facts: fromFacts(&s.Facts),
		Why: s.Why, Reversal: fromDebt(s.Reversal), Completed: s.Completed, Printed: e.printed(),
		Supervisor: s.Supervisor, Fallback: s.Fallback, Original: fromOriginal(s.Original),
		Before: before(s), Tries: s.Tries, Script: fromNotice(s.Script),
	}
}

// before is the amount of the original of an adjustment; zero for any other payment.
func before(s *stored) emv.Amount {
	if s.Before == 0 {
		return emv.Amount{}
	}
	return emv.Amount{Minor: s.Before, Currency: emv.Currency(s.Currency)}
}

func toOriginal(o *payment.Original) *storedOriginal {
	if o == nil {
		return nil
	}
	return &storedOriginal{Batch: o.ID.Batch, STAN: o.ID.STAN, RRN: o.RRN, AuthCode: o.AuthCode, Date: o.Date}
}

func fromOriginal(o *storedOriginal) *payment.Original {
	if o == nil {
		return nil
	}
	return &payment.Original{
		ID: payment.ID{Batch: o.Batch, STAN: o.STAN}, RRN: o.RRN, AuthCode: o.AuthCode, Date: o.Date,
	}
}

func toNotice(n *payment.Notice) *storedNotice {
	if n == nil {
		return nil
	}
	return &storedNotice{ICC: n.ICC, Since: n.Since, Tries: n.Tries, Answer: (*storedAnswer)(n.Answer)}
}

func fromNotice(n *storedNotice) *payment.Notice {
	if n == nil {
		return nil
	}
	return &payment.Notice{ICC: n.ICC, Since: n.Since, Tries: n.Tries, Answer: (*payment.Answer)(n.Answer)}
}

func toDebt(d *payment.Debt) *storedDebt {
	if d == nil {
		return nil
	}
	return &storedDebt{
		Reason: string(d.Reason), ICC: d.ICC, Since: d.Since, Tries: d.Tries, Last: d.Last,
		Answer: (*storedAnswer)(d.Answer), Resolution: d.Resolution, Operator: d.Operator,
	}
}

func fromDebt(d *storedDebt) *payment.Debt {
	if d == nil {
		return nil
	}
	return &payment.Debt{
		Reason: payment.Reason(d.Reason), ICC: d.ICC, Since: d.Since, Tries: d.Tries, Last: d.Last,
		Answer: (*payment.Answer)(d.Answer), Resolution: d.Resolution, Operator: d.Operator,
	}
}

func toFacts(f *kernel.Facts) storedFacts {
	return storedFacts{
		AID: f.AID, Label: f.Label, PreferredName: f.PreferredName,
		TVR: uint64(f.TVR), TSI: uint16(f.TSI), CVMResults: f.CVMResults,
		Cryptogram: f.Cryptogram, Kind: byte(f.Kind), ATC: f.ATC, UN: f.UN, AIP: uint16(f.AIP),
		IAD: f.IAD, Signature: f.Signature, PINEntered: f.PINEntered,
	}
}

func fromFacts(f *storedFacts) kernel.Facts {
	return kernel.Facts{
		AID: f.AID, Label: f.Label, PreferredName: f.PreferredName,
		TVR: emv.TVR(f.TVR), TSI: emv.TSI(f.TSI), CVMResults: f.CVMResults,
		Cryptogram: f.Cryptogram, Kind: emv.Cryptogram(f.Kind), ATC: f.ATC, UN: f.UN, AIP: emv.AIP(f.AIP),
		IAD: f.IAD, Signature: f.Signature, PINEntered: f.PINEntered,
	}
}
