// Package acquirer is the terminal's line to its host: one long-lived TLS 1.3
// connection with the terminal's certificate, over which payments, reversals and
// management messages go as package iso8583 writes them.
//
// Three words to know:
//
//   - the [Link] is the line with all that keeps it up: connecting, sign-on, echo,
//     back-off. Its Run does the work; it implements payment.Authorizer;
//   - a sign-on brings the working keys under the terminal's master key, at each
//     connection and whenever the host asks for it; [Keys] is where they go;
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
// has the transaction type and, where it names one, the batch. All other frames are
// dropped and counted: late ones, duplicates, foreign ones, and those that do not parse.
// The MAC of an answer about money is checked on the bytes as they came; a decline is
// worth no more than an approval without it.
//
// After an answer that did not come, and after a minute of silence, an echo finds out
// whether the line is alive.
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
