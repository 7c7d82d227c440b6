// Package dukpt is derived unique key per transaction: ANSI X9.24-3 with AES keys, and
// with TDES keys the method that X9.24-1:2009, Annex A, defined and X9.24-3 keeps.
//
// Three words to know:
//
//   - the base derivation key (BDK) is the host's; the initial key of one device is
//     derived from it and injected, and is gone from the device with its first transaction;
//   - the key serial number ([KSN], [AESKSN]) goes with each message: which BDK, which
//     device, and the transaction counter, from which the host finds the same key;
//   - a [Device] or an [AESDevice] is the other end: future keys instead of the initial
//     key, so that who opens it learns no key of the past.
//
// The host's way is [InitialKey], [TransactionKey] and [Key.For], or [AESInitialKey] and
// [AESWorkingKey]. Key serial numbers and TDES keys are arrays: nothing here can write into
// a caller's. The end of the counter is an error ([ErrEnd]), and so is a counter that no
// device uses ([ErrCounter]): it has more one bits than the method allows.
//
// It does not encipher PINs, check MACs, or store a device's state: what [Device] holds has
// to outlive a power cut before the key that it gave is used. It draws no random number.
//
// Specification: ANSI X9.24-3:2017 with its supplement of test vectors; ANSI X9.24-1:2009,
// Annex A.
package dukpt
