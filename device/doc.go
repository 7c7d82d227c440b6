// Package device has the contracts that drivers fulfil: card reader, PIN pad and
// printer, and the errors by which their users tell what happened.
//
// Three words to know:
//
//   - a driver takes a [Port] (bytes with deadlines), never a path: package serial
//     opens paths, package sim/pty makes pairs, and net.Pipe serves in tests;
//   - a driver is opened as loaded, skipped (why) or failed (why); the table from URL
//     scheme to opener is in cmd/posd;
//   - every driver passes the conformance suite of package devicetest against its
//     simulator, and the simulator passes the same suite.
//
// Nothing here decides about a payment.
package device
