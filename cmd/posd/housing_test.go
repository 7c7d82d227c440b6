package main_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posd/store"
	"posd/store/keys"
	"posd/store/tamper"
	"posd/transport/control"
)

// trip sets the latch in the store of an agent that is not running, as its switch would.
func (d *desk) trip(t *testing.T) {
	t.Helper()
	key, err := store.FileDeviceKey(filepath.Join(d.dir, "agent", "device.key"), rand.Reader)
	must(t, err)
	db, err := store.Open(store.Config{Path: d.StorePath(), Key: key, Rand: rand.Reader})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	k, err := keys.Open(keys.Config{DB: db, Now: time.Now})
	must(t, err)
	latch, err := tamper.Open(tamper.Config{DB: db, Now: time.Now, Rand: rand.Reader, Erase: k.Erase})
	must(t, err)
	must(t, latch.Trip("test"))
}

// A terminal whose housing was opened has no keys, says nothing to the host and takes no
// payment, over restarts, until two technicians unlock it and the key is loaded anew.
func TestOpenedHousing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := newDesk(t, ctx, 30*time.Second)
	must(t, d.Boot(ctx))
	a, b := control.Technician{Name: "li", Password: "a long password"}, control.Technician{Name: "wang", Password: "another one, long"}
	must(t, d.Client().Enrol(ctx, a, b))
	must(t, d.Agent.Stop(ctx))
	d.trip(t)
	hostSaw := len(d.log.String())

	must(t, d.Launch())
	must(t, d.Agent.Await(ctx, "recovered"))
	if _, err := d.Pay(ctx, "union-rich", "1.00"); !errors.Is(err, control.ErrLocked) {
		t.Fatalf("a sale: %v, want locked", err)
	}
	if err := d.LoadKey(ctx); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("a key was loaded into a locked terminal: %v", err)
	}
	s, err := d.Client().Snapshot(ctx)
	must(t, err)
	if !s.Housing.Locked || s.Ready || len(s.Findings) == 0 || s.Findings[0].Code != control.Tampered {
		t.Errorf("housing %+v, ready %v, findings %+v", s.Housing, s.Ready, s.Findings)
	}
	for _, k := range s.Keys {
		if k.KCV != "" {
			t.Errorf("key %s is still there", k.Name)
		}
	}
	if err := d.Client().Unlock(ctx, a, control.Technician{Name: "wang", Password: "wrong password"}); err == nil {
		t.Error("a wrong password unlocked it")
	}
	if got := d.log.String()[hostSaw:]; strings.Contains(got, "msg=connected") {
		t.Errorf("the host heard of a locked terminal:\n%s", got)
	}

	must(t, d.Client().Unlock(ctx, a, b))
	must(t, d.LoadKey(ctx))
	must(t, d.Agent.Await(ctx, "signed on"))
	res, err := d.Pay(ctx, "union-rich", "1.00")
	if err != nil || res.Outcome != "approved" {
		t.Errorf("after the unlocking: %v %s", err, res.Outcome)
	}
	if log := d.agent.String(); strings.Contains(log, a.Password) || strings.Contains(log, b.Password) {
		t.Error("a password is in the log")
	}
}
