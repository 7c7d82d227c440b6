package batch

// Point names a place in a settlement at which the power may go. Config.At is called at
// each. The name says what disk and host know at that moment.
type Point string

const (
	Flushed       Point = "flushed"        // nothing is owed, the settlement is not on disk
	AfterBegun    Point = "after-begun"    // totals on disk, not sent
	AfterVerdict  Point = "after-verdict"  // the host compared, the disk does not know
	AfterAnswered Point = "after-answered" // the disk knows
	AfterUpload   Point = "after-upload"   // the host has a group or a payment, the disk does not know
	AfterProgress Point = "after-progress" // the disk knows
	AfterEnd      Point = "after-end"      // the host ended the batch, the disk does not know
	AfterEnded    Point = "after-ended"    // the disk knows, no slip
	AfterSlip     Point = "after-slip"     // the slip is printed, the disk does not know
	AfterClose    Point = "after-close"    // the next batch has begun, the line is not signed off
)

// Points lists every point, in the order of a settlement that uploads.
func Points() []Point {
	return []Point{
		Flushed, AfterBegun, AfterVerdict, AfterAnswered, AfterUpload,
		AfterProgress, AfterEnd, AfterEnded, AfterSlip, AfterClose,
	}
}
