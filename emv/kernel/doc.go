// Package kernel is a contact EMV kernel: the conversation of a terminal with a chip
// card, from selection to the last cryptogram. It is also an introduction to EMV for
// somebody who knows programming but not cards.
//
// # What happens when a card is put in
//
// A chip card is a small computer that answers commands. Each command (an APDU) is a
// handful of bytes; each answer is data and a status word, 9000 if all went well. What
// they exchange are data objects: a tag that says what it is, a length, a value. The
// card's number is tag 5A, the amount of the payment tag 9F02.
//
// Three parties have to agree before money moves: the card, which holds a key that it
// shares with its issuer only; the terminal, which knows the merchant's limits; and the
// issuer, far away, who knows the account. The terminal collects what it has to say in
// two sets of bits. The Terminal Verification Results (TVR, tag 95) are what went
// wrong, the Transaction Status Information (TSI, tag 9B) is what was done at all. Then
// it asks the card for a cryptogram, a MAC over amount, date, TVR and a random number,
// which the card gives in one of three kinds:
//
//   - a TC (transaction certificate): the payment is good, and this proves it;
//   - an ARQC (authorisation request cryptogram): ask my issuer;
//   - an AAC (application authentication cryptogram): no.
//
// A card may give what it was asked for or something lower, never higher.
//
// # A session, phase by phase
//
// The phases follow the clauses of Book 3, and each is one file of this package. What
// follows is generated from the table that drives the kernel: a phase, its clause, and
// the phases that may come next.
//
//	listing           Book 1, 12.3   -> selecting, done
//	selecting         Book 1, 12.4   -> initiating, done
//	initiating        Book 3, 10.1   -> reading, selecting
//	reading           Book 3, 10.2   -> authenticating
//	authenticating    Book 3, 10.3   -> restricting
//	restricting       Book 3, 10.4   -> verifying
//	verifying         Book 3, 10.5   -> assessing
//	assessing         Book 3, 10.6   -> deciding
//	deciding          Book 3, 10.7   -> asking
//	asking            Book 3, 10.8   -> going online, completing, done
//	going online      Book 3, 10.9   -> scripting before, completing
//	scripting before  Book 3, 10.10  -> completing
//	completing        Book 3, 10.11  -> scripting after, done
//	scripting after   Book 3, 10.10  -> done
//
// Listing and selecting find out which applications card and terminal have in common,
// and let the cardholder choose (selection.go, directory.go). Initiating tells the card
// what it wants to know of the payment and gets its profile: what it can do, and where
// its records are (initiate.go). Reading fetches them (read.go). Authenticating checks
// by RSA certificates that the data, or the card itself, are the issuer's
// (authenticate.go). Restricting looks at dates and usage (restrictions.go). Verifying
// finds out whether the cardholder is who he should be, by the card's own list of PIN,
// signature or nothing (cardholder.go). Assessing is the terminal's own suspicion: floor
// limit, random choice, too many payments offline in a row (risk.go). Deciding compares
// the TVR with action codes of issuer and merchant, and asking puts the decision to the
// card (action.go, cryptogram.go). Going online takes an ARQC to the issuer and his
// answer back (online.go). Scripts are commands from the issuer to his card
// (scripts.go). Completing asks for the second, final cryptogram (completion.go).
//
// # Who may lie
//
// The card, and whoever sits between it and the terminal. So the kernel believes an
// object only if the dictionary (package emv/tag) says that it is the card's to say and
// stands where it may stand: a record cannot overwrite amount, TVR or random number. What
// decides for the cardholder, the CVM list and the AIP above all, is part of the data that
// the issuer signed, and with CDA the card signs the whole conversation; a change on the
// way shows as a bit of the TVR. What a terminal cannot see is whether it was the card
// that said "PIN verified": that the issuer sees, who reads the card's own verification
// results in the cryptogram's data. The attack suites here (attacks_test.go) and in
// cmd/internal/rig, where card and host take part, are this paragraph as tests.
//
// The random number is the terminal's own defence: a cryptogram that was made for another
// number is worth nothing, as long as nobody can know the number in advance.
//
// # How it is used
//
// [New] takes the terminal's configuration and checks it. [Kernel.Run] takes one
// [Transaction] through one session, and reaches the world through three ports that the
// caller implements: [Card], [Cardholder] and [Issuer]. The example shows a sale.
//
// [Kernel.Identify] only finds out who a card is, for a refund or the like. A payment that
// the merchant does not take without the issuer says so (Transaction.NoOffline); one that
// card and terminal approved between them comes with what is uploaded of it (Result.Offline).
//
// A [Result] says how it ended. A decline is a Result, and so is a card that breaks the
// rules ([emv.Terminated]) or a cardholder who walks away ([emv.Cancelled]). An error is
// the world failing: the card was pulled, a port broke. One field must never be
// overlooked: Reverse says that the issuer approved and the payment did not happen.
// Fallback says that the magnetic stripe may be tried, and [Swiped] what to do with a card
// that was swiped. [Config].Trace shows a session as it goes; [NewReplay] plays one that
// another terminal recorded.
//
// # What it does not do
//
// It does no I/O, reads no clock and draws no random number: time and random numbers
// are values of the Transaction, so that the same values give the same session, byte
// for byte. It sees no PIN digit: the PIN pad makes the block, and for an enciphered PIN
// it gets challenge and key through [Cardholder]. It stores nothing. It knows no
// contactless card; what it does with a card of XDA and elliptic curves, which it does
// not know either, is told in package emv/oda/ecc.
//
// Everything is bounded: 512 commands a session and a number a phase, records, scripts,
// candidates, PIN tries. A card can end a session, but not hold it up or crash it.
//
// Specification: EMV 4.4 Books 1 to 4. Where public kernels read it differently, the
// reading that is followed is in one small function with a table test; points_test.go
// lists them all, and the test that holds to each.
package kernel
