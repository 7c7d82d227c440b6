// Package hosttest is a terminal and a card at the level of the protocol, for tests of
// the host: it packs and seals messages, opens and checks answers, and computes real
// cryptograms and PIN blocks. It has no kernel, no reader and no memory of payments.
//
// Three words to know: a [Card] signs, a [Terminal] speaks, and a [Line] carries one
// frame there and one back.
//
// Only tests import it. What it shares with the host is the codecs.
package hosttest
