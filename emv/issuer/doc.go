// Package issuer is the issuer's side of EMV: keys derived for each card and each
// transaction, cryptograms, answers and the secure messages of scripts. The host
// simulator checks a card with it, and the virtual card signs with it.
//
// Three words to know:
//
//   - an issuer master key becomes a card's own key by [DeriveICCMasterKey], and that
//     key a session key by [SessionKeyCommon];
//   - an [ARQC] is what the card signs, an ARPC ([ARPC1], [ARPC2]) what the issuer
//     answers it with;
//   - a [Version] is what a scheme calls a cryptogram version number: which of all these
//     ways it takes. [NewCard] applies one to a card.
//
// Keys are two-key TDES keys of 16 bytes; those that are derived have odd parity. The
// package keeps no key, draws no random number, and compares nothing: callers compare
// with crypto/subtle.
//
// Specification: EMV 4.4 Book 2, section 8, section 9 and Annex A1; the schemes'
// versions as public vectors have them.
package issuer
