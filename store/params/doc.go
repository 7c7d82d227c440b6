// Package params keeps the lists that a terminal has downloaded from its host over power
// loss. It implements the Shelf of package emv/params on a store.
//
// Three words to know:
//
//   - a slot is where the items of a list lie; each list has two, one for the list in
//     force and one for the draft that is being downloaded;
//   - the head of a list says which slot is which, with version and time. It is one
//     record, so a draft takes the list's place in one commit;
//   - an item is a record of its own: a page of a download costs one commit, and a power
//     cut between two pages leaves the pages that came.
//
// Records are sealed, as everything in a store: a black list holds card numbers.
//
// What it does not do: it reads no item, and judges none. There is no specification.
package params
