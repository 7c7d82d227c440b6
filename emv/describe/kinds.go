package describe

import (
	"fmt"
	"strings"

	"posd/emv/tag"
	"posd/emv/tlv"
)

// Kind is a way to read bytes.
type Kind struct {
	Name string  // "tvr"
	Tag  tlv.Tag // of the object that is read so, 0 for none
	What string  // "Terminal Verification Results"
	Ref  string  // where it is specified
	read func([]byte, Options) ([]Line, error)
}

// Kinds returns every kind. The first is what bytes are taken for where nobody says.
func Kinds() []Kind {
	return []Kind{
		{"tlv", 0, "data objects, nested", "EMV 4.4 Book 3, Annex B", describeTLV},
		{"dol", 0, "Data Object List", "EMV 4.4 Book 3, 5.4", describeDOL},
		{"tvr", tag.TVR, "Terminal Verification Results", "EMV 4.4 Book 3, Annex C5", describeTVR},
		{"iac", tag.IssuerActionCodeDefault, "Issuer or Terminal Action Code", "EMV 4.4 Book 3, 10.7 and Annex C5", describeTVR},
		{"tsi", tag.TSI, "Transaction Status Information", "EMV 4.4 Book 3, Annex C6", describeTSI},
		{"aip", tag.AIP, "Application Interchange Profile", "EMV 4.4 Book 3, Annex C1", describeAIP},
		{"auc", tag.ApplicationUsageControl, "Application Usage Control", "EMV 4.4 Book 3, Annex C2", describeAUC},
		{"afl", tag.AFL, "Application File Locator", "EMV 4.4 Book 3, 10.2", describeAFL},
		{"cvmlist", tag.CVMList, "Cardholder Verification Method List", "EMV 4.4 Book 3, Annex C3", describeCVMList},
		{"cvmresults", tag.CVMResults, "Cardholder Verification Method Results", "EMV 4.4 Book 4, Annex A4", describeCVMResults},
		{"cid", tag.CryptogramInformationData, "Cryptogram Information Data", "EMV 4.4 Book 3, 6.5.5", describeCID},
		{"iad", tag.IssuerApplicationData, "Issuer Application Data, of the scheme that it looks like", "the schemes; EMV 4.4 Book 3, Annex C7", describeIAD},
		{"iad-ccd", 0, "Issuer Application Data, Common Core Definitions", "EMV 4.4 Book 3, Annexes C7 to C9", describeIADCCD},
		{"iad-visa", 0, "Issuer Application Data, Visa", "Visa, as public documents have it", describeIADVisa},
		{"iad-unionpay", 0, "Issuer Application Data, UnionPay", "JR/T 0025, as public documents have it", describeIADUnionPay},
		{"iad-mastercard", 0, "Issuer Application Data, Mastercard", "M/Chip, as public documents have it", describeIADMastercard},
		{"termcaps", tag.TerminalCapabilities, "Terminal Capabilities", "EMV 4.4 Book 4, Annex A2", describeCapabilities},
		{"addcaps", tag.AdditionalTerminalCapabilities, "Additional Terminal Capabilities", "EMV 4.4 Book 4, Annex A3", describeAdditional},
		{"termtype", tag.TerminalType, "Terminal Type", "EMV 4.4 Book 4, Annex A1", describeTerminalType},
		{"ttq", tag.TerminalTransactionQualifiers, "Terminal Transaction Qualifiers", "EMV Contactless Book A, 5.7", describeTTQ},
		{"scripts", tag.IssuerScriptResults, "Issuer Script Results", "EMV 4.4 Book 4, Annex A5", describeScripts},
		{"arc", tag.AuthorisationResponseCode, "Authorisation Response Code", "EMV 4.4 Book 4, Annex A6", describeARC},
		{"sw", 0, "status word SW1 SW2", "EMV 4.4 Book 3, 6.3.5", describeSW},
	}
}

// Named returns the kind with the name.
func Named(name string) (Kind, error) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("describe: kind %q: %w", name, ErrKind)
}

// Names are the names of all kinds, with commas between.
func Names() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

// Describe reads bytes as the kind has them. Of bytes that can be read in part it returns
// the lines so far, and the error.
func (k Kind) Describe(b []byte, o Options) ([]Line, error) {
	lines, err := k.read(b, o)
	if err != nil {
		return lines, fmt.Errorf("describe: %s: %w", k.Name, err)
	}
	return lines, nil
}

// kindOf returns how the value of a tag is read; ok is false where the dictionary's
// format is all that there is to say.
func kindOf(t tlv.Tag) (Kind, bool) {
	switch t {
	case tag.IssuerActionCodeDenial, tag.IssuerActionCodeOnline,
		tag.TerminalActionCodeDefault, tag.TerminalActionCodeDenial, tag.TerminalActionCodeOnline:
		t = tag.IssuerActionCodeDefault
	case tag.CDOL1, tag.CDOL2, tag.PDOL, tag.DDOL, tag.TDOL, tag.DefaultDDOL, tag.LogFormat:
		k, err := Named("dol")
		return k, err == nil
	}
	for _, k := range Kinds() {
		if k.Tag == t && t != 0 {
			return k, true
		}
	}
	return Kind{}, false
}
