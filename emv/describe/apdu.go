package describe

import (
	"bytes"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Memory is what a card has said so far of what it wants to know: its data object lists.
// The zero value knows nothing. It is not safe for concurrent use.
type Memory struct {
	lists map[tlv.Tag][]byte
	last  apdu.Command
	asked int // GENERATE ACs so far
}

// Command describes a command. Its data are told where the command or the card's lists
// say what they are; those of VERIFY are hidden.
func (m *Memory) Command(c apdu.Command, o Options) []Line {
	m.last = c
	head := Line{Name: commandName(c), Value: fmt.Sprintf("%02X%02X%02X%02X", c.CLA, c.INS, c.P1, c.P2)}
	lines := []Line{head}
	if c.INS == apdu.InsGenerateAC {
		m.asked++
	}
	if len(c.Data) == 0 {
		return lines
	}
	return append(lines, indented(m.commandData(c, o))...)
}

func (m *Memory) commandData(c apdu.Command, o Options) []Line {
	switch c.INS {
	case apdu.InsSelect:
		return Object(tlv.Object{Tag: tag.DFName, Value: c.Data}, o)
	case apdu.InsGetProcessingOptions:
		if data, err := tlv.Template(c.Data, tag.CommandTemplate); err == nil {
			return m.byList(tag.PDOL, data, o)
		}
	case apdu.InsInternalAuthenticate:
		return m.byList(tag.DDOL, c.Data, o)
	case apdu.InsGenerateAC:
		list := tag.CDOL1
		if m.asked > 1 {
			list = tag.CDOL2
		}
		return m.byList(list, c.Data, o)
	case apdu.InsExternalAuthenticate:
		return Object(tlv.Object{Tag: tag.IssuerAuthenticationData, Value: c.Data}, o)
	case apdu.InsVerify:
		if !o.Unmasked {
			return []Line{{Name: "PIN data", Value: hidden(c.Data)}}
		}
	}
	return []Line{unknownData(c.Data, o)}
}

// byList describes values by a list of the card. Values for which no list was seen might
// hold anything, and are shown only where nothing is masked.
func (m *Memory) byList(list tlv.Tag, data []byte, o Options) []Line {
	if len(data) == 0 {
		return nil
	}
	dol := m.lists[list]
	if dol == nil && list == tag.DDOL && len(data) == 4 {
		dol = tag.UnpredictableNumber.Append(nil)
		dol = append(dol, 4) // the default list of every terminal
	}
	lines, err := DOLData(dol, data, o)
	if dol == nil || err != nil {
		return []Line{unknownData(data, o)}
	}
	return lines
}

// unknownData is data of which nobody knows what they hold.
func unknownData(data []byte, o Options) Line {
	if o.Unmasked {
		return Line{Name: "data", Value: o.hexadecimal(data)}
	}
	return Line{Name: "data", Value: hidden(data)}
}

// Response describes the answer to the last command, and remembers the lists in it.
func (m *Memory) Response(r apdu.Response, o Options) []Line {
	lines := []Line{{Name: fmt.Sprintf("%04X", uint16(r.SW)), Value: StatusWord(uint16(r.SW))}}
	if len(r.Data) == 0 {
		return lines
	}
	m.remember(r.Data, 0)
	return append(lines, indented(m.responseData(r.Data, o))...)
}

func (m *Memory) responseData(data []byte, o Options) []Line {
	if value, err := tlv.Template(data, tag.ResponseTemplate1); err == nil {
		if objects := format1(m.last.INS, value); objects != nil {
			return describeRow(objects, o)
		}
	}
	if m.last.INS == apdu.InsGetChallenge && len(data) == 8 {
		return []Line{{Name: "challenge", Value: o.hexadecimal(data)}}
	}
	lines, err := describeTLV(data, o)
	if err != nil {
		return []Line{unknownData(data, o), {Name: "cannot be read", Value: err.Error()}}
	}
	return lines
}

// format1 names the values in a row of template 80, nil where the command has no such
// answer or it is too short. EMV 4.4 Book 3, 6.5.5, 6.5.8 and 6.5.9.
func format1(ins byte, v []byte) []tlv.Object {
	switch {
	case ins == apdu.InsGetProcessingOptions && len(v) >= 2:
		return []tlv.Object{{Tag: tag.AIP, Value: v[:2]}, {Tag: tag.AFL, Value: v[2:]}}
	case ins == apdu.InsGenerateAC && len(v) >= 11:
		return []tlv.Object{
			{Tag: tag.CryptogramInformationData, Value: v[:1]},
			{Tag: tag.ATC, Value: v[1:3]},
			{Tag: tag.ApplicationCryptogram, Value: v[3:11]},
			{Tag: tag.IssuerApplicationData, Value: v[11:]},
		}
	case ins == apdu.InsInternalAuthenticate:
		return []tlv.Object{{Tag: tag.SDAD, Value: v}}
	}
	return nil
}

// describeRow describes objects that came without tags in template 80.
func describeRow(objects []tlv.Object, o Options) []Line {
	lines := []Line{{Name: name(tag.ResponseTemplate1)}}
	for _, obj := range objects {
		if len(obj.Value) > 0 {
			lines = append(lines, indented(Object(obj, o))...)
		}
	}
	return lines
}

// remember keeps the lists of an answer, of the latest that has one.
func (m *Memory) remember(data []byte, depth int) {
	for obj, err := range tlv.All(data) {
		switch {
		case err != nil:
			return
		case obj.Tag.Constructed() && depth < tlv.MaxDepth:
			m.remember(obj.Value, depth+1)
		case obj.Tag == tag.PDOL, obj.Tag == tag.CDOL1, obj.Tag == tag.CDOL2, obj.Tag == tag.DDOL:
			if m.lists == nil {
				m.lists = map[tlv.Tag][]byte{}
			}
			m.lists[obj.Tag] = bytes.Clone(obj.Value)
		}
	}
}

// commandName names a command with what its parameters say.
func commandName(c apdu.Command) string {
	switch c.INS {
	case apdu.InsSelect:
		if c.P2 == 0x02 {
			return "SELECT the next"
		}
		return "SELECT"
	case apdu.InsReadRecord:
		return fmt.Sprintf("READ RECORD %d of file %d", c.P1, c.P2>>3)
	case apdu.InsGetProcessingOptions:
		return "GET PROCESSING OPTIONS"
	case apdu.InsGetData:
		return "GET DATA " + name(tlv.Tag(c.P1)<<8|tlv.Tag(c.P2))
	case apdu.InsGenerateAC:
		words := "GENERATE AC, " + emv.Cryptogram(c.P1&0xC0).String() + " asked for"
		if c.P1&0x10 != 0 {
			words += " with CDA"
		}
		return words
	case apdu.InsInternalAuthenticate:
		return "INTERNAL AUTHENTICATE"
	case apdu.InsExternalAuthenticate:
		return "EXTERNAL AUTHENTICATE"
	case apdu.InsVerify:
		if c.P2 == apdu.EncipheredPIN {
			return "VERIFY, enciphered PIN"
		}
		return "VERIFY, plaintext PIN"
	case apdu.InsGetChallenge:
		return "GET CHALLENGE"
	case apdu.InsGetResponse:
		return "GET RESPONSE"
	}
	return scriptCommand(c.INS)
}

// scriptCommand names what an issuer sends in scripts. EMV 4.4 Book 3, 6.5.
func scriptCommand(ins byte) string {
	switch ins {
	case 0x1E:
		return "APPLICATION BLOCK"
	case 0x18:
		return "APPLICATION UNBLOCK"
	case 0x16:
		return "CARD BLOCK"
	case 0x24:
		return "PIN CHANGE/UNBLOCK"
	case 0xDA:
		return "PUT DATA"
	case 0xDC:
		return "UPDATE RECORD"
	}
	return fmt.Sprintf("instruction %02X", ins)
}
