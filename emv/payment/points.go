package payment

// Point names a place in a payment at which the power may go. Config.At is called at
// each; the crash tests end the process there. The name says what the disk and the
// host know at that moment.
type Point string

const (
	BeforeJournal    Point = "before-journal"     // nothing on disk, nothing sent
	AfterJournal     Point = "after-journal"      // request on disk, not sent
	AfterAnswer      Point = "after-answer"       // the host decided, the disk does not know
	AfterAnswerSaved Point = "after-answer-saved" // the disk knows, the card does not
	BeforeSecondGAC  Point = "before-second-gac"  // the card is about to be told
	AfterSecondGAC   Point = "after-second-gac"   // the card agreed, the disk does not know
	BeforeReceipt    Point = "before-receipt"     // completed on disk, nothing printed
	AfterReceipt     Point = "after-receipt"      // printed, the disk does not know
	AfterOwed        Point = "after-owed"         // the debt is on disk, no reversal sent
	AfterReversal    Point = "after-reversal"     // the host reversed, the disk does not know
)

// Points of payments that go up later, and of notices.
const (
	AfterStored  Point = "after-stored"  // the payment waits on disk, nothing was sent of it
	AfterForward Point = "after-forward" // the host has it, the disk does not know
	AfterNotice  Point = "after-notice"  // the host knows of the scripts, the disk does not know that
)

// ForwardPoints lists the points of payments that go up later and of notices: a sale of
// the everyday kind does not come by.
func ForwardPoints() []Point { return []Point{AfterStored, AfterForward, AfterNotice} }

// Points lists every point of a sale, in the order of a payment that goes wrong late. The point
// after the send is not here: there the host end of the crash test does the killing.
func Points() []Point {
	return []Point{
		BeforeJournal, AfterJournal, AfterAnswer, AfterAnswerSaved, BeforeSecondGAC,
		AfterSecondGAC, BeforeReceipt, AfterReceipt, AfterOwed, AfterReversal,
	}
}
