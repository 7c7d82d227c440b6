package emv

// tvrClauses are the subjects and places of EMV 4.4 that say when a bit is set.
var tvrClauses = []struct {
	bits   TVR
	clause string
}{
	{ODANotPerformed | SDAFailed | DDAFailed | CDAFailed | SDASelected | XDASelected, "offline data authentication, Book 3, 10.3"},
	{ICCDataMissing, "missing or erroneous ICC data, Book 3, 7.5"},
	{OnExceptionFile, "terminal exception file, Book 4, 6.3.5"},
	{VersionsDiffer, "application version number, Book 3, 10.4.1"},
	{ServiceForbidden, "application usage control, Book 3, 10.4.2"},
	{Expired | NotYetEffective, "effective and expiration dates, Book 3, 10.4.3"},
	{NewCard | LowerLimitExceeded | UpperLimitExceeded, "velocity checking, Book 3, 10.6.3"},
	{CVMFailed | CVMUnknown, "cardholder verification, Book 3, 10.5"},
	{PINTryLimit | PINPadMissing | PINNotEntered, "PIN processing, Book 3, 10.5.1 and 10.5.2"},
	{OnlinePINEntered, "online PIN, Book 3, 10.5.2"},
	{FloorLimitExceeded, "floor limits, Book 3, 10.6.1"},
	{SelectedRandomly, "random transaction selection, Book 3, 10.6.2"},
	{MerchantForcedOnline, "transaction forced online, Book 4, 6.5"},
	{DefaultTDOLUsed, "transaction certificate hash, Book 3, 9.2.2"},
	{IssuerAuthFailed, "issuer authentication, Book 3, 10.9"},
	{ScriptFailedBeforeGAC2 | ScriptFailedAfterGAC2, "issuer scripts, Book 3, 10.10"},
}

var tsiClauses = []struct {
	bit    TSI
	clause string
}{
	{ODAPerformed, "offline data authentication, Book 3, 10.3"},
	{CVMPerformed, "cardholder verification, Book 3, 10.5"},
	{CardRiskPerformed, "card action analysis, Book 3, 10.8"},
	{IssuerAuthPerformed, "issuer authentication, Book 3, 10.9"},
	{TerminalRiskPerformed, "terminal risk management, Book 3, 10.6"},
	{ScriptProcessingApplied, "issuer scripts, Book 3, 10.10"},
}

// Clause returns the subject and the place in EMV 4.4 that say when a bit of the TVR is
// set: "floor limits, Book 3, 10.6.1". It is about the highest bit that is set; for none
// and for a reserved one it is empty.
func (t TVR) Clause() string {
	for bit := TVR(1) << 39; bit != 0; bit >>= 1 {
		if t&bit == 0 {
			continue
		}
		for _, row := range tvrClauses {
			if row.bits&bit != 0 {
				return row.clause
			}
		}
		return ""
	}
	return ""
}

// Clause returns the subject and the place in EMV 4.4 for the highest bit that is set.
func (t TSI) Clause() string {
	for _, row := range tsiClauses {
		if t&row.bit != 0 {
			return row.clause
		}
	}
	return ""
}

var tsiNames = []struct {
	bit  TSI
	name string
}{
	{ODAPerformed, "offline data authentication was performed"},
	{CVMPerformed, "cardholder verification was performed"},
	{CardRiskPerformed, "card risk management was performed"},
	{IssuerAuthPerformed, "issuer authentication was performed"},
	{TerminalRiskPerformed, "terminal risk management was performed"},
	{ScriptProcessingApplied, "script processing was performed"},
}

// Names returns the set bits in words, joined by commas; bits without a meaning come
// as RFU with their mask.
func (t TSI) Names() string {
	names := ""
	add := func(name string) {
		if names != "" {
			names += ", "
		}
		names += name
	}
	for _, row := range tsiNames {
		if t&row.bit != 0 {
			add(row.name)
			t &^= row.bit
		}
	}
	if t != 0 {
		add("RFU " + t.String())
	}
	return names
}
