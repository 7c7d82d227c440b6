// Command hostsim is the host that terminals talk to: flags and wiring only. The host
// itself is package posd/host-sim.
//
//	hostsim run            serve terminals
//	hostsim seed FILE      add what a file has
//	hostsim ca             show, or make, the certificate authority
//	hostsim invite         give out an activation code for a new terminal
//	hostsim terminal swap  the same for another device of a terminal
//	hostsim terminal add   enrol a terminal
//	hostsim terminal list  list terminals
//	hostsim report         payments, balances and the trial balance
//
// Everything is kept in one folder (--dir), which is made where missing. "hostsim
// -fault drop-response:3" is short for "hostsim run --fault drop-response:3".
package main
