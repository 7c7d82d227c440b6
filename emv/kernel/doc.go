// Package kernel is a contact EMV kernel: the conversation of a terminal with a chip
// card, from selection to the second GENERATE AC.
package kernel
