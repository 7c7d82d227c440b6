// Command posd is the agent on a payment terminal: it opens the devices, the store and
// the line to the host, takes payments, and answers posctl on its control socket.
//
// This package is wiring: which driver serves which URL scheme, which clock and which
// random source the rest gets, what runs beside what. Three words to know: the
// [Config] is what the file says, checked line by line; the agent is everything built
// from it; the till is the one goroutine that takes payments and touches reader and
// PIN pad. Decisions about money are in emv/payment, not here.
package main
