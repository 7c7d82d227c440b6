package iso8583

import (
	"errors"
	"fmt"
	"math/bits"

	"posd/emv"
)

// Parse reads a frame from the TPDU to the last field, without the two length bytes.
// It is strict: a field that the class does not have, a length or a digit that cannot
// be, a field that is missing, and bytes that follow the last one are errors that name
// field and offset. What it accepts, Append packs to the same bytes. It does not look at
// the MAC: see [Dialect.VerifyMAC].
//
// The message shares no memory with frame. Card number and track go straight into their
// types, so that wiping frame leaves no other copy.
func (d *Dialect) Parse(frame []byte) (Header, Message, error) {
	h, mti, bitmap, err := parseHeader(frame)
	if err != nil {
		return Header{}, nil, err
	}
	c := d.classOf(mti)
	if c == nil {
		return Header{}, nil, fmt.Errorf("iso8583: parse: message type %04X at offset %d: %w", mti, headerLength, ErrUnknown)
	}
	p := parser{d: d, frame: frame, at: fieldsAt, mti: mti}
	m := newMessage(c.class)
	p.in = m.places()
	err = p.message(c, bitmap)
	clear(p.scratch[:])
	if err != nil {
		return Header{}, nil, err
	}
	return h, m, nil
}

// parser is one Parse under way. Strings are gathered and made with one allocation.
type parser struct {
	d          *Dialect
	frame      []byte
	at         int
	mti        uint16
	in         places
	code       Function // field 60.3
	processing uint32
	condition  uint8
	sealed     bool                   // security control says that the track is under the track key
	track      []byte                 // field 35, packed
	trackChars int                    // and its length
	trackAt    int                    // and its offset
	scratch    [additionalLength]byte // digits of the field being read; wiped at the end
	strings    [288]byte
	used       int
	pending    [20]pending
	waiting    int
}

// pending is a string to be: where it goes, and where its characters are.
type pending struct {
	to         *string
	start, end int
}

func (p *parser) message(c *compiled, bitmap uint64) error {
	for left := bitmap; left != 0; {
		field := bits.LeadingZeros64(left) + 1
		left &^= bit(field)
		e := &p.d.elements[field]
		start := p.at
		if err := p.field(e, c.byField[field]); err != nil {
			return &FieldError{"parse", p.mti, field, e.name, start, err}
		}
	}
	if missing := c.must &^ bitmap; missing != 0 {
		field := bits.LeadingZeros64(missing) + 1
		return &FieldError{"parse", p.mti, field, p.d.elements[field].name, p.at, ErrMissing}
	}
	if p.at != len(p.frame) {
		return fmt.Errorf("iso8583: parse %04X: %d bytes at offset %d: %w", p.mti, len(p.frame)-p.at, p.at, ErrTrailing)
	}
	return p.finish(c, bitmap)
}

// field reads one field and puts it into its place.
func (p *parser) field(e *element, v value) error {
	if e.number == 0 || v == noValue {
		return ErrUnknown
	}
	body, n, err := p.body(e)
	if err != nil {
		return err
	}
	if v == vTrack2 {
		p.track, p.trackChars, p.trackAt = body, n, p.at-len(body)-1
		return nil
	}
	chars := body
	if e.format == digits {
		chars = p.scratch[:n]
		err = unpack(chars, body, n, false, e.right)
	} else {
		err = checkText(e.format, body)
	}
	if err != nil {
		return err
	}
	return p.set(v, chars)
}

// body takes a field's bytes off the frame, and returns how many characters they are.
func (p *parser) body(e *element) (body []byte, n int, err error) {
	n = e.length
	if e.prefix > 0 {
		if n, err = p.prefix(e); err != nil {
			return nil, 0, err
		}
	}
	size := n
	if e.format == digits || e.format == nibbles {
		size = (n + 1) / 2
	}
	if left := len(p.frame) - p.at; size > left {
		return nil, 0, fmt.Errorf("%d bytes wanted, %d left: %w", size, left, ErrTruncated)
	}
	body = p.frame[p.at : p.at+size]
	p.at += size
	return body, n, nil
}

// prefix reads a length of 2 or 3 digits.
func (p *parser) prefix(e *element) (int, error) {
	size := (e.prefix + 1) / 2
	if left := len(p.frame) - p.at; size > left {
		return 0, fmt.Errorf("length of %d bytes, %d left: %w", size, left, ErrTruncated)
	}
	n := 0
	for _, b := range p.frame[p.at : p.at+size] {
		if !isBCD(b) {
			return 0, fmt.Errorf("length byte is %02X: %w", b, ErrValue)
		}
		n = n*100 + int(b>>4)*10 + int(b&0xF)
	}
	if n == 0 || n > e.length {
		return 0, fmt.Errorf("length %d, 1 to %d wanted: %w", n, e.length, ErrValue)
	}
	p.at += size
	return n, nil
}

