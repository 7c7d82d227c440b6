package card

import (
	"posd/emv"
	"posd/emv/tlv"
)

// Profile is a card as its file describes it. [New] makes cards of it; it does not
// change afterwards. Printing it shows the name only.
type Profile struct {
	Name string // of the file, without folder and .card

	// What an issuer's host must know of the account behind the card: that of the
	// first application.
	PAN         emv.PAN
	PANSequence int      // tag 5F34; -1 where the card has none
	Expiry      [3]byte  // tag 5F24, YYMMDD in BCD
	IMK         [16]byte // issuer master key for application cryptograms (TDES, two parts)
	PIN         string   // 4 to 12 digits; for the virtual cardholder and the host's seed only
	ARPCMethod  int      // 1: ARPC over the response code; 2: over a card status update
	CVN         byte     // cryptogram version number in the IAD: 18 or 10
	DKI         byte     // derivation key index in the IAD: which IMK and ARPC method of the issuer

	ATR          []byte
	PSE          bool
	PINTries     int
	Applications []*Application
	Misbehaviour []Misbehaviour
}

// String is the name: a profile holds keys and a PIN.
func (p *Profile) String() string { return "card " + p.Name }

// GoString is the name.
func (p *Profile) GoString() string { return p.String() }

// ODA is the set of methods of offline data authentication that an application has.
type ODA struct{ SDA, DDA, CDA bool }

func (o ODA) any() bool { return o.SDA || o.DDA || o.CDA }

// IssuerAuth says how the card takes the issuer's cryptogram.
type IssuerAuth uint8

const (
	ExternalAuthenticate IssuerAuth = iota // AIP bit set, by EXTERNAL AUTHENTICATE
	InSecondAC                             // tag 91 in CDOL2
	NoIssuerAuth
)

// Application is one payment application of a card.
type Application struct {
	AID           []byte
	Label         string
	PreferredName string // with issuer code table 1 (tag 9F11), so Latin only
	Priority      byte   // tag 87, whole byte: bit 8 asks for confirmation
	Language      string
	PDOL          tlv.DOL
	Format2       bool // GPO, GENERATE AC and INTERNAL AUTHENTICATE answer in template 77
	AIP           emv.AIP

	PAN               emv.PAN
	PANSequence       int
	Expiry, Effective [3]byte // YYMMDD; Effective zero where the card has none
	Track2            emv.Track2
	ServiceCode       string
	Cardholder        string
	Country, Currency uint16
	Version           [2]byte // tag 9F08
	UsageControl      []byte  // tag 9F07
	CVMList           []byte  // tag 8E, empty where the card has none
	IACDefault        emv.TVR
	IACDenial         emv.TVR
	IACOnline         emv.TVR
	CDOL1, CDOL2      tlv.DOL
	DDOL              tlv.DOL
	LowerLimit, Upper int          // tags 9F14 and 9F23; -1 where the card has none
	Extra             []tlv.Object // further objects for the records
	IMK, IMKMAC       [16]byte     // master keys: cryptograms, script MAC
	CVN, DKI          byte
	ARPCMethod        int

	ODA       ODA
	CAKey     *Key
	CAIndex   byte
	IssuerKey *Key
	ICCKey    *Key

	AC1, AC2           string // card risk rules: as-asked, arqc, aac
	IssuerAuth         IssuerAuth
	IssuerAuthRequired bool
	OfflineMax         int // consecutive offline payments before the card wants to go online; 0 for no limit

	files map[byte][][]byte // records by short file identifier, template 70 included
	afl   []byte
	fci   []byte // template 6F
}
