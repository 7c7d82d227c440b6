package card

import (
	"bytes"
	"io"
	"slices"

	"posd/emv/apdu"
	"posd/emv/tlv"
)

// Status words that a kernel has no name for. ISO/IEC 7816-4, 5.1.3.
const (
	swWrongLength apdu.SW = 0x6700
	swWrongData   apdu.SW = 0x6A80
	swBlocked     apdu.SW = 0x6A81 // card blocked
	swWrongP1P2   apdu.SW = 0x6A86
	swMACWrong    apdu.SW = 0x6988
	swClass       apdu.SW = 0x6E00
	swInternal    apdu.SW = 0x6F00
	swSecurity    apdu.SW = 0x6982
	swTriesLeft   apdu.SW = 0x63C0 // and the number
	swUnknownIns          = apdu.InstructionNotSupported
	swConditions          = apdu.ConditionsNotSatisfied
	swPINBlocked          = apdu.AuthMethodBlocked
	swNotFound            = apdu.FileNotFound
	swNoRecord            = apdu.RecordNotFound
	swNoReference         = apdu.ReferencedDataNotFound
	swFileBlocked         = apdu.SelectedFileInvalidated
)

// instruction is one row of the card's command table.
type instruction struct {
	name     string // in misbehave lines
	cla      byte
	outgoing bool // the card sends data and takes none
	run      func(c *Card, cmd apdu.Command) ([]byte, apdu.SW)
}

// instructions by INS. EMV 4.4 Book 3, 6.5; issuer scripts Book 3, 6.5 with CLA 84.
var instructions = map[byte]instruction{
	apdu.InsSelect:               {"select", 0x00, false, (*Card).selectFile},
	apdu.InsReadRecord:           {"read-record", 0x00, true, (*Card).readRecord},
	apdu.InsGetProcessingOptions: {"gpo", 0x80, false, (*Card).getProcessingOptions},
	apdu.InsGetData:              {"get-data", 0x80, true, (*Card).getData},
	apdu.InsInternalAuthenticate: {"internal-authenticate", 0x00, false, (*Card).internalAuthenticate},
	apdu.InsGenerateAC:           {"", 0x80, false, (*Card).generateAC},
	apdu.InsExternalAuthenticate: {"external-authenticate", 0x00, false, (*Card).externalAuthenticate},
	apdu.InsVerify:               {"verify", 0x00, false, (*Card).verify},
	apdu.InsGetChallenge:         {"get-challenge", 0x00, true, (*Card).getChallenge},
	insCardBlock:                 {"script", 0x84, false, (*Card).script},
	insApplicationUnblock:        {"script", 0x84, false, (*Card).script},
	insApplicationBlock:          {"script", 0x84, false, (*Card).script},
	insPINChange:                 {"script", 0x84, false, (*Card).script},
}

// state is an application with its memory.
type state struct {
	*Application
	atc, lastOnline uint16
	offline         int // payments approved offline since the last online one
	blocked         bool
	scripts         int // script commands since the last first cryptogram, for the CVR
	scriptFailed    bool
	unfinished      bool // the last online payment was not completed
	authFailed      bool // issuer authentication failed in the last online payment
	log             [][]byte
}

// run dispatches one command and spoils its answer where the file asks for it.
func (c *Card) run(cmd apdu.Command) []byte {
	row, known := instructions[cmd.INS]
	name := row.name
	if cmd.INS == apdu.InsGenerateAC {
		name = "ac1"
		if c.session.phase != initiated {
			name = "ac2"
		}
	}
	var data []byte
	sw := swUnknownIns
	switch {
	case known && cmd.CLA != row.cla:
		sw = swClass
	case known:
		data, sw = row.run(c, cmd)
	}
	return c.misbehave(name, append(data, swBytes(sw)...), 2)
}

var pseName = []byte("1PAY.SYS.DDF01")

// selectFile is SELECT by name, first or next occurrence. EMV 4.4 Book 1, 11.3.
func (c *Card) selectFile(cmd apdu.Command) ([]byte, apdu.SW) {
	switch {
	case cmd.P1 != 0x04 || cmd.P2 != 0x00 && cmd.P2 != 0x02:
		return nil, swWrongP1P2
	case len(cmd.Data) < 5 || len(cmd.Data) > 16:
		return nil, swWrongLength
	case c.blocked:
		return nil, swBlocked
	case cmd.P2 == 0x02 && bytes.Equal(c.foundName, cmd.Data):
		return c.take(c.foundNext)
	}
	c.selected, c.pse, c.session = nil, false, session{}
	if bytes.Equal(cmd.Data, pseName) {
		return c.selectPSE()
	}
	c.foundName, c.found = slices.Clone(cmd.Data), nil
	for _, a := range c.apps {
		if bytes.HasPrefix(a.AID, cmd.Data) {
			c.found = append(c.found, a)
		}
	}
	if cmd.P2 == 0x02 {
		return c.take(1)
	}
	return c.take(0)
}

