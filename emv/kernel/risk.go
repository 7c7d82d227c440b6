package kernel

import (
	"context"
	"encoding/binary"

	"posd/emv"
	"posd/emv/tag"
)

// assess is terminal risk management. EMV 4.4 Book 3, 10.6.
func (s *session) assess(ctx context.Context) (Phase, error) {
	s.suspect()
	if s.profile.aip&emv.TerminalRiskRequired == 0 && !s.chosen.app.AlwaysAssess {
		return Deciding, nil
	}
	app := s.chosen.app
	s.tvr |= floorLimit(s.tx.Amount.Minor, s.tx.LogAmount, app.FloorLimitMinor)
	if !s.terminal.offlineOnly() && !s.terminal.onlineOnly() && app.selects(s.tx.Amount.Minor, s.tx.Draw) {
		s.tvr |= emv.SelectedRandomly
	}
	if err := s.velocity(ctx); err != nil {
		return Done, err
	}
	s.tsi |= emv.TerminalRiskPerformed
	return Deciding, nil
}

// suspect is point 34, what the merchant's side knows by itself: the exception file, and
// the wish to go online. Neither waits for a card that asks for risk management.
// EMV 4.4 Book 4, 6.3.5 and 6.5.
func (s *session) suspect() {
	if s.tx.OnExceptionFile != nil && s.tx.OnExceptionFile(s.records.pan, s.records.sequence) {
		s.tvr |= emv.OnExceptionFile
	}
	if s.tx.ForceOnline {
		s.tvr |= emv.MerchantForcedOnline
	}
}

// floorLimit returns the floor-limit bit for a sale of amount, where prior is the
// latest logged amount of the same PAN, or 0. All are minor units of tag 5F2A.
// EMV 4.4 Book 3, 10.6.1: reaching the limit counts as exceeding it.
func floorLimit(amount, prior, limit int64) emv.TVR {
	if amount+prior >= limit {
		return emv.FloorLimitExceeded
	}
	return 0
}

// selects is random transaction selection: below the threshold with the target
// percentage, from there to the floor limit with one that rises to the maximum, above
// the limit not at all, for there the limit itself speaks. draw is 1 to 99. New has
// checked that 0 <= threshold <= limit. EMV 4.4 Book 3, 10.6.2.
func (a *Application) selects(amount int64, draw uint8) bool {
	switch {
	case amount >= a.FloorLimitMinor:
		return false
	case amount < a.RandomThreshold:
		return draw <= a.RandomTarget
	}
	rise := int64(a.RandomMaxTarget-a.RandomTarget) * (amount - a.RandomThreshold) / (a.FloorLimitMinor - a.RandomThreshold)
	return int64(draw) <= int64(a.RandomTarget)+rise
}

// velocity counts the payments since the card was last online, where the card sets
// limits to them. EMV 4.4 Book 3, 10.6.3.
func (s *session) velocity(ctx context.Context) error {
	lower, upper := s.objects.get(tag.LowerConsecutiveOfflineLimit), s.objects.get(tag.UpperConsecutiveOfflineLimit)
	if lower == nil || upper == nil || s.chosen.app.SkipVelocity {
		return nil
	}
	atc, err := s.getData(ctx, tag.ATC, 2)
	if err != nil {
		return err
	}
	last, err := s.getData(ctx, tag.LastOnlineATC, 2)
	if err != nil {
		return err
	}
	s.told.atc, s.told.lastOnline = atc, last
	s.tvr |= consecutive(atc, last, lower[0], upper[0])
	return nil
}

// consecutive is point 33: the velocity bits for counters of 2 bytes, nil where the
// card did not give them. A counter that does not rise counts as over both limits.
func consecutive(atc, last []byte, lower, upper byte) emv.TVR {
	var bits emv.TVR
	if last != nil && binary.BigEndian.Uint16(last) == 0 {
		bits = emv.NewCard
	}
	if atc == nil || last == nil {
		return bits | emv.ICCDataMissing | emv.LowerLimitExceeded | emv.UpperLimitExceeded
	}
	offline := int(binary.BigEndian.Uint16(atc)) - int(binary.BigEndian.Uint16(last))
	if offline <= 0 || offline > int(lower) {
		bits |= emv.LowerLimitExceeded
	}
	if offline <= 0 || offline > int(upper) {
		bits |= emv.UpperLimitExceeded
	}
	return bits
}
