// Package control is the local control socket of the agent: how a technician, a
// script or a screen on the same machine looks into posd and orders a payment.
//
// Three words to know:
//
//   - a [Snapshot] is everything that may be known of the agent at one moment,
//     without a secret in it;
//   - a [Finding] is one thing that is wrong, told by a [Code] of one [Catalogue]
//     that command line, screen and metrics share;
//   - a [Backend] is the agent behind the socket; [Server] serves one, [Client]
//     has the same methods on the other side.
//
// # Protocol
//
// A Unix stream socket with mode 0600: whoever may open it is the agent's own user
// or root. Requests and answers are JSON objects, one a line, one at a time:
//
//	> {"op":"journal","limit":2}
//	< {"ok":[{"id":"000001/000042", …}]}
//	> {"op":"pay","pay":{"amount":"0"}}
//	< {"error":{"code":"invalid","text":"emv: amount \"0\": must be above zero"}}
//
// Operations: snapshot, journal (limit), receipt (id), pay (pay), load-key (block),
// resolve (id, operator, reason), enrol and unlock (technicians: two of name, password),
// enrol-terminal (activation). An unknown operation or field is refused.
//
// A payment that has begun runs to its end, whether or not the client that ordered
// it is still there: hanging up is not cancelling. To cancel, press the cancel key
// of the PIN pad. A client that lost its connection asks the journal how it ended.
// There is one payment at a time; a second one is refused with [ErrBusy].
//
// Limits: 16 connections, 64 KiB a request, 4 MiB an answer, 1000 journal entries,
// 60 s for a request to arrive, 10 s for an answer to be taken, 30 s for every
// operation but pay, which takes what the cardholder takes.
//
// What it does not do: it listens to no network, authenticates nobody beyond the
// file's mode, and knows no words: a finding's words are in package ui/text.
package control
