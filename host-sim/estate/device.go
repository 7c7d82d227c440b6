package estate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/emv/keyblock"
	"posd/host-sim/db"
	"posd/host-sim/hsm"
)

// ErrNoDevice says that a serial number is not known.
var ErrNoDevice = errors.New("no such device")

// DeviceState is where a device stands.
type DeviceState string

const (
	Invited  DeviceState = "invited"  // it has an activation code that was not used
	Enrolled DeviceState = "enrolled" // it is the terminal's device
	Replaced DeviceState = "replaced" // another device has taken its place
)

// Device is one piece of hardware by its serial number, and the activation code that was
// given out for it.
type Device struct {
	SN       string
	TID      string
	State    DeviceState
	Suite    keyblock.Suite // of the master key that it will get
	CodeHash []byte         // hsm.CodeHash; empty for a code that is void
	Until    time.Time      // the code is good before
	Tries    int            // wrong codes so far
	Request  []byte         // hash of the request that used the code; empty before
	Answer   []byte         // the answer to it, sealed
	At       time.Time      // of the last change
}

// Profile is what a terminal is told of itself beside its numbers.
type Profile struct {
	Bank       string // of the merchant's account, as the screen shows it
	Access     string // how the device reaches the network: 4g, wifi, ethernet
	Hotline    string
	Parameters []byte // opaque, for the terminal's parameters
	Version    int64  // counts changes; set by SaveProfile
}

// SaveDevice stores a device, new or changed.
func SaveDevice(ctx context.Context, tx db.Tx, d Device) error {
	if err := errors.Join(checkSN(d.SN), checkTID(d.TID)); err != nil {
		return fmt.Errorf("estate: save device: %w", err)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO device (sn, tid, state, suite, code_hash, until_ms, tries, request, answer, at_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (sn) DO UPDATE SET tid = $2, state = $3, suite = $4, code_hash = $5, until_ms = $6, tries = $7, request = $8, answer = $9, at_ms = $10`,
		d.SN, d.TID, d.State, string(d.Suite), d.CodeHash, d.Until.UnixMilli(), d.Tries, d.Request, d.Answer, d.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("estate: save device %s: %w", d.SN, err)
	}
	return nil
}

// FindDevice returns a device, or [ErrNoDevice].
func FindDevice(ctx context.Context, tx db.Tx, sn string) (d Device, err error) {
	var until, at int64
	err = tx.QueryRowContext(ctx, `SELECT sn, tid, state, suite, code_hash, until_ms, tries, request, answer, at_ms FROM device WHERE sn = $1`, sn).
		Scan(&d.SN, &d.TID, &d.State, (*string)(&d.Suite), &d.CodeHash, &until, &d.Tries, &d.Request, &d.Answer, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoDevice
	}
	if err != nil {
		return Device{}, fmt.Errorf("estate: find device %q: %w", sn, err)
	}
	d.Until, d.At = time.UnixMilli(until), time.UnixMilli(at)
	return d, nil
}

// BindDevice makes a device that of its terminal: the terminal's serial number and master
// key change, it is signed off, and every other device of the terminal is [Replaced], which
// the terminal's certificate no longer fits. A terminal that has signed on before begins
// another batch: the voucher numbers of a new device, or of one that lost its store, begin
// anew, and in the old batch they are those of payments that were made.
func BindDevice(ctx context.Context, tx db.Tx, d Device, tmk hsm.Key) error {
	_, err := tx.ExecContext(ctx, `UPDATE device SET state = $1, code_hash = NULL, answer = NULL WHERE tid = $2 AND sn <> $3`, Replaced, d.TID, d.SN)
	if err != nil {
		return fmt.Errorf("estate: replace devices of %s: %w", d.TID, err)
	}
	err = update(ctx, tx, "bind device to", d.TID, `UPDATE terminal SET sn = $1, tmk = $2, signed_on = 0,
		batch = CASE WHEN key_set > 0 THEN batch % 999999 + 1 ELSE batch END WHERE tid = $3`, d.SN, []byte(tmk), d.TID)
	if err != nil {
		return err
	}
	return SaveDevice(ctx, tx, d)
}

// CheckBinding says whether a serial number is the one that the terminal is bound to, and
// the terminal active: what its certificate and each of its messages have to fit. Errors:
// [ErrNoTerminal] where not.
func CheckBinding(t Terminal, mid, sn string) error {
	switch {
	case t.Status != Active:
		return fmt.Errorf("estate: terminal %s is %s: %w", t.TID, t.Status, ErrNoTerminal)
	case t.SN != sn:
		return fmt.Errorf("estate: terminal %s is bound to another device than %q: %w", t.TID, sn, ErrNoTerminal)
	case t.MID != mid:
		return fmt.Errorf("estate: terminal %s belongs to another merchant than %q: %w", t.TID, mid, ErrNoTerminal)
	}
	return nil
}

// SaveProfile stores a terminal's profile; its version counts up.
func SaveProfile(ctx context.Context, tx db.Tx, tid string, p Profile) error {
	if p.Parameters == nil {
		p.Parameters = []byte{}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO profile (tid, bank, access, hotline, parameters, version) VALUES ($1, $2, $3, $4, $5, 1)
		ON CONFLICT (tid) DO UPDATE SET bank = $2, access = $3, hotline = $4, parameters = $5, version = profile.version + 1`,
		tid, p.Bank, p.Access, p.Hotline, p.Parameters)
	if err != nil {
		return fmt.Errorf("estate: save profile of %s: %w", tid, err)
	}
	return nil
}

// FindProfile returns a terminal's profile; the zero value where it has none.
func FindProfile(ctx context.Context, tx db.Tx, tid string) (p Profile, err error) {
	err = tx.QueryRowContext(ctx, `SELECT bank, access, hotline, parameters, version FROM profile WHERE tid = $1`, tid).
		Scan(&p.Bank, &p.Access, &p.Hotline, &p.Parameters, &p.Version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Profile{}, fmt.Errorf("estate: find profile of %s: %w", tid, err)
	}
	return p, nil
}
