// Package tamper keeps, over power loss and restarts, that a terminal's housing was opened.
//
// Three words to know:
//
//   - the [Latch] is set by [Latch.Trip], on disk before anything else happens, and it is
//     read by [Open], at boot and before a byte goes to the host. While it is set the
//     terminal shows TERMINAL LOCKED and takes no payment;
//   - to erase is what follows from it: [Config].Erase removes the keys, when the latch is
//     set, and again at each boot with the latch set, for power may go in between;
//   - a technician has a name and a password. [Latch.Clear] wants two of them at once, and
//     nothing else clears. A latch that cannot be read counts as set.
//
// Passwords are stored as argon2id with a salt each. A wrong try is counted on disk before
// the passwords are looked at, so that pulling the plug gives no free one; after the third
// they have to wait, from 30 s up to an hour. Passwords cannot be enrolled while the latch is
// set: a terminal that was opened before it had technicians goes back to where keys are
// loaded.
//
// What it does not do: watch the switch (gpio.Tamper), load new keys after Clear, stop
// somebody who puts an older file of the store back (see package store). It is no approved
// tamper response either: PCI PTS wants the keys erased by hardware, powered from a battery,
// while the terminal is off. RFC 9106 (Argon2), with the least memory that OWASP's password
// storage sheet still advises, for small terminals.
package tamper
