// Command bench measures what the README promises and prints one table: the Go
// benchmarks of the hot packages, and what only the whole program shows (size, start,
// memory). It judges nothing: a figure beside its bar is for people.
//
// Three words to know: a row is one figure with its bar, a benchmark is a row that `go
// test -bench` gives, and the rig gives the rows of the running agent.
package main
