package issuer

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/db"
)

// Templates of issuer scripts: before and after the last GENERATE AC.
const (
	ScriptBefore = 0x71
	ScriptAfter  = 0x72
)

// Commands are the script commands that the issuer can send, each with secure messaging
// and no data but its MAC: CLA INS P1 P2. EMV 4.4 Book 3, 6.5.
var commands = map[string][4]byte{
	"card-block":          {0x84, 0x16, 0x00, 0x00},
	"application-unblock": {0x84, 0x18, 0x00, 0x00},
	"application-block":   {0x84, 0x1E, 0x00, 0x00},
	"pin-unblock":         {0x84, 0x24, 0x00, 0x00},
}

// Script is a command that waits for a card, or went to it.
type Script struct {
	ID       int64
	Masked   string // card number, first six and last four
	Template byte   // ScriptBefore or ScriptAfter
	Command  string // "pin-unblock", …
	RRN      string // of the payment whose answer carried it; empty while it waits
	Result   string // tag DF31 of the terminal's notice, hexadecimal; empty before it
}

// QueueScript has the next online answer to a card carry a script with one command:
// card-block, application-block, application-unblock or pin-unblock.
func QueueScript(ctx context.Context, tx db.Tx, c Card, template byte, command string) (id int64, err error) {
	if _, ok := commands[command]; !ok || (template != ScriptBefore && template != ScriptAfter) {
		return 0, fmt.Errorf("issuer: queue script %02X %q: 71 or 72, and a command that is known, wanted", template, command)
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO issuer_script (id, pan_hash, psn, template, command, rrn, result)
		SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, '', '' FROM issuer_script RETURNING id`, c.PANHash, c.PSN, template, command).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("issuer: queue script for %s: %w", c.Masked, err)
	}
	return id, nil
}

// ScriptResult notes what the terminal says became of the scripts of an answer. It tells
// whether the answer had any.
func ScriptResult(ctx context.Context, tx db.Tx, rrn string, result []byte) (bool, error) {
	res, err := tx.ExecContext(ctx, `UPDATE issuer_script SET result = $1 WHERE rrn = $2 AND rrn <> ''`, hex.EncodeToString(result), rrn)
	if err != nil {
		return false, fmt.Errorf("issuer: script result of %s: %w", rrn, err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Scripts returns all scripts, oldest first.
func Scripts(ctx context.Context, tx db.Tx) ([]Script, error) {
	rows, err := tx.QueryContext(ctx, `SELECT s.id, c.masked, s.template, s.command, s.rrn, s.result FROM issuer_script s
		JOIN card c ON c.pan_hash = s.pan_hash AND c.psn = s.psn ORDER BY s.id`)
	if err != nil {
		return nil, fmt.Errorf("issuer: list scripts: %w", err)
	}
	defer rows.Close()
	var out []Script
	for rows.Next() && len(out) < maxCards {
		var s Script
		if err := rows.Scan(&s.ID, &s.Masked, &s.Template, &s.Command, &s.RRN, &s.Result); err != nil {
			return nil, fmt.Errorf("issuer: list scripts: %w", err)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// appendScripts appends the oldest script that waits for the card, with its MAC: one
// template of one command, well under the 128 bytes that a terminal must take.
func (s *session) appendScripts(ctx context.Context, tx db.Tx, out []byte) ([]byte, error) {
	var id int64
	var template byte
	var command string
	err := tx.QueryRowContext(ctx, `SELECT id, template, command FROM issuer_script WHERE pan_hash = $1 AND psn = $2 AND rrn = ''
		ORDER BY id LIMIT 1`, s.card.PANHash, s.card.PSN).Scan(&id, &template, &command)
	if errors.Is(err, sql.ErrNoRows) || len(s.key.SMI) == 0 {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("issuer: scripts of card %s: %w", s.card.Masked, err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE issuer_script SET rrn = $1 WHERE id = $2`, s.RRN, id); err != nil {
		return nil, fmt.Errorf("issuer: scripts of card %s: %w", s.card.Masked, err)
	}
	const macLength = 8
	c := commands[command]
	header := [5]byte{c[0], c[1], c[2], c[3], macLength}
	mac, err := s.Module.ScriptMAC(s.key.SMI, s.chip.cryptogram, header)
	if err != nil {
		return nil, err
	}
	body := tlv.Append(nil, tag.IssuerScriptIdentifier, []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
	body = tlv.Append(body, tag.IssuerScriptCommand, append(header[:], mac[:]...))
	return tlv.Append(out, tlv.Tag(template), body), nil
}
