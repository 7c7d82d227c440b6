package kernel

import "posd/emv"

// Stripe is what a terminal does with a card that was swiped.
type Stripe uint8

const (
	StripeTaken   Stripe = iota + 1 // the magnetic stripe pays
	StripeAskChip                   // the card has a chip: insert it
	StripeRefused                   // the chip had its say, and it was no
)

// Swiped is point 11, the magnetic-stripe fall-back decision. chip is how the session with
// the same card's chip ended just before, nil where there was none; readerWorks says that
// the chip reader could try. A service code that begins with 2 or 6 says that the card has
// a chip. EMV 4.4 Book 4
// (exception handling, fall-back); ISO/IEC 7813 (service code).
func Swiped(track emv.Track2, readerWorks bool, chip *Result) Stripe {
	switch {
	case chip != nil && !chip.Fallback:
		return StripeRefused
	case chip != nil || !readerWorks || !track.HasChip():
		return StripeTaken
	}
	return StripeAskChip
}
