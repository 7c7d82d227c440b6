// Package hostsim is the host that terminals talk to: a simulator for a laptop that is
// also a real one. It takes every message of a terminal over mutual TLS, asks its own
// issuer, keeps double-entry books in an embedded database, settles, has lists to download,
// and misbehaves on request.
//
// Three words to know:
//
//   - a [Host] is made of a [Config], listens from the start ([Host.Addr]), serves in
//     [Host.Run], and answers questions before, during and after it;
//   - an [Enrolment] is what a new terminal needs: certificate, key, CA, and its master
//     key in a key block;
//   - a [Seed] is a file of merchants, terminals, issuer keys, cards and lists to begin
//     with.
//
// A [Sim] is a host without wire and files of keys, for simulations: a [Template] makes
// thousands of them, and the same seed and clock make the same bytes.
//
// The rooms: acquirer (listener and desk), issuer (cards), hsm (keys), ledger (books),
// estate (terminals and CA), fault (scripted faults), db (SQL). None of them imports the
// agent's kernel: what host and agent share is the codecs, which published vectors pin.
//
// Message set: UnionPay POS practice; see package transport/iso8583.
package hostsim
