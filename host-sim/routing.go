package hostsim

import (
	"context"
	"time"

	"posd/host-sim/db"
	"posd/host-sim/issuer"
	"posd/host-sim/route"
)

// echoEvery is how often a running host asks its networks whether they are there, and
// forwards what waits for them.
const echoEvery = 30 * time.Second

// Route is where a payment would go, for people.
type Route struct {
	route.Way
	State   route.State // of the network
	StandIn bool        // the host would stand in for the issuer, within its policy
}

// Networks returns the upstream links with their state.
func (h *Host) Networks(ctx context.Context) (out []route.Network, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = route.Networks(ctx, tx)
		return err
	})
	return out, err
}

// SetNetwork takes a network up or down, or drains it, also while hosts run: the next payment
// sees it. What waits for a network that is up again is forwarded at once.
func (h *Host) SetNetwork(ctx context.Context, id string, s route.State) (forwarded int, err error) {
	err = h.db.Update(ctx, func(tx db.Tx) error { return route.SetState(ctx, tx, id, s, h.cfg.Now()) })
	if err != nil || s != route.Up {
		return 0, err
	}
	return h.desk.Forward(ctx)
}

// Forward brings to the issuers what the host approved in their place, and returns how much.
func (h *Host) Forward(ctx context.Context) (int, error) { return h.desk.Forward(ctx) }

// Advices returns what the host approved in place of issuers, oldest first.
func (h *Host) Advices(ctx context.Context) (out []route.Advice, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = route.Advices(ctx, tx)
		return err
	})
	return out, err
}

// RouteRules returns the route table by number.
func (h *Host) RouteRules(ctx context.Context) (out []route.Rule, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		out, err = route.Rules(ctx, tx)
		return err
	})
	return out, err
}

// AddRouteRule adds a rule to the route table and returns its number.
func (h *Host) AddRouteRule(ctx context.Context, r route.Rule) (id int64, err error) {
	err = h.db.Update(ctx, func(tx db.Tx) error {
		id, err = route.AddRule(ctx, tx, r)
		return err
	})
	return id, err
}

// RemoveRouteRule takes a rule out of the route table.
func (h *Host) RemoveRouteRule(ctx context.Context, id int64) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return route.RemoveRule(ctx, tx, id) })
}

// AddNetworkRange lets a network serve a range of BINs, eight digits each.
func (h *Host) AddNetworkRange(ctx context.Context, network, low, high string) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return route.AddRange(ctx, tx, network, low, high) })
}

// SetMerchantGroup puts a merchant into a group of the route table; an empty one takes it out.
func (h *Host) SetMerchantGroup(ctx context.Context, mid, group string) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return route.SetGroup(ctx, tx, mid, group) })
}

// SetStandIn stores the stand-in policy of a BIN; one without Max switches stand-in off.
func (h *Host) SetStandIn(ctx context.Context, p route.Policy) error {
	return h.db.Update(ctx, func(tx db.Tx) error {
		if p.Max == 0 {
			return route.RemovePolicy(ctx, tx, p.BIN)
		}
		return route.SetPolicy(ctx, tx, p)
	})
}

// SwitchKind switches a type of transaction off or on for a merchant or a terminal: scope is
// [route.OfMerchant] (code 57) or [route.OfTerminal] (code 58).
func (h *Host) SwitchKind(ctx context.Context, scope, id, kind string, on bool) error {
	return h.db.Update(ctx, func(tx db.Tx) error { return route.SetSwitch(ctx, tx, scope, id, kind, on) })
}

// ExplainRoute says where a payment would go: prefix is the beginning of a card number. ok is
// false for one that no rule is for.
func (h *Host) ExplainRoute(ctx context.Context, mid, prefix, kind string, amount int64, at time.Time) (r Route, ok bool, err error) {
	err = h.db.View(ctx, func(tx db.Tx) error {
		if r.Way, ok, err = h.desk.Way(ctx, tx, mid, prefix, kind, amount, at); err != nil || !ok {
			return err
		}
		if r.State, err = route.StateOf(ctx, tx, r.Network); err != nil || r.Open {
			return err
		}
		_, r.StandIn, err = route.PolicyOf(ctx, tx, route.BIN(prefix)[:6])
		return err
	})
	return r, ok, err
}

// Echo asks each network once whether it is there, and stores the answer. A local issuer
// answers when it is not down and its own tables can be read.
func (h *Host) Echo(ctx context.Context) error {
	return h.db.Update(ctx, func(tx db.Tx) error {
		networks, err := route.States(ctx, tx)
		if err != nil {
			return err
		}
		_, broken := issuer.PolicyOf(ctx, tx, "")
		for id, state := range networks {
			if err := route.SaveEcho(ctx, tx, id, state != route.Down && broken == nil, h.cfg.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// watchLinks echoes and forwards, at once and then each interval, until ctx ends.
func (h *Host) watchLinks(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := h.Echo(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.Error("echo failed", "err", err)
		}
		if _, err := h.desk.Forward(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Log.Error("forwarding failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// startLinks begins [Host.watchLinks]; stop ends it and waits for it.
func (h *Host) startLinks(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.watchLinks(ctx, echoEvery)
	}()
	return func() { cancel(); <-done }
}