// set puts the characters of a field into their place. A zero is refused where it would
// mean that the field is absent.
func (p *parser) set(v value, chars []byte) error {
	switch v {
	case vProcessing:
		p.processing = uint32(decimal(chars))
		return nil
	case vCondition:
		p.condition = uint8(decimal(chars))
		return nil
	case vSecurity:
		p.sealed = chars[2] == '1'
	}
	switch to := p.in[v].(type) {
	case *string:
		return p.later(to, chars)
	case *[]byte:
		*to = append([]byte(nil), chars...)
		return nil
	case *uint32:
		*to = uint32(decimal(chars))
		return nonZero(*to != 0)
	case *int64:
		*to = int64(decimal(chars))
		return nonZero(*to != 0)
	case *uint8:
		*to = uint8(decimal(chars))
		return nonZero(*to != 0)
	case *int:
		*to = int(decimal(chars))
		return nil
	case *emv.Currency:
		return setCurrency(to, chars)
	case *emv.PAN:
		return setPAN(to, chars)
	case *[8]byte:
		copy(to[:], chars)
		return nonZero(*to != [8]byte{})
	}
	return p.setParts(p.in[v], chars)
}

// setParts reads the fields that have parts, or a form of their own.
func (p *parser) setParts(place any, chars []byte) error {
	switch to := place.(type) {
	case *Private:
		return p.private(to, chars)
	case *batchOnly:
		return p.batchOnly(to, chars)
	case *Original:
		return p.original(to, chars)
	case *shortPIN:
		*to = append([]byte(nil), chars...)
		return nil
	case *longPIN:
		return to.parse(chars)
	case *tip:
		return to.parse(chars)
	case *AccountBalance:
		return to.parse(chars)
	case totals:
		return to.parse(chars)
	case group:
		return to.parse(chars)
	case institutions:
		return p.institutions(to.m, chars)
	case *operator:
		return p.operator((*string)(to), chars)
	}
	return ErrUnknown
}

func (p *parser) private(to *Private, chars []byte) error {
	err := to.parse(chars)
	p.code = Function(to.Network)
	return err
}

// batchOnly reads field 60 of a message that is no payment: 60.1 is 00, and it ends
// after 60.3.
func (p *parser) batchOnly(to *batchOnly, chars []byte) error {
	var private Private
	if err := private.parse(chars); err != nil {
		return err
	}
	if private.Digits != 11 || private.Type != 0 {
		return fmt.Errorf("%d digits with 60.1 = %02d, 11 with 00 wanted: %w", len(chars), private.Type, ErrValue)
	}
	*to, p.code = batchOnly(private.Batch), Function(private.Network)
	return nil
}

func (b *longPIN) parse(chars []byte) error {
	if len(*b) > 0 || len(chars) != longPINLength {
		return fmt.Errorf("%d bytes beside field 52, %d without it wanted: %w", len(chars), longPINLength, ErrValue)
	}
	*b = append([]byte(nil), chars...)
	return nil
}

func (t *tip) parse(chars []byte) error {
	if len(chars) != tipDigits {
		return fmt.Errorf("%d digits, %d wanted: %w", len(chars), tipDigits, ErrValue)
	}
	*t = tip(decimal(chars))
	return nonZero(*t != 0)
}

func nonZero(ok bool) error {
	if !ok {
		return fmt.Errorf("zero: %w", ErrValue)
	}
	return nil
}

func setCurrency(to *emv.Currency, chars []byte) error {
	for _, c := range chars {
		if c < '0' || c > '9' {
			return fmt.Errorf("no digits: %w", ErrValue)
		}
	}
	*to = emv.Currency(decimal(chars))
	return nonZero(*to != 0)
}

func setPAN(to *emv.PAN, chars []byte) (err error) {
	*to, err = emv.ParsePAN(chars)
	return err
}

func (p *parser) original(to *Original, chars []byte) error {
	n := len(chars)
	if n != 12 && n != 16 && n != 18 && n != 29 {
		return fmt.Errorf("%d digits, 12, 16, 18 or 29 wanted: %w", n, ErrValue)
	}
	to.Batch, to.STAN = uint32(decimal(chars[:6])), uint32(decimal(chars[6:12]))
	if n == 12 {
		return nonZero(to.Batch != 0 || to.STAN != 0)
	}
	err := p.later(&to.Date, chars[12:16])
	if n > 16 {
		err = errors.Join(err, p.later(&to.Mode, chars[16:18]))
	}
	if n > 18 {
		err = errors.Join(err, p.later(&to.Institution, chars[18:]))
	}
	return err
}

