package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"posd/store/secret"
)

const usage = `posd is the agent on a payment terminal.

  posd -config FILE           run until SIGTERM
  posd -config FILE -check    check the configuration: one line for each thing that is
                              wrong, with file and line; exit status 1 if there is any
  posd -version               the version

The agent logs to standard error and answers posctl on its control socket.

Flags:
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its world passed in. It returns the exit status: 0, 1 for an error,
// 2 for wrong use.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("posd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", env("POSD_CONFIG", "/etc/posd/posd.yaml"), "configuration `file` (or $POSD_CONFIG)")
	check := flags.Bool("check", false, "check the configuration and stop")
	checkStore := flags.Bool("check-store", false, "check the store that standard input names: posd's own child does")
	showVersion := flags.Bool("version", false, "print the version and stop")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "posd: unexpected argument %q; try posd -help\n", flags.Arg(0))
		return 2
	}
	if *showVersion {
		fmt.Fprintln(stdout, "posd", version())
		return 0
	}
	if *checkStore {
		return serveCheck(os.Stdin, stdout, stderr)
	}
	cfg, err := readConfig(*path)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	if *check {
		fmt.Fprintf(stdout, "%s: good\n", *path)
		return 0
	}
	return serve(cfg, stderr)
}

// serve runs the agent until a signal. This is where the clock and the random source
// come from.
func serve(cfg *Config, stderr io.Writer) int {
	unprotected := secret.Protect(secret.Options{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := newLog(cfg, stderr)
	for _, f := range unprotected {
		log.Warn("secrets in memory", "what", f.What, "why", f.Why)
	}
	if err := beForgetful(); err != nil {
		log.Warn("freed memory is not overwritten", "error", err)
	}
	w := world{now: time.Now, rand: rand.Reader, log: log}
	for err := errAgain; errors.Is(err, errAgain); { // a new terminal, and then the one that it has become
		if err = live(ctx, cfg, w); err != nil && !errors.Is(err, errAgain) {
			log.Error("stopped", "error", err)
			return 1
		}
	}
	log.Info("stopped")
	return 0
}

// live is one life of the agent.
func live(ctx context.Context, cfg *Config, w world) error {
	a, err := newAgent(ctx, cfg, w)
	if err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	return a.Run(ctx)
}

// noCoreDump keeps keys and card numbers out of core files.
func noCoreDump() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}

func newLog(cfg *Config, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.logLevel()}
	if cfg.Log.Format.or("text") == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func env(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// shortVersion is the program's version as field 59 has it: 8 characters at most.
func shortVersion() string {
	v := strings.Trim(version(), "()v")
	return v[:min(8, len(v))]
}

// version is the module's version, or the commit that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return strings.TrimPrefix(info.Main.Version, "(devel)") + " " + s.Value[:12]
		}
	}
	return info.Main.Version
}
