// Package enrol is the terminal's side of enrolment (入网): a new terminal asks the host for
// its numbers, its certificate and its master key, and later for the next certificate and
// for what the host holds of it.
//
// Three words to know:
//
//   - an [Activation] is what the terminal has to be told before: serial number, activation
//     code, address of the host, and the fingerprint of the host's authority. It is a text
//     of one line, so that a QR code carries it, both ways: a screen shows it, a scanner
//     reads it;
//   - an [Identity] is the terminal's side of a request: a key for TLS, an RSA key for the
//     master key, and a nonce. It is kept sealed until the answer is stored, for the same
//     identity asked again gets the same answer, and another one would not;
//   - an [Answer] is what the host gave, after it was checked: the certificate is for the
//     key of the identity, by the pinned authority, and names the serial number.
//
// The steps of a first enrolment, each of which may be repeated after a power cut:
//
//	1  the identity that store/enrolment holds as pending, or NewIdentity, and it is stored
//	2  Client.Enrol
//	3  keys.LoadMasterDelivery(answer.Authority, identity.Transport(), answer.Context, answer.Delivery)
//	4  store/enrolment.Complete: record, certificate and TLS key are stored, the rest is wiped
//
// The host is trusted by its authority's certificate: from a file, or by fingerprint, when
// the host sends it along. No system root counts. The protocol is described in package
// host-sim/enrolment: JSON over TLS 1.3, PKCS #10 (RFC 2986) in, X.509 out, errors as RFC
// 9457 has them.
//
// What it does not do: it stores nothing and opens no master key. It links net/http, which
// reaches no reflect.MethodByName and costs the agent 1.1 MB on ARM.
package enrol
