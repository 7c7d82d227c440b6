// Mutants asks whether the tests of the kernel would notice: it plants one fault at a time
// in a copy of the code and runs the tests of that package, which have to fail.
//
//	go run ./build/mutants              all of them, a few minutes on two cores
//	go run ./build/mutants floor CVM    those whose name has one of the words
//
// Three words to know: a mutant is a fault, planted as an exact text and what replaces
// it (table.go); it is found when a test fails, or does not end, with it; it survives
// when they all pass, and then either a test is missing or the code is not needed.
//
// Nothing of the tree is changed: the go command is given the changed file as an overlay.
// The exit status is 1 if a mutant survives, does not compile, or no longer fits the code.
// An ordinary test of this package checks the last without running any mutant.
//
// It does not invent faults: each of the table is a mistake that somebody could make, or
// that a public kernel did make.
package main
