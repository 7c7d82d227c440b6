// Package ledger keeps double-entry books.
//
// Three words to know:
//
//   - an [Account] has a balance, the sum of its entries: above zero is what the host
//     owes its holder;
//   - a posting is two or more entries, written together, whose amounts add up to
//     zero; postings and entries are never changed or deleted. It is stored as transfers
//     from one account to another, so the database has no way to write an unbalanced one;
//   - a contra posting has the entries of another with the signs turned, and points
//     back to it; a posting has one at most. A [Hold] is a memo beside the balance.
//
// Amounts are int64 counts of minor units. The package decides nothing about a
// payment (package acquirer does) and opens no transaction: every call works inside
// the caller's.
package ledger
