// Package enrolment keeps what a terminal knows of itself since it was enrolled (入网), so
// that it can be read without a network, and the keys of an enrolment that is under way.
//
// Three words to know:
//
//   - a [Record] is the terminal's entry in the host's books as this terminal holds it:
//     numbers, merchant, bank, access, hotline. [Record.Compare] tells each difference to
//     what the host says at a sign-on;
//   - a pending identity ([Store.SavePending]) is the secret of an enrolment whose answer is
//     not stored yet. It outlives a power cut, for the host answers the same request again,
//     and no other one;
//   - the certificate and its key ([Store.Certificate]) are the terminal's identity on the
//     wire. The key is a secret with a data key of its own, wiped with the next one.
//
// [Store.Complete] stores record and certificate and wipes the pending identity, in one
// commit: an enrolment is there or not. What it does not do: it asks no host (package
// transport/enrol does) and does not decide what a difference means. REQUIREMENTS F06, F08,
// F09.
package enrolment
