// Package params is what a host can tell a terminal to be: its parameters, the
// applications that it takes, the public keys of the schemes, black lists and the limits
// of small amounts, as the UnionPay message set carries them in field 62 of management
// messages.
//
// Three words to know:
//
//   - a [List] is one download: its items as the host sent them, with version, time and
//     whether it is whole. [What] says which list;
//   - the draft is the list that is being downloaded. It takes the list's place when it is
//     whole, in one step, and until then the old list is in force ([Shelf] keeps both);
//   - the [Set] is what the lists come to: typed values with defaults and bounds, of which
//     a caller makes the configuration of kernel and payment.
//
// # Downloads
//
//	What          asks                     for each        end   items
//	Parameters    360                                            one: the tag list
//	CAKeys        372 until all are named  370 a key       371   the key
//	Applications  382 until all are named  380 an AID      381   the application
//	BlackList     390 from a place on                      391   up to 15 card numbers
//	QPS           394                                      395   one: the list
//	TableB        396 from a place on                      397   up to 15 BINs
//	TableC        398 from a place on                      399   up to 15 BINs
//
// An answer to a question begins with a digit: 0 there is none, 1 this is all, 2 more
// will come, 3 this was the last part. A host that has none (0) changes nothing: a
// terminal without CA keys could take no card, so no answer empties a list.
//
// A download that was interrupted goes on where it stopped, if it is younger than
// [DraftAge] and the host still names the same keys or applications. Each item is checked
// before it is kept: a key by its published checksum. What is wrong is an error with tag
// and offset, and the old list stays.
//
// The host asks for a download by a digit in the header of any answer; [Orders] collects
// them for the idle time. They are not on disk: the host repeats its digit in every answer
// until the download is done, so an order that is lost with the power comes again.
//
// # What is not settled by a public source
//
// How a black list and the tables lie in field 62: here each number has its length in two
// digits before it. The order of the switches of tag 26: see [Functions]. That the tag
// lists of 360 and 394 are characters throughout. Each is one function here, with a test.
//
// # What it does not do
//
// It stores nothing (package store/params does) and sends nothing (transport/acquirer
// does). It knows no SM2 key: one is kept in its list and left out of the Set. It knows no
// payment: the room beside it does, and takes from a Set what it needs.
//
// Specification: the message set of UnionPay terminals, functions 360 to 399, as public
// sources tell it; EMV 4.4 Books 2 and 3 for keys and applications.
package params
