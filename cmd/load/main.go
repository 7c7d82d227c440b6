package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"posd/host-sim/db/postgres"
)

// options are the flags.
type options struct {
	hostsim   string
	terminals int
	idle      int
	rate      int
	lasting   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.hostsim, "hostsim", filepath.Join("bin", "hostsim"), "the host's `program`")
	flag.IntVar(&o.terminals, "terminals", 1000, "terminals that work at one time")
	flag.IntVar(&o.idle, "idle", 10000, "idle connections, four of each terminal; 0 leaves them out")
	flag.IntVar(&o.rate, "rate", 1000, "sales a second of the steady run")
	flag.DurationVar(&o.lasting, "for", 10*time.Second, "how long each row runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "posd-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(out, "%s %s/%s, %d cores, %d terminals, %v a row; clients on the same machine\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.terminals, o.lasting)
	table := func(what string, f figures, bar string) { fmt.Fprintf(out, "%-46s %s  %s\n", what, f, bar) }
	shop, err := openShop(ctx, filepath.Join(dir, "sqlite"), "", max(o.terminals, (o.idle+3)/4))
	if err != nil {
		return err
	}
	raw, err := bare(ctx, o, shop)
	if err != nil {
		return err
	}
	table("raw TLS 1.3, frames of the same sizes", raw, "")
	echo, err := echoed(ctx, o, shop)
	if err != nil {
		return err
	}
	table("our listener, a desk that echoes", echo, fmt.Sprintf("%.2f of raw, bar 0.80", echo.perSecond/raw.perSecond))
	if err := onSQLite(ctx, o, shop, out, table); err != nil {
		return err
	}
	return onPostgreSQL(ctx, o, dir, table)
}

// onSQLite measures one host with its embedded database: as fast as it goes, at a steady
// rate, and with idle connections.
func onSQLite(ctx context.Context, o options, s *shop, out io.Writer, table func(string, figures, string)) error {
	h, err := s.start(ctx, o.hostsim, 0)
	if err != nil {
		return err
	}
	defer h.stop()
	fmt.Fprintf(out, "%-46s %d KiB  bar 65536\n", "idle host, resident memory", h.resident())
	full, err := s.sales(ctx, o, 0, h.address)
	if err != nil {
		return err
	}
	table("full durable sales, SQLite", full, "bar 5000 a second")
	steady, err := s.sales(ctx, o, o.rate, h.address)
	if err != nil {
		return err
	}
	table(fmt.Sprintf("the same at %d a second", o.rate), steady, "bar: p99 under 20ms")
	if err := s.check(ctx, full.count+steady.count); err != nil {
		return err
	}
	if o.idle == 0 {
		return nil
	}
	kib, took, err := s.idle(ctx, o, h)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%-46s %d KiB  bar %d\n", fmt.Sprintf("host with %d idle connections", o.idle), kib, 512<<10)
	fmt.Fprintf(out, "%-46s %v  bar 30s\n", "kill -9, restart, all of them back and echoed", took.Round(time.Millisecond))
	return nil
}

// onPostgreSQL measures one host, and two hosts, on one PostgreSQL.
func onPostgreSQL(ctx context.Context, o options, dir string, table func(string, figures, string)) error {
	server, err := postgres.StartTemporary(ctx, "shared_buffers=256MB", "max_connections=100")
	if err != nil {
		return err
	}
	defer server.Stop() //nolint:errcheck // the folder goes with it
	s, err := openShop(ctx, filepath.Join(dir, "postgres"), server.URL(""), o.terminals)
	if err != nil {
		return err
	}
	var addresses []string
	var sold int64
	for n := range 2 {
		h, err := s.start(ctx, o.hostsim, n)
		if err != nil {
			return err
		}
		defer h.stop()
		addresses = append(addresses, h.address)
		f, err := s.sales(ctx, o, 0, addresses...)
		if err != nil {
			return err
		}
		sold += f.count
		table(fmt.Sprintf("full durable sales, PostgreSQL, hosts: %d", n+1), f, "bar 5000 a second")
	}
	return s.check(ctx, sold)
}