func (p *parser) institutions(to *FinancialResponse, chars []byte) error {
	if len(chars) != 2*institutionLength {
		return fmt.Errorf("%d characters, %d wanted: %w", len(chars), 2*institutionLength, ErrValue)
	}
	issuer, acquirer := trimRight(chars[:institutionLength]), trimRight(chars[institutionLength:])
	if len(issuer)+len(acquirer) == 0 {
		return fmt.Errorf("blank: %w", ErrValue)
	}
	if err := p.later(&to.Issuer, issuer); err != nil {
		return err
	}
	return p.later(&to.Acquirer, acquirer)
}

func trimRight(chars []byte) []byte {
	for len(chars) > 0 && chars[len(chars)-1] == ' ' {
		chars = chars[:len(chars)-1]
	}
	return chars
}

func (p *parser) operator(to *string, chars []byte) error {
	if len(chars) != 3 || chars[2] != ' ' {
		return fmt.Errorf("not an operator and a blank: %w", ErrValue)
	}
	return p.later(to, chars[:2])
}

// later notes a string, whose characters are copied now.
func (p *parser) later(to *string, chars []byte) error {
	if p.waiting == len(p.pending) || p.used+len(chars) > len(p.strings) {
		return fmt.Errorf("too much text: %w", ErrTooLong)
	}
	end := p.used + copy(p.strings[p.used:], chars)
	p.pending[p.waiting] = pending{to, p.used, end}
	p.waiting, p.used = p.waiting+1, end
	return nil
}

// finish does what needs the whole message: strings, the track, function and type.
func (p *parser) finish(c *compiled, bitmap uint64) error {
	all := string(p.strings[:p.used])
	for _, s := range p.pending[:p.waiting] {
		*s.to = all[s.start:s.end]
	}
	if err := p.finishTrack(); err != nil {
		return &FieldError{"parse", p.mti, 35, p.d.elements[35].name, p.trackAt, err}
	}
	if err := p.finishType(c, bitmap); err != nil {
		return fmt.Errorf("iso8583: parse %04X: %w", p.mti, err)
	}
	if g, ok := p.in[vAdditional].(group); ok {
		if err := g.finish(bitmap&bit(48) != 0); err != nil {
			return fmt.Errorf("iso8583: parse %04X: field 48: %w", p.mti, err)
		}
	}
	return nil
}

// finishType finds out what the message is about: a function, a transaction, or both.
func (p *parser) finishType(c *compiled, bitmap uint64) (err error) {
	request := p.mti &^ 0x10
	if c.function != 0 && p.code != c.function {
		return fmt.Errorf("field 60: function %v, %v wanted: %w", p.code, c.function, ErrUnknown)
	}
	function, _ := p.in[vFunction].(*Function)
	kind, _ := p.in[vType].(*TransactionType)
	if function != nil && (p.code != 0 || kind == nil) {
		if !p.d.knows(p.code, request) {
			return fmt.Errorf("field 60: function %v: %w", p.code, ErrUnknown)
		}
		*function = p.code
		return p.nameless(bitmap)
	}
	if kind == nil {
		return nil
	}
	private, _ := p.in[vPrivate].(*Private)
	if len(c.requests) == 1 {
		request = 0
	}
	if missing := (bit(3) | bit(25)) &^ bitmap; missing != 0 {
		return fmt.Errorf("no function, and field 3 or 25: %w", ErrMissing)
	}
	*kind, err = p.d.typeOf(request, p.processing, p.condition, private.Type)
	return err
}

// nameless refuses a transaction's fields in a message that has a function.
func (p *parser) nameless(bitmap uint64) error {
	private, ok := p.in[vPrivate].(*Private)
	if ok && (private.Type != 0 || bitmap&(bit(3)|bit(25)) != 0) {
		return fmt.Errorf("function %v with field 3, 25 or 60.1 of a transaction: %w", p.code, ErrValue)
	}
	return nil
}

// finish checks field 48 against the function, which comes after it.
func (g group) finish(present bool) error {
	f := *g.function
	counted := present && len(*g.details) == 0
	switch {
	case present && !(f.ends() && counted || f == UploadGroup && !counted):
		return fmt.Errorf("not of function %v: %w", f, ErrValue)
	case !present && (f.ends() || f == UploadGroup) && !g.answer:
		return fmt.Errorf("function %v: %w", f, ErrMissing)
	case !present && f.ends():
		*g.count = -1
	}
	return nil
}

// finishTrack reads field 35, once field 53 has said whether it is in clear.
func (p *parser) finishTrack() error {
	at, ok := p.in[vTrack2].(track)
	if !ok || p.track == nil {
		return nil
	}
	to := at.m
	if p.sealed {
		return to.Sealed.parse(p.track, p.trackChars)
	}
	chars := p.scratch[:p.trackChars]
	if err := unpack(chars, p.track, p.trackChars, true, false); err != nil {
		return err
	}
	var err error
	to.Track2, err = emv.ParseTrack2(chars)
	return err
}
