// Package enrolment is where new terminals come to the host (入网): an HTTPS listener of its
// own, which takes a certificate request and an activation code and gives a terminal all
// that it needs to work.
//
// Three words to know:
//
//   - an invitation ([Server.Invite]) binds a serial number to a terminal number, and gives
//     out an activation code: ten characters, once, for a limited time, for that serial
//     number. The host keeps a keyed hash of it;
//   - to enrol is to use the code: the device becomes the terminal's, the terminal gets a
//     certificate and a fresh master key, wrapped for the device's RSA key and signed by
//     the authority (emv/keyblock/remote). Another device that the terminal had is
//     replaced, and refused from then on: that is how a terminal is swapped;
//   - a request is one key pair and one nonce. The same request again, with the same code,
//     gets the same answer, for an answer can be lost on its way; another request with a
//     code that was used is refused.
//
// The protocol, JSON over TLS 1.3, at most 64 KiB each way:
//
//	POST /v1/enrol   serial, code, csr (PEM), transport_key (PEM), nonce
//	                 -> record, certificate (PEM, with the authority's), master_key, parameters
//	POST /v1/renew   csr; with the old certificate as client certificate
//	                 -> record, certificate, parameters
//	GET  /v1/record  with the certificate -> record, parameters
//
// An error is application/problem+json (RFC 9457) with a member "code": refused (serial
// number and code do not belong together), locked, expired, used, request, terminal, busy,
// failed. A wrong code and an unknown serial number are told by the same words. After five
// wrong codes the code is void, and only another invitation helps.
//
// What it does not do: it does not serve payments, does not revoke certificates by list
// (each message is held against the binding in the database), and shows no page.
// PKCS #10 is RFC 2986.
package enrolment
