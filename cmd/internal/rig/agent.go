package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Agent is one run of posd. Its log is read line by line: what it says is how the rig
// knows where it is, without asking again and again.
type Agent struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its log is read
	err  error         // of the process; read after done

	mu    sync.Mutex
	lines []string
	times []time.Time   // when each line came
	more  chan struct{} // closed and replaced at each line
}

// maxLogLines bounds what is kept of a log.
const maxLogLines = 10000

// start runs the program with its log on a pipe; a copy goes to tee.
func start(program string, args, env []string, tee io.Writer) (*Agent, error) {
	a := &Agent{cmd: exec.Command(program, args...), done: make(chan struct{}), more: make(chan struct{})}
	a.cmd.Env = append(os.Environ(), env...)
	log, err := a.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("rig: %s: %w", program, err)
	}
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("rig: start %s: %w", program, err)
	}
	go a.read(log, tee)
	return a, nil
}

func (a *Agent) read(log io.Reader, tee io.Writer) {
	defer close(a.done)
	scan := bufio.NewScanner(log)
	for scan.Scan() {
		fmt.Fprintln(tee, scan.Text())
		a.mu.Lock()
		if len(a.lines) < maxLogLines {
			a.lines = append(a.lines, scan.Text())
			a.times = append(a.times, time.Now())
		}
		close(a.more)
		a.more = make(chan struct{})
		a.mu.Unlock()
	}
	a.err = a.cmd.Wait()
}

// Log returns what the agent has logged so far.
func (a *Agent) Log() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.lines, "\n")
}

// Await returns when a line of the log has text, or with an error when the process
// ends or ctx does.
func (a *Agent) Await(ctx context.Context, text string) error {
	for seen := 0; ; {
		a.mu.Lock()
		more := a.more
		for ; seen < len(a.lines); seen++ {
			if strings.Contains(a.lines[seen], text) {
				a.mu.Unlock()
				return nil
			}
		}
		a.mu.Unlock()
		select {
		case <-more:
		case <-a.done:
			return fmt.Errorf("rig: posd ended (%v) before it said %q; its log:\n%s", a.err, text, a.Log())
		case <-ctx.Done():
			return fmt.Errorf("rig: posd did not say %q: %w; its log:\n%s", text, ctx.Err(), a.Log())
		}
	}
}

// Count tells how many lines of the log have text.
func (a *Agent) Count(text string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, line := range a.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// AwaitMore returns when more than n lines of the log have text, or with an error when the
// process ends or ctx does.
func (a *Agent) AwaitMore(ctx context.Context, text string, n int) error {
	for {
		a.mu.Lock()
		more := a.more
		a.mu.Unlock()
		if a.Count(text) > n {
			return nil
		}
		select {
		case <-more:
		case <-a.done:
			return fmt.Errorf("rig: posd ended (%v) before it said %q again", a.err, text)
		case <-ctx.Done():
			return fmt.Errorf("rig: posd did not say %q again: %w", text, ctx.Err())
		}
	}
}

// Since tells how long after began the first line with text came; 0 if it did not.
func (a *Agent) Since(text string, began time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, line := range a.lines {
		if strings.Contains(line, text) {
			return a.times[i].Sub(began)
		}
	}
	return 0
}

// Kill ends the process as a power cut does, and waits until it is gone.
func (a *Agent) Kill() {
	_ = a.cmd.Process.Signal(syscall.SIGKILL) // it may be gone already
	<-a.done
}

// Gone waits until the process has ended by itself, and tells whether SIGKILL did it.
func (a *Agent) Gone(ctx context.Context) (killed bool, err error) {
	select {
	case <-a.done:
	case <-ctx.Done():
		return false, fmt.Errorf("rig: posd did not end: %w", ctx.Err())
	}
	var exit *exec.ExitError
	if errors.As(a.err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		return ok && status.Signal() == syscall.SIGKILL, nil
	}
	return false, nil
}

// Stop asks the process to end (SIGTERM) and waits.
func (a *Agent) Stop(ctx context.Context) error {
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		a.Kill()
		return fmt.Errorf("rig: posd did not stop: %w", ctx.Err())
	}
}

// PID is the process number.
func (a *Agent) PID() int { return a.cmd.Process.Pid }
