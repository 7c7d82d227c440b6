// Package acquirer is the terminal's line to its host: one long-lived TLS 1.3
// connection with the terminal's certificate, over which payments of every kind, reversals,
// script notices, settlement with its uploads, and management messages go as package
// iso8583 writes them.
//
// Three words to know:
//
//   - the [Link] is the line with all that keeps it up: connecting, sign-on, echo,
//     back-off. Its Run does the work; it implements payment.Authorizer and batch.Host,
//     and [Link.Manage] carries downloads and the terminal's status;
//   - a sign-on brings the working keys under the terminal's master key, at each
//     connection, whenever the host asks for it, and when they are due ([Rotation]);
//     [Keys] is where they go;
//   - a request ends as answered, as payment.ErrNotSent (no byte left, nothing is owed),
//     as payment.ErrNoAnswer (the host may have heard) or as payment.ErrBadMAC.
//
// # States
//
//	        dial           connected         signed on
//	Down ---------> Connecting ------> SigningOn ------> Up
//	 ^                  |               |    ^           | |
//	 +------------------+---------------+    +-----------+ |
//	 |            lost                           rekey     |
//	 +-----------------------------------------------------+
//	                             lost
//
// dial comes from the end of the back-off (1 s, doubled with each failure up to 60 s, of
// which a random part of up to half is left out) or from [Link.Kick]. rekey comes from
// response codes A0 (the host found our MAC wrong), 99 (PIN block wrong) and 77 (batch
// differs), from an answer without the host's MAC, and from [Link.SignOn] and Kick. lost
// is anything that ends a connection: an error of the line, a frame above the limit, a
// refused sign-on, an echo without an answer.
//
// Without a master key every sign-on fails when its keys are to be installed: the link
// stays down, says why in [Status], and tries again at each back-off or Kick.
//
// # Answers
//
// An answer belongs to the request with its message type, STAN and terminal, if it also
// has the transaction type or function and, where it names one, the batch. All other
// frames are dropped and counted: late ones, duplicates, foreign ones, and those that do
// not parse. An answer to a management message may lack the STAN, where only one of its
// function waits. The MAC of an answer about money is checked on the bytes as they came; a
// decline is worth no more than an approval without it. A management answer is checked
// where it has a MAC: sign-on answers have none, as working keys prove themselves by their
// check values.
//
// After an answer that did not come, and after a minute of silence, an echo finds out
// whether the line is alive.
//
// # Keys that change while an answer is awaited
//
// A request keeps the MAC key that it was sealed with. Its answer is good under that key,
// or under the one that a sign-on brought since: a host that was asked for new keys in
// between may have answered before or after it had them. An answer that comes before the
// link has installed the new keys waits for that. Under any other key it is
// payment.ErrBadMAC, and what the host may have posted is reversed. A request that was
// sealed with the old key and reaches the host after the new ones gets A0: a decline. A
// request of after the sign-on is not answered under the old key.
//
// Keys that are due by age or use ([Rotation]) are changed when the line has been silent
// for the echo interval, nothing waits for an answer, and [Config].Idle says that no payment is
// under way: a PIN that is just being entered would be for the old key.
//
// # What goes where
//
// Each [payment.Kind] is a transaction type of package iso8583. Fields 37, 38 and 61 are
// what is known of the original, zeros for a batch and voucher number that are not. Field 60.5
// is 2 for the stripe of a card whose chip failed. Field 48 is the tip of an adjustment:
// the new total less the old. A kind that is repeated until it is answered never has a
// track, and forwarded it has no PIN block: it is made of the record alone. A reversal has
// no field 37. A script notice (0620) has the payment's own number in fields 11 and 61.
// Field 59 goes with each message about a card where [Config].Binding is set.
//
// # What it does not do
//
// It stores nothing, owes nothing and repeats nothing that may have been heard: whether a
// reversal is due is for package payment to know. A message whose line was dead before
// its first byte went out is tried once more over the next line, unless it has a PIN
// block: the sign-on of that line has replaced the key that the block was made with.
//
// One goroutine runs the link; a connection has one more that reads and one that writes.
// All end before [Link.Run] returns. Every wait has a limit, and so has the number of
// requests at one time.
package acquirer
