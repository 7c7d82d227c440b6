// Package operators keeps who may work at the terminal: cashiers 01 to 98, the supervisor
// 00 and the administrator 99, with their passwords.
//
// Three words to know:
//
//   - a role comes with the number ([RoleOf]): a Cashier sells, the Supervisor (00) voids,
//     refunds and looks after cashiers, the Administrator (99) has the settings;
//   - a [Session] is an operator who is logged in: one for each operator at a time. It ends
//     by [Operators.Logout], by being idle, and with the process;
//   - the [Policy] is data: length, classes of characters, how many old passwords may not
//     come back, age, wrong tries and how long they lock. What a password breaks is named
//     ([RuleError]).
//
// Passwords are stored as argon2id, with a salt and the cost beside each. A wrong try is
// counted on disk before a password is looked at, so that pulling the plug gives no free
// one and a lock-out survives a restart; the right one takes it back. A password that
// somebody else has set, and one that is too old, is good for one thing only: to be
// changed. Passwords come as []byte and are wiped here, right or wrong.
//
// What it does not do: it knows no screen and draws no line about single functions; who
// may do what is asked by role. It cannot see that an older file was put back (package
// store). RFC 9106 (Argon2); REQUIREMENTS S07 and S09; PCI DSS 4.0, 8.3, for lengths, ages
// and lock-out.
//
// DefaultCost is 12 MiB and 3 passes, one of the settings of OWASP's password storage
// sheet, not 19 MiB and 2: a terminal with 128 MB has the smaller peak, at the same price
// in time (measured: both 28 ms on a PC, 0.24 and 0.26 s on an emulated ARM). One password
// is computed at a time, so that peak is all that there is.
package operators
