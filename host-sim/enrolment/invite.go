package enrolment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"posd/emv/keyblock"
	"posd/host-sim/db"
	"posd/host-sim/estate"
	"posd/host-sim/hsm"
)

// Invitation is what the back office decides of a device that is to come.
type Invitation struct {
	SN      string
	TID     string // an existing terminal's: the device takes the place of the one it has
	MID     string
	Suite   keyblock.Suite // of the master key; empty is TDES
	Profile estate.Profile
}

// alphabet of activation codes: no 0 and O, no 1, I and L, no U. 30^10 codes are 49 bits, of
// which somebody who guesses has five.
const (
	alphabet   = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeLength = 10
)

// Invite binds a serial number to a terminal, which it makes where the number is new, and
// gives out the activation code. A second invitation of the same device makes the first
// code void. The terminal's present device works on until the code is used. Errors:
// estate.ErrNoMerchant, estate.ErrExists where the device is another terminal's.
func (s *Server) Invite(ctx context.Context, in Invitation) (code string, until time.Time, err error) {
	code, err = s.newCode()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("enrolment: invite %s: %w", in.SN, err)
	}
	now := s.cfg.Now()
	until = now.Add(s.cfg.CodeLife)
	if in.Suite, err = keyblock.ParseSuite(string(in.Suite)); err == nil {
		err = s.cfg.DB.Update(ctx, func(tx db.Tx) error {
			if err := s.prepare(ctx, tx, in); err != nil {
				return err
			}
			d := estate.Device{SN: in.SN, TID: in.TID, State: estate.Invited, Suite: in.Suite, Until: until, At: now}
			d.CodeHash = s.cfg.Module.CodeHash(in.SN, plain(code))
			return errors.Join(estate.SaveProfile(ctx, tx, in.TID, in.Profile), estate.SaveDevice(ctx, tx, d))
		})
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("enrolment: invite %s: %w", in.SN, err)
	}
	s.cfg.Log.Info("invited", "sn", in.SN, "tid", in.TID, "until", until)
	return code, until, nil
}

// prepare sees that there is a terminal to bind the device to, and that the device is not
// another terminal's.
func (s *Server) prepare(ctx context.Context, tx db.Tx, in Invitation) error {
	d, err := estate.FindDevice(ctx, tx, in.SN)
	switch {
	case err == nil && d.TID != in.TID && d.State != estate.Replaced:
		return fmt.Errorf("device of terminal %s: %w", d.TID, estate.ErrExists)
	case err != nil && !errors.Is(err, estate.ErrNoDevice):
		return err
	}
	t, err := estate.FindTerminal(ctx, tx, in.TID)
	switch {
	case errors.Is(err, estate.ErrNoTerminal):
		// A key that nobody has: the terminal cannot sign on before it is enrolled.
		key, err := s.cfg.Module.NewSuiteKey(hsm.TMK, in.Suite, 16)
		if err != nil {
			return err
		}
		_, err = estate.AddTerminal(ctx, tx, estate.Terminal{TID: in.TID, MID: in.MID, SN: in.SN, TMK: key})
		return err
	case err == nil && t.MID != in.MID:
		return fmt.Errorf("terminal %s is of merchant %s: %w", in.TID, t.MID, estate.ErrExists)
	}
	return err
}

// newCode draws a code without bias: XXXXX-XXXXX.
func (s *Server) newCode() (string, error) {
	var out strings.Builder
	one := make([]byte, 1)
	for drawn := 0; drawn < codeLength; {
		if _, err := io.ReadFull(s.cfg.Rand, one); err != nil {
			return "", fmt.Errorf("draw activation code: %w", err)
		}
		if int(one[0]) >= 256/len(alphabet)*len(alphabet) {
			continue
		}
		if drawn == codeLength/2 {
			out.WriteByte('-')
		}
		out.WriteByte(alphabet[int(one[0])%len(alphabet)])
		drawn++
	}
	return out.String(), nil
}

// plain is a code as it is hashed: without hyphens and blanks, in upper case.
func plain(code string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
}
