package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// DefaultCheckLimit is how long a check in a child process may take.
const DefaultCheckLimit = 5 * time.Second

const (
	maxJob    = 16 << 10
	maxAnswer = 64 << 10
)

// CheckJob tells a child process what to check. The device key is told by where it is:
// a key goes over no command line and no pipe.
type CheckJob struct {
	Path      string `json:"path"`
	DeviceKey string `json:"device_key"`
}

// Child runs checks of a store in a process of its own, because a damaged file or a disk
// that does not answer may hang or kill whoever reads it.
type Child struct {
	Exe   string   // this program: os.Executable
	Args  []string // that make it call ServeCheck
	Env   []string // nil for this process's own
	Limit time.Duration
}

// Check has a child check a store and returns its report: Hung where it did not end
// within the limit (0 is 5 s), Damaged where it died, Unknown where it cannot be run. It
// returns in time even where the kernel cannot kill the child.
func (c Child) Check(ctx context.Context, job CheckJob) Report {
	if c.Limit == 0 {
		c.Limit = DefaultCheckLimit
	}
	ctx, stop := context.WithTimeout(ctx, c.Limit)
	defer stop()
	input, err := json.Marshal(job)
	if err != nil {
		return Report{Verdict: Unknown, Detail: err.Error()}
	}
	begin := time.Now()
	done := make(chan Report, 1)
	go func() { done <- c.run(ctx, input) }() // ends with the child
	var r Report
	select {
	case r = <-done:
	case <-ctx.Done():
		select { // a child that can be killed is waited for
		case r = <-done:
		case <-time.After(500 * time.Millisecond):
			r = Report{Verdict: Hung, Detail: "the check was not over in time, and its process cannot be killed: the disk does not answer"}
		}
	}
	r.Took = time.Since(begin)
	return r
}

func (c Child) run(ctx context.Context, input []byte) Report {
	cmd := exec.CommandContext(ctx, c.Exe, c.Args...)
	var out, said limited
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Env, bytes.NewReader(input), &out, &said
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	var r Report
	var exit *exec.ExitError
	switch parseErr := json.Unmarshal(out.b.Bytes(), &r); {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Report{Verdict: Hung, Detail: "the check was not over in time"}
	case ctx.Err() != nil:
		return Report{Verdict: Unknown, Detail: ctx.Err().Error()}
	case err != nil && !errors.As(err, &exit):
		return Report{Verdict: Unknown, Detail: fmt.Sprintf("run %s: %v", c.Exe, err)}
	case err != nil && exit.ExitCode() == 1:
		return Report{Verdict: Unknown, Detail: fmt.Sprintf("the check ended with %v: %s", err, firstLine(said.b.Bytes()))}
	case err != nil: // by a signal, or by Go's runtime, which ends with 2
		return Report{Verdict: Damaged, Detail: fmt.Sprintf("the check died: %v", err)}
	case parseErr != nil || r.Verdict == "":
		return Report{Verdict: Unknown, Detail: "the check gave no report"}
	}
	return r
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(line[:min(len(line), 200)])
}

// limited keeps the first bytes that a child writes.
type limited struct{ b bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.b.Write(p[:min(len(p), maxAnswer-l.b.Len())])
	return len(p), nil
}

// ServeCheck is the child's part: it reads one CheckJob from in, checks, and writes the
// Report to out. key opens the device key, which must exist: FileDeviceKey makes one
// where there is none, [ReadDeviceKey] does not.
func ServeCheck(ctx context.Context, in io.Reader, out io.Writer, key func(path string) (DeviceKey, error)) error {
	var job CheckJob
	if err := json.NewDecoder(io.LimitReader(in, maxJob)).Decode(&job); err != nil {
		return fmt.Errorf("store: check: read the job: %w", err)
	}
	k, err := key(job.DeviceKey)
	if err != nil {
		return fmt.Errorf("store: check: %w", err)
	}
	if err := json.NewEncoder(out).Encode(CheckFile(ctx, job.Path, k)); err != nil {
		return fmt.Errorf("store: check: write the report: %w", err)
	}
	return nil
}

// Opening says how a store came to be open.
type Opening struct {
	Report Report // of the file that was found
	Aside  string // where a file that cannot be used was moved to, whole; empty for none
	Made   bool   // a new file was made: everything that the old one held is not in it
	Repair bool   // records are damaged, and whoever owns them can mend them
}

// OpenChecked opens a store whose file was checked before. A file that is damaged,
// foreign or hangs its reader is set aside, whole, and a new one is made: the terminal
// goes on, online-only until what it owed is brought back. A file that is busy or from
// a newer version is an error. Where no check could be made the file is opened all the
// same, by the reader that trusts nothing. A file in which nothing is damaged but records
// of the buckets in mendable is opened too, and Opening.Repair says so.
func OpenChecked(ctx context.Context, cfg Config, report Report, now time.Time, mendable ...string) (*DB, Opening, error) {
	o := Opening{Report: report, Made: report.Verdict == Missing}
	switch report.Verdict {
	case Busy:
		return nil, o, fmt.Errorf("store: open %s: %s: %w", cfg.Path, report.Detail, ErrLocked)
	case Newer:
		return nil, o, fmt.Errorf("store: open %s: %s: %w", cfg.Path, report.Detail, ErrNewer)
	case Damaged, Foreign, Hung:
		if o.Repair = report.Repairable(mendable); !o.Repair {
			return o.anew(cfg, now)
		}
	}
	db, err := Open(cfg)
	if v := verdictOf(err); v == Damaged || v == Foreign {
		o.Report, o.Repair = Report{Verdict: v, Detail: err.Error()}, false
		return o.anew(cfg, now)
	}
	return db, o, errors.Join(err, ctx.Err())
}

func (o Opening) anew(cfg Config, now time.Time) (*DB, Opening, error) {
	var err error
	if o.Aside, err = SetAside(cfg.Path, now); err != nil {
		return nil, o, err
	}
	o.Made = true
	db, err := Open(cfg)
	return db, o, err
}
