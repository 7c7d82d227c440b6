package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// background is a simulator that runs as a process of its own.
type background struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it prints; closed at its end
}

// patience is for a line of another process on a loaded machine.
const patience = 30 * time.Second

// startSim runs posctl sim in the background and waits until it is ready: sim ccid --link …
func startSim(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: sim KIND ARGS…")
	}
	cmd := exec.Command("posctl", append([]string{"sim"}, args...)...)
	cmd.Dir, cmd.Env = ts.Getenv("WORK"), append(os.Environ(), "LANG="+ts.Getenv("LANG"))
	in, err := cmd.StdinPipe()
	ts.Check(err)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	cmd.Stderr = cmd.Stdout
	ts.Check(cmd.Start())
	b := &background{cmd: cmd, in: in, lines: make(chan string, 1000)}
	go func() {
		defer close(b.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			b.lines <- scan.Text()
		}
	}()
	ts.Defer(func() {
		_ = cmd.Process.Kill() // ended already, if all went well
		_ = cmd.Wait()
	})
	sims(ts)[args[0]] = b
	b.expect(ts, " ready: ")
}

// sims are the simulators of a script, by kind.
func sims(ts *testscript.TestScript) map[string]*background {
	return ts.Value("sims").(map[string]*background)
}

func (b *background) expect(ts *testscript.TestScript, pattern string) {
	want, err := regexp.Compile(pattern)
	ts.Check(err)
	late := time.After(patience)
	for {
		select {
		case line, ok := <-b.lines:
			if !ok {
				ts.Fatalf("the simulator has ended without %q", pattern)
			}
			ts.Logf("sim: %s", line)
			if want.MatchString(line) {
				return
			}
		case <-late:
			ts.Fatalf("the simulator did not print %q", pattern)
		}
	}
}

func simOf(ts *testscript.TestScript, neg bool, args []string, n int) *background {
	if neg || len(args) < n || sims(ts)[args[0]] == nil {
		ts.Fatalf("usage: tell|expect|end KIND …, of a simulator that runs")
	}
	return sims(ts)[args[0]]
}

// tellSim writes a line to a simulator's standard input: tell ccid insert union-rich.
func tellSim(ts *testscript.TestScript, neg bool, args []string) {
	_, err := fmt.Fprintln(simOf(ts, neg, args, 2).in, strings.Join(args[1:], " "))
	ts.Check(err)
}

// expectSim waits for a line that the simulator has not printed before: expect ccid 'card removed'.
func expectSim(ts *testscript.TestScript, neg bool, args []string) {
	simOf(ts, neg, args, 2).expect(ts, args[1])
}

// endSim interrupts a simulator, which must end well.
func endSim(ts *testscript.TestScript, neg bool, args []string) {
	b := simOf(ts, neg, args, 1)
	ts.Check(b.cmd.Process.Signal(os.Interrupt))
	for range b.lines {
	}
	if err := b.cmd.Wait(); err != nil {
		ts.Fatalf("interrupted, it ends with %v", err)
	}
	delete(sims(ts), args[0])
}
