package hostsim

import (
	"context"
	"testing"
	"time"

	"posd/host-sim/route"
)

// TestEcho (H01): each link has its own state and its own echo, which the host drives; taking
// one down leaves the other alone.
func TestEcho(t *testing.T) {
	r := boot(t)
	ctx := t.Context()
	if _, err := r.SetNetwork(ctx, "visa-mc", route.Down); err != nil {
		t.Fatal(err)
	}
	if err := r.Echo(ctx); err != nil {
		t.Fatal(err)
	}
	networks, err := r.Networks(ctx)
	if err != nil || len(networks) != 2 {
		t.Fatalf("networks = %+v, %v", networks, err)
	}
	up, down := networks[0], networks[1]
	if up.ID != "unionpay" || up.State != route.Up || !up.EchoOK || up.Echoes == 0 || up.Echo.UnixMilli() == 0 {
		t.Errorf("unionpay = %+v", up)
	}
	if down.State != route.Down || down.EchoOK || down.Failures == 0 || down.Since.UnixMilli() == 0 {
		t.Errorf("visa-mc = %+v", down)
	}
	if _, err := r.SetNetwork(ctx, "nobody", route.Down); err == nil {
		t.Error("a network that is none was taken down")
	}
}

// TestExplain (H03): the same answer as a payment gets, without one.
func TestExplain(t *testing.T) {
	r := boot(t)
	ctx := t.Context()
	at := time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC)
	id, err := r.AddRouteRule(ctx, route.Rule{Low: "41110000", High: "41119999", From: 22 * 60, Until: 6 * 60, Priority: 2, Network: "visa-mc", Fallback: "unionpay"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		prefix string
		at     time.Time
		rule   int64
	}{{"4111", at, id}, {"4111", at.Add(-2 * time.Hour), 4}, {"6277", at, 1}, {"9", at, 0}} {
		got, ok, err := r.ExplainRoute(ctx, "104403154110001", row.prefix, "sale", 100, row.at)
		if err != nil || ok != (row.rule != 0) || got.Rule != row.rule {
			t.Errorf("%s at %v: %+v, %v, %v; rule %d wanted", row.prefix, row.at, got, ok, err, row.rule)
		}
	}
}

// TestLinksAreWatched (H01): the echo comes at once and then each interval, and ends with
// the context.
func TestLinksAreWatched(t *testing.T) {
	r := boot(t)
	before, err := r.Networks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); r.watchLinks(ctx, time.Millisecond) }()
	for n := int64(0); n < 3; {
		after, err := r.Networks(ctx)
		if err != nil {
			t.Fatalf("%d echoes, %v", n, err)
		}
		n = after[0].Echoes - before[0].Echoes
	}
	cancel()
	<-done
}
