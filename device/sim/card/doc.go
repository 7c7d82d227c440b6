// Package card is a virtual EMV contact card: it computes real cryptograms from an
// issuer master key, and real certificates from the keys of a test scheme.
//
// Three words to know:
//
//   - a [Profile] is a card as its text file describes it ([Parse]); the files that come
//     with the program are in package device/sim/cards;
//   - a [Card] is one piece of plastic made of it ([New]), with a transaction counter, PIN
//     tries and a log; it speaks T=0 ([Card.Reset], [Card.Transmit]) for a reader, or
//     whole APDUs ([Card.Exchange]) for a test in the same process;
//   - a [Misbehaviour] is what it does wrong on request.
//
// It does not do: T=1, PIN change, script commands other than the four blocks and
// unblocks, contactless. It shares no code with the kernel or with package emv/oda: a
// simulator that shares code shares its bugs.
//
// # The file
//
// One "key: value" a line; # begins a comment; bytes are hexadecimal, blanks allowed.
// Each key stands once in its section, but for data and misbehave. An error names the
// file and the line. Above the first application line:
//
//	atr             answer to reset, T=0                           3B 60 00 00
//	pse             on or off                                      on
//	pin             4 to 12 digits: what the cardholder types      (no PIN)
//	pin-tries       0 to 15                                        3
//	misbehave       COMMAND [N] ACTION [ARGUMENT]; see below       (never)
//
// Then applications, each begun by "application: AID". pan, expiry and imk are a must,
// the right column is what holds without the line:
//
//	label           1 to 16 characters                             TEST
//	preferred-name  1 to 16 characters                             (none)
//	priority        0 to 15, then "confirm" where the cardholder   1
//	                has to confirm
//	language        1 to 4 codes of two letters, as in zhen        (none)
//	pdol, cdol1     lists of tags and lengths                      none; amounts, country, TVR,
//	                                                               currency, date, type, UN, time
//	cdol2                                                          8A, then as cdol1
//	ddol            of a DDA card                                  9F37 04
//	format          1 (template 80) or 2 (template 77)             1
//	aip             2 bytes, against what follows from oda, cvm    computed
//	                and issuer-auth
//	pan             8 to 19 digits with a right check digit
//	pan-sequence    0 to 99                                        (none)
//	expiry          YYYY-MM (last day) or YYYY-MM-DD
//	effective       likewise                                       (none)
//	track2          digits with D                                  PAN, expiry, service code, zeros
//	service-code    3 digits                                       220
//	cardholder      up to 26 characters                            (none)
//	country         ISO 3166 number                                156
//	currency        ISO 4217 number                                156
//	version         tag 9F08                                       0030
//	usage-control   tag 9F07                                       FFC0
//	cvm             rules in words; see below                      (no list)
//	cvm-amounts     X Y in minor units                             0 0
//	iac-default, iac-denial, iac-online                            D8609CA800, 0010000000, D8689CF800
//	offline-limits  tags 9F14 and 9F23                             (none)
//	data            one more object for the records, encoded       (none)
//	oda             none, or words of sda, dda, cda                none
//	ca-index        tag 8F                                         00
//	ca-key, issuer-key, icc-key   names of RSA keys                (none)
//	imk             issuer master key for cryptograms, 16 bytes
//	imk-mac         for the MAC of scripts; without it any MAC is  (none)
//	                taken
//	cvn             18: common session key, over the whole IAD     18
//	                10: the card's key, over the CVR
//	dki             key index in tag 9F10: by it (and the BIN) a   01
//	                host finds imk and ARPC method
//	arpc            method 1 or 2                                  1
//	ac1             as-asked, arqc or aac: the best that the card  as-asked
//	                answers to the first GENERATE AC
//	ac2             as-asked or aac                                as-asked
//	issuer-auth     external, second-ac or none; then "required"   external
//	                where the card wants it for a TC
//	offline-max     offline payments in a row before it asks to    0 (no limit)
//	                go online
//
// A CVM rule is a method (online-pin, plaintext-pin, enciphered-pin,
// plaintext-pin+signature, enciphered-pin+signature, signature, no-cvm, fail) and a
// condition (always, if-supported, if-cashback, if-unattended-cash, if-manual-cash,
// if-not-cash, if-under-x, if-over-x, if-under-y, if-over-y), or 4 hexadecimal digits.
// Semicolons part the rules. If a rule fails the next one tries, unless "final" ends it.
//
//	cvm: online-pin if-supported; signature if-supported; no-cvm always
//
// A misbehave line names a command (select, read-record, gpo, get-data,
// internal-authenticate, ac1, ac2, external-authenticate, verify, get-challenge, script,
// any; or atr), which one since the reset (each, if it is left out) and an action:
//
//	misbehave: gpo sw 6985              that status word, no data
//	misbehave: read-record 3 cut 10     ten bytes of the data, then its status word
//	misbehave: ac1 flip -1              a bit of the last byte of data (or of byte n) is wrong
//	misbehave: ac2 answer 8002 9000     these bytes for data and status word
//	misbehave: any 7 mute               no answer, until the next reset
//
// # What it signs
//
// The cryptogram is over 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 (as CDOL1 or CDOL2 brought
// them), AIP, ATC, and the whole of tag 9F10 (CVN 18) or its CVR (CVN 10). Tag 9F10 is 06,
// key index, CVN, and 4 bytes of card verification results in the layout that the chip
// specifications of Visa and UnionPay share. The CVN is in tag 9F10 as a byte: 12 or 0A.
//
// Specification: EMV 4.4 Book 1 (selection), Book 2 (certificates, cryptograms, scripts),
// Book 3 (commands); ISO/IEC 7816-3 and -4 (T=0, status words).
package card
