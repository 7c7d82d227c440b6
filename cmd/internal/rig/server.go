package rig

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
)

// serve starts the host's process, where there is to be one, at an address that stays.
func (r *Rig) serve(ctx context.Context) error {
	if r.cfg.Hostsim == "" {
		return nil
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("rig: host: %w", err)
	}
	r.address = free.Addr().String()
	if err := free.Close(); err != nil {
		return fmt.Errorf("rig: host: %w", err)
	}
	return r.BootHost(ctx)
}

// BootHost starts the host's process on its folder and returns when it listens.
func (r *Rig) BootHost(ctx context.Context) (err error) {
	args := []string{"run", "--dir", filepath.Join(r.cfg.Dir, "host"), "--listen", r.address}
	if r.Server, err = start(r.cfg.Hostsim, args, nil, r.cfg.HostLog); err != nil {
		return err
	}
	return r.Server.Await(ctx, "msg=listening")
}

// Rest returns when nothing is owed to the host any more: each time the agent says that
// something was reversed or sent, its journal is asked again.
func (r *Rig) Rest(ctx context.Context) error {
	for {
		said := r.Agent.Count("msg=")
		b, err := r.Audit(ctx)
		if err != nil {
			return err
		}
		left := 0
		for _, p := range b.Payments {
			if open(p.Journal) {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		if err := r.Agent.AwaitMore(ctx, "msg=", said); err != nil {
			return fmt.Errorf("%d payments owed: %w", left, err)
		}
	}
}
