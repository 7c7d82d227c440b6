// Package link is the discipline that request/reply protocols share on a byte stream:
// exact reads with a deadline, whole writes, stale input thrown away, retries that are
// counted, and errors by which a caller can tell what happened.
//
// Three words to know:
//
//   - a [Link] owns a device.Port: every read and write of a driver goes through it,
//     and its deadline is that of the ctx passed (context.WithTimeout for one answer);
//   - a try is one request with its answer: [Link.Retry] repeats it while it ends in
//     device.ErrTimeout or device.ErrProtocol, and at most so many times;
//   - [Counters] are what the diagnostic screen shows of a line's health.
//
// Errors: device.ErrGone for a port that is closed or unplugged, device.ErrTimeout for
// a deadline, the ctx's own error where its owner cancelled it; device.ErrProtocol is
// the driver's to return (see [Garbled]). Framing is the driver's as well: here is no
// STX and no length byte. Only [LRC] is here, for all of our protocols have one.
//
// A driver in full:
//
//	func (d *Driver) ask(ctx context.Context, frame []byte) (answer []byte, err error) {
//		err = d.link.Retry(ctx, 3, func(ctx context.Context) error {
//			ctx, cancel := context.WithTimeout(ctx, d.answerTime)
//			defer cancel()
//			if err := d.link.Discard(ctx, time.Millisecond); err != nil {
//				return err
//			}
//			if err := d.link.Write(ctx, frame); err != nil {
//				return err
//			}
//			answer, err = d.readFrame(ctx) // Byte, ReadFull, Garbled
//			return err
//		})
//		return answer, err
//	}
package link
