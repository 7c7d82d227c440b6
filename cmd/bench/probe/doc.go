// Command probe measures posd where it is the only program: in an emulated terminal
// that boots and runs one binary. The agent and its files are appended to the probe's
// own executable as a tar archive, followed by the archive's length in 8 bytes. It
// unpacks them to /tmp, starts the agent, waits until it has signed on and been idle
// for a while, and prints what the kernel says of its memory.
//
// Three words to know: the payload is what is appended, the log is how the probe knows
// where the agent is, and a line "probe: name value" is a figure for cmd/bench.
package main
