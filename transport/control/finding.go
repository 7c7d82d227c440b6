package control

import "slices"

// Code names a kind of finding for ever; scripts and metrics rely on it.
type Code string

// Severity says how bad a finding is.
type Severity string

// Severities, worst first.
const (
	Error   Severity = "error"   // payments fail or are refused until it is put right
	Warning Severity = "warning" // payments work; something will break, or is owed
	Note    Severity = "note"    // worth knowing
)

// Finding is one thing that is wrong or worth knowing, from the catalogue.
type Finding struct {
	Code     Code     `json:"code"` // from the catalogue, for example "link-down"
	Severity Severity `json:"severity"`
	Detail   string   `json:"detail"` // the case at hand, without secrets
}

// The findings, in the order in which a technician would look.
const (
	StoreFailed   Code = "store-failed"
	StoreMount    Code = "store-mount"
	StoreSpace    Code = "store-space"
	StoreAside    Code = "store-aside"
	JournalFull   Code = "journal-full"
	Tampered      Code = "tampered"
	ReaderFailed  Code = "reader-failed"
	PINPadFailed  Code = "pinpad-failed"
	PrinterFailed Code = "printer-failed"
	PaperOut      Code = "paper-out"
	DisplayFailed Code = "display-failed"
	LampsFailed   Code = "lamps-failed"
	NotEnrolled   Code = "not-enrolled"
	EnrolDiffers  Code = "enrolment-differs"
	NoMasterKey   Code = "no-master-key"
	LinkDown      Code = "link-down"
	NotSignedOn   Code = "not-signed-on"
	ReversalOwed  Code = "reversal-owed"
	StoredWaiting Code = "stored-waiting"
	ClockSkew     Code = "clock-skew"
	CertExpiry    Code = "certificate-expiry"
	Unprinted     Code = "receipt-unprinted"
	TestKeys      Code = "test-keys"
)

// Definition is one row of the catalogue. Title and Do are keys of the words table:
// what is wrong, and what to do about it. While a finding of DependsOn stands, this
// one is its consequence and is not shown.
type Definition struct {
	Code      Code
	Severity  Severity
	DependsOn []Code
}

// Title returns the key of the words that say what is wrong.
func (d Definition) Title() string { return "find." + string(d.Code) }

// Do returns the key of the words that say what to do.
func (d Definition) Do() string { return "find." + string(d.Code) + ".do" }

// Catalogue returns every finding there is, in the order in which to look at them.
func Catalogue() []Definition {
	return []Definition{
		{StoreFailed, Error, nil},
		{StoreMount, Warning, []Code{StoreFailed}},
		{StoreSpace, Warning, []Code{StoreFailed}},
		{StoreAside, Warning, nil},
		{"journal-second", Warning, nil},
		{"journal-restored", Warning, nil},
		{"journal-lost", Error, nil},
		{"archive-trimmed", Note, nil},
		{"archive-reserve", Warning, nil},
		{"store-page", Note, nil},
		{JournalFull, Error, []Code{StoreFailed}},
		{"journal-room", Warning, []Code{JournalFull}},
		{Tampered, Error, nil},
		{ReaderFailed, Error, nil},
		{PINPadFailed, Error, nil},
		{PrinterFailed, Warning, nil},
		{PaperOut, Warning, []Code{PrinterFailed}},
		{DisplayFailed, Warning, nil},
		{LampsFailed, Warning, nil},
		{NotEnrolled, Error, []Code{Tampered, StoreFailed}},
		{EnrolDiffers, Warning, []Code{NotEnrolled}},
		{NoMasterKey, Error, []Code{Tampered, PINPadFailed, StoreFailed, NotEnrolled}},
		{LinkDown, Error, []Code{Tampered, NotEnrolled}},
		{NotSignedOn, Error, []Code{LinkDown, NoMasterKey}},
		{ReversalOwed, Warning, []Code{LinkDown, NotSignedOn}},
		{StoredWaiting, Note, []Code{LinkDown, NotSignedOn}},
		{ClockSkew, Warning, nil},
		{CertExpiry, Warning, nil},
		{Unprinted, Note, []Code{PrinterFailed, PaperOut}},
		{TestKeys, Note, nil},
	}
}

// With returns the finding for the case at hand. A code that is not in the catalogue
// counts as an error, so that it cannot go unseen.
func (c Code) With(detail string) Finding {
	if d, ok := c.Definition(); ok {
		return Finding{Code: c, Severity: d.Severity, Detail: detail}
	}
	return Finding{Code: c, Severity: Error, Detail: detail}
}

// Definition returns the catalogue's row.
func (c Code) Definition() (Definition, bool) {
	rows := Catalogue()
	i := slices.IndexFunc(rows, func(d Definition) bool { return d.Code == c })
	if i < 0 {
		return Definition{}, false
	}
	return rows[i], true
}

// Visible returns the findings that are nobody's consequence, worst first, and in
// the order of the catalogue within a severity. The argument stays as it is.
func Visible(findings []Finding) []Finding {
	standing := make(map[Code]bool, len(findings))
	for _, f := range findings {
		standing[f.Code] = true
	}
	out := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool {
		d, _ := f.Code.Definition()
		return slices.ContainsFunc(d.DependsOn, func(c Code) bool { return standing[c] })
	})
	order := ranks()
	slices.SortStableFunc(out, func(a, b Finding) int {
		if s := weight(a.Severity) - weight(b.Severity); s != 0 {
			return s
		}
		return order[a.Code] - order[b.Code]
	})
	return out
}

// ranks numbers the codes from 1 in the order of the catalogue; an unknown code has
// rank 0 and so comes first.
func ranks() map[Code]int {
	order := make(map[Code]int)
	for i, d := range Catalogue() {
		order[d.Code] = i + 1
	}
	return order
}

func weight(s Severity) int {
	switch s {
	case Note:
		return 2
	case Warning:
		return 1
	}
	return 0
}
