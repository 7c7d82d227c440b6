package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"posd/ui/text"
)

// The exit statuses.
const (
	statusDone     = 0
	statusError    = 1
	statusUsage    = 2
	statusDeclined = 3
	statusNotDone  = 4 // cancelled, terminated, not accepted
)

const defaultSocket = "/run/posd/control.sock"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// tool is one run of posctl.
type tool struct {
	in       io.Reader
	out, err io.Writer
	lang     text.Lang
	socket   string // --socket
	output   string // --output: text or json
	status   int    // of a run without an error
}

// run does what the arguments ask and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	t := &tool{in: in, out: out, err: errOut, lang: language(args)}
	root := t.command()
	root.SetArgs(simFlags(emvFlags(args)))
	if err := root.ExecuteContext(ctx); err != nil {
		return t.explain(root, err)
	}
	return t.status
}

// word returns a phrase in the run's language.
func (t *tool) word(key text.Key, args ...string) string { return text.Word(t.lang, key, args...) }

// language is needed before the flags are parsed, because help and errors of the flags
// themselves are in it. A --lang that cannot be read is found again by the flag.
func language(args []string) text.Lang {
	for i, arg := range args {
		value, ok := strings.CutPrefix(arg, "--lang=")
		if arg == "--lang" && i+1 < len(args) {
			value, ok = args[i+1], true
		}
		if l, err := text.ParseLang(value); ok && err == nil {
			return l
		}
	}
	l, err := text.ParseLang(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")))
	if err != nil {
		return text.English // C, POSIX and others
	}
	return l
}