// take selects the n-th application that the name matched.
func (c *Card) take(n int) ([]byte, apdu.SW) {
	c.selected, c.session = nil, session{}
	if n >= len(c.found) {
		return nil, swNotFound
	}
	a := c.found[n]
	c.selected, c.pse, c.foundNext = a, false, n+1
	if a.blocked {
		return slices.Clone(a.fci), swFileBlocked
	}
	return slices.Clone(a.fci), apdu.OK
}

func (c *Card) selectPSE() ([]byte, apdu.SW) {
	if !c.profile.PSE {
		return nil, swNotFound
	}
	c.pse = true
	proprietary := tlv.Append(nil, tagSFI, []byte{0x01})
	if language := c.apps[0].Language; language != "" {
		proprietary = tlv.Append(proprietary, tagLanguage, []byte(language))
	}
	body := tlv.Append(nil, tagDFName, pseName)
	return tlv.Append(nil, tagFCI, tlv.Append(body, tagProprietary, proprietary)), apdu.OK
}

// directory is the payment system directory: an application a record.
func (c *Card) directory(number int) ([]byte, apdu.SW) {
	if number > len(c.apps) {
		return nil, swNoRecord
	}
	a := c.apps[number-1]
	entry := appendObjects(nil, []object{
		{Tag: tagADF, Value: a.AID},
		{Tag: tagLabel, Value: []byte(a.Label)},
		{Tag: tagPriority, Value: []byte{a.Priority}},
	})
	return tlv.Append(nil, tagRecord, tlv.Append(nil, tagEntry, entry)), apdu.OK
}

// readRecord is READ RECORD by number. The log is readable as it is: without template.
func (c *Card) readRecord(cmd apdu.Command) ([]byte, apdu.SW) {
	sfi, number := cmd.P2>>3, int(cmd.P1)
	switch {
	case cmd.P2&0x07 != 0x04 || number == 0 || sfi == 0 || sfi > 30:
		return nil, swWrongP1P2
	case c.pse && sfi == 1:
		return c.directory(number)
	case c.selected == nil:
		return nil, swNotFound
	}
	records := c.selected.files[sfi]
	if sfi == sfiLog {
		records = c.selected.log
	}
	if records == nil && sfi != sfiLog {
		return nil, swNotFound
	}
	if number > len(records) {
		return nil, swNoRecord
	}
	return slices.Clone(records[number-1]), apdu.OK
}

// getProcessingOptions begins a payment: the transaction counter goes up.
func (c *Card) getProcessingOptions(cmd apdu.Command) ([]byte, apdu.SW) {
	a := c.selected
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return nil, swWrongP1P2
	case a == nil || a.blocked || c.session.phase != idle || a.atc == 0xFFFF:
		return nil, swConditions
	}
	pdol, err := tlv.Template(cmd.Data, tagCommand)
	if err != nil || len(pdol) != dolLength(a.PDOL) {
		return nil, swWrongData
	}
	a.atc++
	c.session = session{phase: initiated, pdol: slices.Clone(pdol)}
	if !a.Format2 {
		body := append([]byte{byte(a.AIP >> 8), byte(a.AIP)}, a.afl...)
		return tlv.Append(nil, tagFormat1, body), apdu.OK
	}
	body := tlv.Append(nil, tagAIP, []byte{byte(a.AIP >> 8), byte(a.AIP)})
	return tlv.Append(nil, tagFormat2, tlv.Append(body, tagAFL, a.afl)), apdu.OK
}

// getData returns counters. EMV 4.4 Book 3, 6.5.7.
func (c *Card) getData(cmd apdu.Command) ([]byte, apdu.SW) {
	if c.selected == nil {
		return nil, swConditions
	}
	switch tag := tlv.Tag(cmd.P1)<<8 | tlv.Tag(cmd.P2); tag {
	case tagATC:
		return tlv.Append(nil, tag, uint16Bytes(c.selected.atc)), apdu.OK
	case tagLastOnline:
		return tlv.Append(nil, tag, uint16Bytes(c.selected.lastOnline)), apdu.OK
	case tagPINTries:
		return tlv.Append(nil, tag, []byte{byte(c.pinTries)}), apdu.OK
	case tagLogFormat:
		return tlv.Append(nil, tag, logFormat), apdu.OK
	}
	return nil, swNoReference
}

func (c *Card) getChallenge(cmd apdu.Command) ([]byte, apdu.SW) {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return nil, swWrongP1P2
	}
	challenge := make([]byte, 8)
	if _, err := io.ReadFull(c.rand, challenge); err != nil {
		return nil, swInternal
	}
	c.challenge = challenge
	return slices.Clone(challenge), apdu.OK
}

// dolLength is the number of bytes that a list asks for; the list was checked when
// the file was read.
func dolLength(d tlv.DOL) (n int) {
	for e := range d.Entries() {
		n += e.Length
	}
	return n
}

// dolValue is the value of a tag in data that follows a list, or nil.
func dolValue(d tlv.DOL, data []byte, tag tlv.Tag) []byte {
	for e := range d.Entries() {
		if len(data) < e.Length {
			return nil
		}
		if e.Tag == tag {
			return data[:e.Length]
		}
		data = data[e.Length:]
	}
	return nil
}
