package kernel

import (
	"context"
	"errors"
	"fmt"

	"posd/emv"
	"posd/emv/apdu"
	"posd/emv/tag"
	"posd/emv/tlv"
)

// goOnline shows the cryptogram to the issuer and the issuer's answer to the card.
// EMV 4.4 Book 3, 10.9.
func (s *session) goOnline(ctx context.Context) (Phase, error) {
	if s.terminal.offlineOnly() {
		s.online.unable = true
		return Completing, nil
	}
	answer, err := s.issuer.Authorize(ctx, s.request())
	switch {
	case errors.Is(err, ErrUnableToGoOnline):
		s.online.unable, s.online.refused = true, errors.Is(err, ErrNoOffline)
		return Completing, nil
	case err != nil:
		return Done, fmt.Errorf("ask the issuer: %w", err)
	case !validARC(answer.ARC):
		s.online.unable = true
		return Completing, nil
	}
	s.arc = answer.ARC
	s.online.answered = true
	s.online.approved = approves(answer.ARC)
	s.online.icc = s.objects.keep(answer.ICC)
	if v, _ := tlv.Find(s.online.icc, tag.IssuerAuthenticationData); len(v) >= 8 && len(v) <= 16 {
		s.online.issuer = v
	}
	if err := s.authenticateIssuer(ctx); err != nil {
		return Done, err
	}
	return ScriptingBefore, nil
}

// request is complete: nothing is asked of the card afterwards.
func (s *session) request() OnlineRequest {
	r := OnlineRequest{
		PAN:         s.records.pan,
		Track2:      s.records.track2,
		PANSequence: s.records.sequence,
		ICC:         s.collect(s.cfg.OnlineTags),
		OnlinePIN:   s.tvr&emv.OnlinePINEntered != 0,
		Facts:       s.facts(),
	}
	copy(r.Expiry[:], s.objects.get(tag.ApplicationExpirationDate))
	return r
}

// validARC is point 39: an authorisation response code is two letters or digits.
func validARC(arc [2]byte) bool {
	for _, c := range arc {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// approves tells of the codes that let the card be asked for a TC. Everything else
// declines, the referrals 01 and 02 among them: a terminal without a voice procedure
// does not wait for one. EMV 4.4 Book 4, Annex A6.
func approves(arc [2]byte) bool {
	switch string(arc[:]) {
	case "00", "10", "11":
		return true
	}
	return false
}

// authenticateIssuer is point 40: issuer authentication data go to a card that knows
// EXTERNAL AUTHENTICATE, once. To any other they go in CDOL2 only.
// EMV 4.4 Book 3, 10.9 and 6.5.4.
func (s *session) authenticateIssuer(ctx context.Context) error {
	if !externalAuthenticate(s.profile.aip, s.online.issuer) {
		return nil
	}
	resp, err := s.transmit(ctx, apdu.ExternalAuthenticate(s.online.issuer))
	if err != nil {
		return err
	}
	s.tsi |= emv.IssuerAuthPerformed
	if resp.SW != apdu.OK {
		s.tvr |= emv.IssuerAuthFailed
	}
	return nil
}

func externalAuthenticate(aip emv.AIP, data []byte) bool {
	return aip&emv.IssuerAuthSupported != 0 && len(data) >= 8 && len(data) <= 16
}
