// Command demo runs the whole system on simulated hardware and shows it: the host, a
// card reader, a PIN pad and a printer behind pseudo-terminals, and the agent as a
// process of its own. Four payments, two of them with a disaster in the middle; then
// the books of terminal, host and issuer, side by side. Its exit status is 1 if they
// differ anywhere.
//
// Three words to know: the rig (cmd/internal/rig) is the desk with everything on it, a
// scene is one payment and what is done to it, and the books are what each side says
// afterwards.
package main
