package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// host is the program as a process of its own.
type host struct {
	cmd     *exec.Cmd
	address string
}

// start runs the host on the shop's data; node is its number.
func (s *shop) start(ctx context.Context, program string, node int, more ...string) (*host, error) {
	args := append([]string{"run", "--dir", s.dir, "--log-level", "error", "--listen", "127.0.0.1:0", "--node", strconv.Itoa(node)}, more...)
	if s.url != "" {
		args = append(args, "--db", s.url)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (make build makes it)", err)
	}
	h := &host{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), "listening on "); ok {
			h.address, _, _ = strings.Cut(after, ",")
			go func() {
				for lines.Scan() { // what else it says is of no interest, but must not block it
				}
			}()
			return h, nil
		}
	}
	h.stop()
	return nil, errors.New("the host ended before it listened")
}

// stop kills the host: whatever it answered is on disk.
func (h *host) stop() {
	h.cmd.Process.Kill() //nolint:errcheck // it may have ended
	h.cmd.Wait()         //nolint:errcheck // killed
}

// resident is the host's resident memory in KiB.
func (h *host) resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n
}

// idle opens many connections that say one word each, and tells the host's memory; then
// kills the host, and tells how long it takes until all are back and were answered.
func (s *shop) idle(ctx context.Context, o options, h *host) (kib int64, took time.Duration, err error) {
	lines, err := s.dial(ctx, o.idle, h.address)
	if err == nil {
		err = s.echoAll(lines)
	}
	if err != nil {
		hangUp(lines)
		return 0, 0, err
	}
	kib = h.resident()
	h.stop()
	begin := time.Now()
	hangUp(lines)
	again, err := s.start(ctx, o.hostsim, 0)
	if err != nil {
		return 0, 0, err
	}
	*h = *again
	if lines, err = s.dial(ctx, o.idle, h.address); err != nil {
		return 0, 0, err
	}
	defer hangUp(lines)
	return kib, time.Since(begin), s.echoAll(lines)
}

// echoAll sends an echo on each line and wants it answered.
func (s *shop) echoAll(lines []*hosttest.Conn) error {
	for i, line := range lines {
		resp, err := s.terminals[i%len(s.terminals)].speak.Manage(line, iso8583.Echo)
		if err != nil || resp.Code != "00" {
			return fmt.Errorf("echo on line %d: %+v, %w", i, resp, err)
		}
	}
	return nil
}
