// Package acquirer takes terminals' messages, posts what they ask for, and answers.
//
// Three words to know:
//
//   - the [Listener] has the connections: TLS 1.3 with client certificates, one reader
//     and one writer each, limits on everything, and a drain that answers and flushes
//     before it closes;
//   - the [Desk] has the decisions: who may speak, whether the MAC is right, what is
//     posted and what is answered;
//   - a payment's key is merchant, terminal, batch, STAN and message class, and its
//     fingerprint says what was asked: the same key and fingerprint get the stored
//     answer again, another fingerprint gets 94, and nothing is posted twice.
//
// Key, state, entries, balances and answer go to disk in one transaction, and the
// answer goes out after its commit. A reversal of a payment that never came leaves a
// tombstone, so that the payment is refused when it comes late.
//
// The package does not decide about a card (package issuer does), keeps no books
// (package ledger does) and knows no field numbers (transport/iso8583 does). Working
// keys and answers are sealed by package hsm. Message set: UnionPay POS practice, as
// the tables of transport/iso8583 have it.
package acquirer
