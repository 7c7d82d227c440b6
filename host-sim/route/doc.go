// Package route finds the network that a payment goes to, and what becomes of it while that
// network is down.
//
// Three words to know:
//
//   - a [Network] is an upstream link with its state, its echo and the BIN ranges that it
//     serves;
//   - a [Rule] is a row of the route table: agreement (merchant or group of merchants) x BIN
//     range x type x amount x time of day; [Choose] picks one, always the same for the same
//     question;
//   - a [Policy] says how far the host stands in for an issuer whose network is down; an
//     [Advice] is what it approved so, kept until the issuer has it.
//
// The package posts no money, checks no card and opens no transaction: package acquirer does
// the first, package issuer the second, and every call works inside the caller's transaction.
// State is read there, never remembered. Networks are issuer simulators of our own process:
// there is no link to a remote address.
package route
