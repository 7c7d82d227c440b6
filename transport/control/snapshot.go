package control

import "time"

// Snapshot is everything that a screen, a script or a colleague may know about the
// running agent. It holds no secret: card numbers are masked.
type Snapshot struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`
	Terminal string    `json:"terminal"` // field 41
	Merchant string    `json:"merchant"` // field 42
	Name     string    `json:"name"`     // merchant name
	Serial   string    `json:"serial"`
	Lang     string    `json:"lang"` // zh-CN or en
	Link     Link      `json:"link"`
	Devices  []Device  `json:"devices"`
	Keys     []Key     `json:"keys"`
	Store    Store     `json:"store"`
	Batch    uint32    `json:"batch"`
	NextSTAN uint32    `json:"next_stan"`
	Owed     []Entry   `json:"owed"`    // payments that owe a reversal, oldest first
	Waiting  []Entry   `json:"waiting"` // payments that the host does not know yet, oldest first
	Doing    string    `json:"doing"`   // what the payments goroutine is at: a message key, empty when idle
	Findings []Finding `json:"findings"`
	Ready    bool      `json:"ready"` // a sale can begin
	Process  Process   `json:"process"`
	Housing  Housing   `json:"housing"`
	// Enrolment is the terminal's entry in the host's books, as it holds it itself.
	Enrolment Enrolment `json:"enrolment"`
}

// Housing is what the tamper switch has told.
type Housing struct {
	Watched  bool      `json:"watched"` // there is a switch
	Locked   bool      `json:"locked"`
	Since    time.Time `json:"since"`    // of the lock
	Source   string    `json:"source"`   // what saw it
	Enrolled bool      `json:"enrolled"` // technicians are known
}

// Process is what the agent costs the machine.
type Process struct {
	Goroutines  int `json:"goroutines"`
	Descriptors int `json:"descriptors"`
	ResidentKiB int `json:"resident_kib"`
}

// Link is the state of the line to the host.
type Link struct {
	State      string    `json:"state"` // down, connecting, signing on, up
	Host       string    `json:"host"`
	Since      time.Time `json:"since"`
	LastEcho   time.Time `json:"last_echo"`
	RoundTrip  string    `json:"round_trip"` // of the last answer, "12ms"
	Requests   uint64    `json:"requests"`
	Answers    uint64    `json:"answers"`
	Dropped    uint64    `json:"dropped"` // frames that matched no request or could not be read
	Reconnects uint64    `json:"reconnects"`
	LastError  string    `json:"last_error"`
}

// Device is one driver.
type Device struct {
	Name   string `json:"name"` // reader, pinpad, printer, display, lamps
	URL    string `json:"url"`
	State  string `json:"state"` // loaded, skipped, failed
	Why    string `json:"why"`
	Detail string `json:"detail"` // firmware, what it says of itself
	Opened uint64 `json:"opened"` // times: more than once after it was unplugged
	Line   Line   `json:"line"`
}

// Line counts what happened on a device's line since it was opened last: bytes, and
// events.
type Line struct {
	Read      uint64 `json:"read"`
	Written   uint64 `json:"written"`
	Discarded uint64 `json:"discarded"` // bytes that nobody had asked for
	Timeouts  uint64 `json:"timeouts"`
	Garbled   uint64 `json:"garbled"` // frames with a wrong check
	Retries   uint64 `json:"retries"`
}

// Key is a key slot, told by its check value.
type Key struct {
	Name  string    `json:"name"` // TMK, TPK, TAK, TDK
	KCV   string    `json:"kcv"`  // 6 hexadecimal digits, empty for none
	Since time.Time `json:"since"`
}

// Store is the disk.
type Store struct {
	Path     string `json:"path"`
	Schema   int    `json:"schema"`
	Size     int64  `json:"size"`
	Max      int64  `json:"max"`
	Payments int    `json:"payments"`
}

// Entry is one payment of the journal, in words.
type Entry struct {
	ID       string    `json:"id"` // batch/STAN
	Kind     string    `json:"kind"`
	State    string    `json:"state"`    // as payment.State names it: completed, reversal owed …
	Amount   string    `json:"amount"`   // "12.00"
	Minor    int64     `json:"minor"`    // minor units
	Moved    int64     `json:"moved"`    // what it brought the merchant so far, minor units: negative where he gave money back
	Currency string    `json:"currency"` // CNY
	Time     time.Time `json:"time"`
	Card     string    `json:"card"` // masked
	Code     string    `json:"code"` // field 39 or the terminal's own T code
	AuthCode string    `json:"auth_code"`
	RRN      string    `json:"rrn"`
	Why      string    `json:"why"`
	Reason   string    `json:"reason"`             // of a reversal
	Original string    `json:"original,omitempty"` // batch/STAN of the payment that it is about
	Tries    int       `json:"tries"`
}
