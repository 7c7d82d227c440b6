// Package tidy keeps the laws of the tree: it reads the sources and says where one is
// broken, with file, line, law and reason. Its tests run it over the tree, over trees
// with one planted violation each, and gate the size and the dependencies of the agent.
//
// Three words to know:
//
//   - a [Law] has a name, a reason, and looks at one file or one package;
//   - a room is a folder with a level (table rooms). Imports go from a higher level to a
//     lower one; rooms of the same level do not know each other;
//   - an exception is a line of a table with its reason. There is no comment that
//     switches a law off.
//
// It does not compile or run anything: what needs types or the linker is in the tests.
// The laws are those of DESIGN.md and STYLE.md.
package tidy
