package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"posd/cmd/internal/rig"
)

const usage = `demo runs the whole system on simulated hardware: four payments with their receipts,
two of them with a disaster in the middle, and then the books of terminal, host and
issuer. Exit status 1 if they differ anywhere.

Flags:
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	stay := flags.Bool("stay", false, "leave everything running afterwards, until interrupted")
	dir := flags.String("dir", "", "`folder` for databases, keys and logs; default: a temporary one, removed at the end")
	posd := flags.String("posd", "", "the agent's `program`; default: posd beside this one")
	lang := flags.String("lang", "zh-CN", "language of the receipts: zh-CN or en")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := &demo{out: stdout, cfg: rig.Config{Dir: *dir, Posd: *posd, Lang: *lang}, stay: *stay}
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}

// demo is one run.
type demo struct {
	out  io.Writer
	cfg  rig.Config
	stay bool
	rig  *rig.Rig
}

// limit is how long the scenes may take, all together.
const limit = 60 * time.Second

func (d *demo) run(ctx context.Context) (err error) {
	began := time.Now()
	clean, err := d.prepare()
	if err != nil {
		return err
	}
	defer clean()
	play, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if d.rig, err = rig.Start(play, d.cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.rig.Close()) }()
	d.say("Host %v (TLS 1.3, client certificates), card reader, PIN pad and printer behind pseudo-terminals.", d.rig.Host.Addr())
	if err := d.rig.Boot(play); err != nil {
		return err
	}
	d.say("posd is process %d; it loaded its master key, signed on, and takes payments.", d.rig.Agent.PID())
	for i, s := range scenes {
		d.title("%d. %s", i+1, s.title)
		if err := s.play(d, play); err != nil {
			return fmt.Errorf("scene %d, %s: %w", i+1, s.title, err)
		}
	}
	if err := d.compare(play); err != nil {
		return err
	}
	if err := d.settle(play); err != nil {
		return err
	}
	d.say("Done in %.1f s.", time.Since(began).Seconds())
	if d.stay {
		return d.leave(ctx)
	}
	return nil
}

// prepare finds the agent's program and makes the folder.
func (d *demo) prepare() (clean func(), err error) {
	if d.cfg.Posd == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		d.cfg.Posd = filepath.Join(filepath.Dir(self), "posd")
	}
	if _, err := os.Stat(d.cfg.Posd); err != nil {
		return nil, fmt.Errorf("the agent's program: %w (make build makes it)", err)
	}
	if d.cfg.Dir != "" {
		log, err := d.openLogs()
		return log, err
	}
	if d.cfg.Dir, err = os.MkdirTemp("", "posd-demo-"); err != nil {
		return nil, err
	}
	logs, err := d.openLogs()
	if err != nil {
		return nil, err
	}
	return func() { logs(); os.RemoveAll(d.cfg.Dir) }, nil
}

// openLogs puts the logs of agent and host into files.
func (d *demo) openLogs() (func(), error) {
	if err := os.MkdirAll(d.cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	agent, err := os.Create(filepath.Join(d.cfg.Dir, "agent.log"))
	if err != nil {
		return nil, err
	}
	host, err := os.Create(filepath.Join(d.cfg.Dir, "host.log"))
	if err != nil {
		agent.Close()
		return nil, err
	}
	d.cfg.AgentLog, d.cfg.HostLog = agent, host
	return func() { agent.Close(); host.Close() }, nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) title(format string, args ...any) {
	fmt.Fprintf(d.out, "\n── "+format+" ──\n", args...)
}

// leave keeps everything running and says what to try.
func (d *demo) leave(ctx context.Context) error {
	d.rig.PutBack(time.Second)
	d.rig.Insert("union-rich")
	d.say(`
Everything is left running; interrupt (Ctrl-C) ends it. A card with money is in the
reader, and the virtual cardholder types its PIN and puts it back after each payment.
In another terminal:

  export POSD_SOCKET=%s
  %[2]s/posctl status
  %[2]s/posctl pay 12.00
  %[2]s/posctl journal
  %[2]s/posctl void BATCH/VOUCHER --supervisor 00
  %[2]s/posctl settle
  %[2]s/posctl diag

Logs: %[3]s/agent.log, %[3]s/host.log; configuration: %[4]s`,
		d.rig.Socket(), filepath.Dir(d.cfg.Posd), d.cfg.Dir, d.rig.ConfigPath())
	<-ctx.Done()
	return nil
}
