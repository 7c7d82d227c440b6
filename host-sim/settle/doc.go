// Package settle pays merchants for a business day.
//
// Three words to know:
//
//   - a business day ends at its cut-off; what is posted later is the next day's;
//   - a [Statement] is what one merchant gets for one day: a [Line] for each posting on its
//     account, with fee and net, and what is paid. A posting is on one statement at most:
//     the database's key says so, and a day that is closed again posts nothing;
//   - suspense keeps the lines of payments on which terminal and host do not agree, until
//     a person worked the difference off.
//
// Fees are minor units, rounded half up. What cannot be paid (less than nothing, or a
// merchant that is frozen) is carried to the next statement. The package moves money in the
// books only, and opens no transaction: every call works inside the caller's.
package settle
