// Package tag is the dictionary of data objects: every tag that a contact kernel
// touches, by name, with its format, length, source and the templates it may come in.
//
// Three words to know:
//
//   - a constant such as [AIP] or [AmountAuthorised] names a tag once, with the noun
//     of the Books;
//   - an [Info] is what the dictionary says of a tag, and [Lookup] finds it;
//   - a [Source] says whose word it is. Only an object whose source is [ICC] may be
//     taken from a card: a record that brings a TVR or an amount is a card that tries
//     to speak for the terminal.
//
// The dictionary holds no values, and it has no opinion on proprietary tags: what it
// does not list, it does not know. EMV 4.4 Book 3, Annexes A and B; UnionPay's tags by
// its POS message set.
package tag
