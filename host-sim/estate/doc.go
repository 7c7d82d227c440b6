// Package estate keeps what the host knows of merchants and terminals, and the
// certificate authority that gives both sides their identity on the wire.
//
// Four words to know:
//
//   - a [Terminal] is bound to a merchant, to a serial number and to a certificate
//     whose common name is its terminal number (TID);
//   - a key set is the number of the working keys that the last sign-on brought; the
//     keys themselves are sealed by package hsm;
//   - a [Device] is a piece of hardware by its serial number: invited, enrolled, or
//     replaced by another one with the same terminal number ([BindDevice]);
//   - the [CA] issues certificates of the host and of terminals (ECDSA P-256, TLS 1.3).
//
// The package decides nothing about a payment and opens no transaction: every call
// works inside the caller's. Field widths: TID 8 and MID 15 characters, as fields 41
// and 42 of ISO 8583 have them.
package estate
