package route

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"posd/host-sim/db"
)

// Limits of listings, and of one pass over the queue.
const (
	maxRows    = 10_000
	maxForward = 500
)

// list runs a query and reads its rows.
func list[T any](ctx context.Context, tx db.Tx, what string, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("route: %s: %w", what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() && len(out) < maxRows {
		var x T
		if err := scan(rows, &x); err != nil {
			return nil, fmt.Errorf("route: %s: %w", what, err)
		}
		out = append(out, x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("route: %s: %w", what, err)
	}
	return out, nil
}

// one makes an error of an update that did not meet the one row that it was for.
func one(res sql.Result, err, none error, what string) error {
	if err != nil {
		return fmt.Errorf("route: %s: %w", what, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("route: %s: %w", what, errors.Join(none, err))
	}
	return nil
}

// Networks returns the networks by id, with what was sent to them and what waits for them.
func Networks(ctx context.Context, tx db.Tx) ([]Network, error) {
	out, err := list(ctx, tx, "list networks", func(r *sql.Rows, n *Network) error {
		var since, echo int64
		err := r.Scan(&n.ID, &n.Name, &n.Kind, &n.State, &since, &echo, &n.EchoOK, &n.Echoes, &n.Failures, &n.Payments, &n.Approved, &n.Waiting)
		n.Since, n.Echo = time.UnixMilli(since), time.UnixMilli(echo)
		return err
	}, `SELECT n.id, n.name, n.kind, n.state, n.since_ms, n.echo_ms, n.echo_ok, n.echoes, n.failures,
		(SELECT COUNT(*) FROM payment p WHERE p.network = n.id AND p.stand_in = 0),
		(SELECT COUNT(*) FROM payment p WHERE p.network = n.id AND p.stand_in = 0 AND p.code = '00'),
		(SELECT COUNT(*) FROM stand_in_advice a WHERE a.network = n.id AND a.state = 'queued')
		FROM network n ORDER BY n.id`)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Ranges, err = list(ctx, tx, "ranges of "+out[i].ID, func(r *sql.Rows, s *string) error {
			var low, high string
			err := r.Scan(&low, &high)
			*s = low + "-" + high
			return err
		}, `SELECT low, high FROM network_range WHERE network = $1 ORDER BY low`, out[i].ID)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// States returns the state of each network by id.
func States(ctx context.Context, tx db.Tx) (map[string]State, error) {
	type row struct {
		id    string
		state State
	}
	rows, err := list(ctx, tx, "states of networks", func(r *sql.Rows, x *row) error { return r.Scan(&x.id, &x.state) }, `SELECT id, state FROM network`)
	out := make(map[string]State, len(rows))
	for _, x := range rows {
		out[x.id] = x.state
	}
	return out, err
}

// StateOf returns a network's state, or [ErrNoNetwork].
func StateOf(ctx context.Context, tx db.Tx, id string) (s State, err error) {
	err = tx.QueryRowContext(ctx, `SELECT state FROM network WHERE id = $1`, id).Scan(&s)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoNetwork
	}
	if err != nil {
		return "", fmt.Errorf("route: state of network %q: %w", id, err)
	}
	return s, nil
}

// SetState takes a network up or down, or drains it. The same again leaves Since alone.
func SetState(ctx context.Context, tx db.Tx, id string, s State, at time.Time) error {
	if s != Up && s != Down && s != Draining {
		return fmt.Errorf("route: set state of network %q: %q is none of up, down, draining", id, s)
	}
	old, err := StateOf(ctx, tx, id)
	if err != nil || old == s {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE network SET state = $1, since_ms = $2 WHERE id = $3`, s, at.UnixMilli(), id)
	return one(res, err, ErrNoNetwork, "set state of network "+id)
}

// SaveEcho stores what became of an echo.
func SaveEcho(ctx context.Context, tx db.Tx, id string, ok bool, at time.Time) error {
	good, bad := int64(1), int64(0)
	if !ok {
		good, bad = 0, 1
	}
	res, err := tx.ExecContext(ctx, `UPDATE network SET echo_ms = $1, echo_ok = $2, echoes = echoes + CAST($3 AS BIGINT),
		failures = failures + CAST($4 AS BIGINT) WHERE id = $5`, at.UnixMilli(), good, good, bad, id)
	return one(res, err, ErrNoNetwork, "save echo of network "+id)
}

const selectRule = `SELECT r.id, r.merchant, r.in_group, r.low, r.high, r.kind, r.min_amount, r.max_amount,
	r.from_minute, r.until_minute, r.priority, r.network, r.fallback`

func (r *Rule) fields() []any {
	return []any{&r.ID, &r.Merchant, &r.Group, &r.Low, &r.High, &r.Kind, &r.Min, &r.Max, &r.From, &r.Until, &r.Priority, &r.Network, &r.Fallback}
}

// Candidates returns the rules whose BIN range has a BIN, with the state of their networks.
func Candidates(ctx context.Context, tx db.Tx, bin string) ([]Candidate, error) {
	const state = `COALESCE((SELECT n.state FROM network n WHERE n.id = %s AND EXISTS
		(SELECT 1 FROM network_range g WHERE g.network = n.id AND g.low <= $1 AND g.high >= $1)), '')`
	return list(ctx, tx, "rules of a BIN", func(r *sql.Rows, c *Candidate) error {
		return r.Scan(append(c.fields(), &c.State, &c.FallbackState)...)
	}, selectRule+`, `+fmt.Sprintf(state, "r.network")+`, `+fmt.Sprintf(state, "r.fallback")+
		` FROM route_rule r WHERE r.low <= $1 AND r.high >= $1 ORDER BY r.id`, bin)
}

// Rules returns the route table by number.
func Rules(ctx context.Context, tx db.Tx) ([]Rule, error) {
	return list(ctx, tx, "list rules", func(r *sql.Rows, x *Rule) error { return r.Scan(x.fields()...) },
		selectRule+` FROM route_rule r ORDER BY r.id`)
}

// AddRule stores a rule under the next number, which it returns.
func AddRule(ctx context.Context, tx db.Tx, r Rule) (id int64, err error) {
	if err := r.check(); err != nil {
		return 0, fmt.Errorf("route: add rule: %w", err)
	}
	for _, network := range []string{r.Network, r.Fallback} {
		if network == "" {
			continue
		}
		if _, err := StateOf(ctx, tx, network); err != nil {
			return 0, err
		}
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO route_rule (id, merchant, in_group, low, high, kind, min_amount, max_amount,
			from_minute, until_minute, priority, network, fallback)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM route_rule), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`,
		r.Merchant, r.Group, r.Low, r.High, r.Kind, r.Min, r.Max, r.From, r.Until, r.Priority, r.Network, r.Fallback).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("route: add rule: %w", err)
	}
	return id, nil
}

// RemoveRule takes a rule out of the table. Payments keep its number.
func RemoveRule(ctx context.Context, tx db.Tx, id int64) error {
	res, err := tx.ExecContext(ctx, `DELETE FROM route_rule WHERE id = $1`, id)
	return one(res, err, ErrNoRule, fmt.Sprintf("remove rule %d", id))
}

// AddRange lets a network serve a range of BINs, eight digits each.
func AddRange(ctx context.Context, tx db.Tx, network, low, high string) error {
	if _, err := StateOf(ctx, tx, network); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO network_range (network, low, high) VALUES ($1, $2, $3)
		ON CONFLICT (network, low) DO UPDATE SET high = $3`, network, low, high)
	if err != nil {
		return fmt.Errorf("route: add range %s-%s to %s: %w", low, high, network, err)
	}
	return nil
}

// SetGroup puts a merchant into a group; an empty one takes it out.
func SetGroup(ctx context.Context, tx db.Tx, mid, name string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO merchant_group (mid, name) VALUES ($1, $2) ON CONFLICT (mid) DO UPDATE SET name = $2`, mid, name)
	if err != nil {
		return fmt.Errorf("route: group of merchant %s: %w", mid, err)
	}
	return nil
}

// GroupOf returns the group of a merchant, empty for none.
func GroupOf(ctx context.Context, tx db.Tx, mid string) (name string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(name), '') FROM merchant_group WHERE mid = $1`, mid).Scan(&name)
	if err != nil {
		return "", fmt.Errorf("route: group of merchant %s: %w", mid, err)
	}
	return name, nil
}

// Scopes of a switch.
const (
	OfMerchant = "merchant"
	OfTerminal = "terminal"
)

// SetSwitch switches a type of transaction off or on for a merchant or a terminal.
func SetSwitch(ctx context.Context, tx db.Tx, scope, id, kind string, on bool) error {
	if (scope != OfMerchant && scope != OfTerminal) || id == "" || kind == "" {
		return fmt.Errorf("route: switch %q of %s %q: %s or %s, and a type wanted", kind, scope, id, OfMerchant, OfTerminal)
	}
	query := `INSERT INTO switched_off (scope, id, kind) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	if on {
		query = `DELETE FROM switched_off WHERE scope = $1 AND id = $2 AND kind = $3`
	}
	if _, err := tx.ExecContext(ctx, query, scope, id, kind); err != nil {
		return fmt.Errorf("route: switch %q of %s %s: %w", kind, scope, id, err)
	}
	return nil
}

// SwitchedOff returns the scope in which a type is switched off, empty where it is on.
func SwitchedOff(ctx context.Context, tx db.Tx, mid, tid, kind string) (scope string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(scope), '') FROM switched_off
		WHERE kind = $1 AND ((scope = 'merchant' AND id = $2) OR (scope = 'terminal' AND id = $3))`, kind, mid, tid).Scan(&scope)
	if err != nil {
		return "", fmt.Errorf("route: switches of %s: %w", tid, err)
	}
	return scope, nil
}
