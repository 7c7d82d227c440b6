package params

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// Application is what the terminal is to do with one AID. Amounts are minor units; -1
// stands for a limit that the host did not send.
type Application struct {
	kernel.Application
	OnlinePIN        bool  // tag DF18: the terminal may ask for an online PIN
	CashLimit        int64 // tag 9F7B: electronic cash
	ContactlessFloor int64 // tag DF19: above it, online
	ContactlessLimit int64 // tag DF20: above it, not contactless
	ContactlessCVM   int64 // tag DF21: above it, a cardholder verification
}

// ParseApplication reads one application, objects in any order. The floor limit (9F1B) and
// the threshold (DF15) are binary, the limits of n 12 packed digits.
func ParseApplication(data []byte) (Application, error) {
	a := Application{CashLimit: -1, ContactlessFloor: -1, ContactlessLimit: -1, ContactlessCVM: -1}
	err := readFields(data, a.fields())
	if err == nil && a.RandomMaxTarget < a.RandomTarget {
		err = fmt.Errorf("tags DF17 and DF16: target %d%% above its most, %d%%: %w", a.RandomTarget, a.RandomMaxTarget, ErrFormat)
	}
	if err != nil {
		return Application{}, fmt.Errorf("params: application %X: %w", a.AID, err)
	}
	return a, nil
}

func (a *Application) fields() []field {
	return []field{
		{tag.AIDTerminal, 5, 16, true, func(v []byte) error { a.AID = bytes.Clone(v); return nil }},
		{tag.ApplicationSelectionIndicator, 1, 1, true, a.readSelection},
		{tag.ApplicationVersionNumber, 2, 2, true, func(v []byte) error { copy(a.Version[:], v); return nil }},
		{tag.TerminalActionCodeDefault, 5, 5, true, readTVR(&a.TACDefault)},
		{tag.TerminalActionCodeOnline, 5, 5, true, readTVR(&a.TACOnline)},
		{tag.TerminalActionCodeDenial, 5, 5, true, readTVR(&a.TACDenial)},
		{tag.TerminalFloorLimit, 4, 4, true, readBinary(&a.FloorLimitMinor)},
		{tag.RandomSelectionThreshold, 4, 4, false, readBinary(&a.RandomThreshold)},
		{tag.RandomSelectionMaxTarget, 1, 1, false, readPercent(&a.RandomMaxTarget)},
		{tag.RandomSelectionTarget, 1, 1, false, readPercent(&a.RandomTarget)},
		{tag.DefaultDDOL, 0, 252, false, a.readDDOL},
		{tag.OnlinePINSupport, 1, 1, false, func(v []byte) error { a.OnlinePIN = v[0] != 0; return nil }},
		{tag.ECashTerminalLimit, 6, 6, false, readAmount(&a.CashLimit)},
		{tag.ContactlessFloorLimit, 6, 6, false, readAmount(&a.ContactlessFloor)},
		{tag.ContactlessTransactionLimit, 6, 6, false, readAmount(&a.ContactlessLimit)},
		{tag.ContactlessCVMLimit, 6, 6, false, readAmount(&a.ContactlessCVM)},
	}
}

// readSelection reads DF01: 00 says that the card's AID may be longer.
func (a *Application) readSelection(v []byte) error {
	if v[0] > 1 {
		return fmt.Errorf("%02X: 00 or 01 wanted", v[0])
	}
	a.Partial = v[0] == 0
	return nil
}

func (a *Application) readDDOL(v []byte) error {
	dol := tlv.DOL(bytes.Clone(v))
	for _, err := range dol.Entries() {
		if err != nil {
			return err
		}
	}
	if len(dol) > 0 {
		a.DefaultDDOL = dol
	}
	return nil
}

func readTVR(to *emv.TVR) func([]byte) error {
	return func(v []byte) (err error) { *to, err = emv.TVRFromBytes(v); return err }
}

func readBinary(to *int64) func([]byte) error {
	return func(v []byte) error { *to = int64(binary.BigEndian.Uint32(v)); return nil }
}

func readAmount(to *int64) func([]byte) error {
	return func(v []byte) (err error) { *to, err = digits(v); return err }
}

func readPercent(to *uint8) func([]byte) error {
	return func(v []byte) error {
		n, err := digits(v)
		*to = uint8(n)
		return err
	}
}

// Append writes the application as the host does.
func (a Application) Append(dst []byte) []byte {
	selection := byte(1)
	if a.Partial {
		selection = 0
	}
	dst = tlv.Append(dst, tag.AIDTerminal, a.AID)
	dst = tlv.Append(dst, tag.ApplicationSelectionIndicator, []byte{selection})
	dst = tlv.Append(dst, tag.ApplicationVersionNumber, a.Version[:])
	for _, row := range []struct {
		tag tlv.Tag
		tvr emv.TVR
	}{
		{tag.TerminalActionCodeDefault, a.TACDefault},
		{tag.TerminalActionCodeOnline, a.TACOnline},
		{tag.TerminalActionCodeDenial, a.TACDenial},
	} {
		code := row.tvr.Bytes()
		dst = tlv.Append(dst, row.tag, code[:])
	}
	dst = tlv.Append(dst, tag.TerminalFloorLimit, binary.BigEndian.AppendUint32(nil, uint32(a.FloorLimitMinor)))
	dst = tlv.Append(dst, tag.RandomSelectionThreshold, binary.BigEndian.AppendUint32(nil, uint32(a.RandomThreshold)))
	dst = tlv.Append(dst, tag.RandomSelectionMaxTarget, packed(int64(a.RandomMaxTarget), 1))
	dst = tlv.Append(dst, tag.RandomSelectionTarget, packed(int64(a.RandomTarget), 1))
	if len(a.DefaultDDOL) > 0 {
		dst = tlv.Append(dst, tag.DefaultDDOL, a.DefaultDDOL)
	}
	online := byte(0)
	if a.OnlinePIN {
		online = 1
	}
	dst = tlv.Append(dst, tag.OnlinePINSupport, []byte{online})
	return a.appendLimits(dst)
}

func (a Application) appendLimits(dst []byte) []byte {
	for _, row := range []struct {
		tag   tlv.Tag
		minor int64
	}{
		{tag.ECashTerminalLimit, a.CashLimit},
		{tag.ContactlessFloorLimit, a.ContactlessFloor},
		{tag.ContactlessTransactionLimit, a.ContactlessLimit},
		{tag.ContactlessCVMLimit, a.ContactlessCVM},
	} {
		if row.minor >= 0 {
			dst = tlv.Append(dst, row.tag, packed(row.minor, 6))
		}
	}
	return dst
}

// parseAIDNames reads the answer to a question for applications: 9F06, again and again.
func parseAIDNames(data []byte) ([][]byte, error) {
	return parseNames(data, tag.AIDTerminal, func(name []byte, obj tlv.Object) ([]byte, error) {
		if obj.Tag != tag.AIDTerminal {
			return name, nil
		}
		if n := len(obj.Value); n < 5 || n > 16 {
			return nil, fmt.Errorf("%d bytes, 5 to 16 wanted", n)
		}
		return obj.Value, nil
	}, 5)
}

// appendAIDName writes what a question names an application by.
func appendAIDName(dst, aid []byte) []byte { return tlv.Append(dst, tag.AIDTerminal, aid) }
