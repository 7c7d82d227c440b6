// Package remote is how a terminal master key gets into a terminal without a key loader:
// wrapped for one terminal's RSA key and signed by its host's authority, in one answer.
//
// Three words to know:
//
//   - a [Delivery] is what the host sends: a fresh protection key for the terminal's RSA
//     key (OAEP with SHA-256), the master key in a TR-31 block under that protection key,
//     and the signature;
//   - the [Context] is whom it is for: serial, terminal and merchant number, and the
//     nonce that the terminal drew for this request. It is signed, and it is the label of
//     OAEP, so that a delivery is no good for another terminal, nor a second time;
//   - the authority is the ECDSA P-256 key that the terminal was told to trust before
//     (its certificate is pinned). Encryption alone proves nothing: the terminal's public
//     key is public, and anybody could wrap a key of his own for it.
//
// The shape is that of ASC X9 TR-34, one pass: key block under an ephemeral key, ephemeral
// key under RSA-OAEP, both under the distribution host's signature, with a random number
// of the receiving device. It is not the wire format of TR-34, which is CMS with PKCS #1
// attributes; TR-34 has the signature of a key distribution host's own certificate, here
// it is the authority's own, for which no second certificate can be mistaken.
//
// What it does not do: it makes no RSA key, keeps none, and does not know who asks for a
// key. RFC 8017 (RSAES-OAEP), ANSI X9.143, FIPS 186-5 (ECDSA).
package remote
