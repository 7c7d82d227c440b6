package acquirer

import (
	"errors"

	"posd/emv"
	"posd/transport/iso8583"
)

// card takes the card number from field 2 or from track 2, which it opens where it is
// enciphered. Two that differ are none.
func (d *Desk) card(v *visit, m *iso8583.FinancialRequest) (emv.PAN, refusal) {
	if !m.Sealed.IsZero() {
		if err := d.openTrack(v, m); err != nil {
			return emv.PAN{}, refusal{codeSecurity, err.Error()}
		}
	}
	if m.Track2.IsZero() {
		if m.PAN.IsZero() {
			return emv.PAN{}, refusal{codeCard, "no card number"}
		}
		return m.PAN, refusal{}
	}
	fromTrack, expiry, ok := splitTrack2(m.Track2)
	switch {
	case !ok:
		return emv.PAN{}, refusal{codeCard, "track 2 holds no card number"}
	case !m.PAN.IsZero() && m.PAN != fromTrack:
		return emv.PAN{}, refusal{codeCard, "field 2 and track 2 differ"}
	case m.Expiry == "":
		m.Expiry = expiry
	}
	return fromTrack, refusal{}
}

func (d *Desk) openTrack(v *visit, m *iso8583.FinancialRequest) error {
	if len(v.terminal.TDK) == 0 {
		return errors.New("track is enciphered, but the terminal has no track key")
	}
	block, err := d.cfg.Module.TrackCipher(v.terminal.TDK)
	if err != nil {
		return err
	}
	m.Track2, err = m.Sealed.Open(block)
	return err
}

// splitTrack2 returns card number and expiry (YYMM) of track 2.
func splitTrack2(t emv.Track2) (pan emv.PAN, expiry string, ok bool) {
	chars := t.Reveal()
	for i := range len(chars) {
		if chars[i] != 'D' {
			continue
		}
		pan, err := emv.ParsePAN(chars[:i])
		if err != nil || len(chars) < i+5 {
			return emv.PAN{}, "", false
		}
		return pan, chars[i+1 : i+5], true
	}
	return emv.PAN{}, "", false
}
