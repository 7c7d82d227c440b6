package issuer

import (
	"context"

	"posd/host-sim/db"
	"posd/host-sim/ledger"
)

// standInChecks are made by who stands in for the issuer, with keys alone: whose card it is,
// whether the chip is its own and the story true. Status, limit, funds and PIN are the
// issuer's, which [Issuer.Forward] asks later.
var standInChecks = []check{
	(*session).checkExpiry,
	(*session).checkEntry,
	(*session).checkCryptogram,
	(*session).checkStory,
	(*session).checkCurrency,
}

// Forward tells the issuer of a payment that was approved in its place, and says what it
// would have answered. No counter moves.
func (i Issuer) Forward(ctx context.Context, tx db.Tx, panHash []byte, psn int, r Request) (Decision, error) {
	card, err := FindCard(ctx, tx, panHash, psn)
	if err != nil {
		return Decision{}, err
	}
	s := &session{Request: r, Issuer: i, card: card}
	if _, err := ledger.ExpireHolds(ctx, tx, card.Account, r.At); err != nil {
		return Decision{}, err
	}
	if s.account, err = ledger.ByID(ctx, tx, card.Account); err != nil {
		return Decision{}, err
	}
	d := Decision{Code: approved, Why: "approved", Account: card.Account, ATC: -1, Available: s.account.Available()}
	for _, check := range []check{(*session).checkStatus, (*session).checkLimit, (*session).checkFunds} {
		code, why, err := check(s)
		if err != nil {
			return Decision{}, err
		}
		if code != "" {
			d.Code, d.Why = code, why
			break
		}
	}
	return d, nil
}
