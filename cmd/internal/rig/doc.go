// Package rig is a terminal on a desk: a host, a virtual card reader, PIN pad and
// printer, each behind a pseudo-terminal of its own, and the agent as a process that
// opens them by path. The demo, the benchmarks and the crash tests run on it.
//
// Three words to know: a [Rig] is the desk; its [Agent] is a real process that can be
// killed; its [Books] are what journal, host and issuer say, side by side.
//
// It is for cmd only, and it knows the agent by what anybody may know: its
// configuration file, its control socket and its log.
package rig
