package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store"
	"posd/store/archive"
	"posd/store/wal"
)

const childDir = "POSD_JOURNAL_CHILD"

// TestMain is the child of the test below: this test binary again, under strace.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		runtime.LockOSThread() // strace counts the calls of each thread
		os.Exit(teller(dir))
	}
	os.Exit(m.Run())
}

// openAll opens a journal and what it is made of, of the smallest sizes.
func openAll(dir string) (*Journal, func() error, error) {
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "journal.db"), Key: key, Rand: rand.Reader, MaxSize: store.MinMaxSize})
	if err != nil {
		return nil, nil, err
	}
	log, err := wal.Open(wal.Config{Path: filepath.Join(dir, "journal.log"), Key: key, Rand: rand.Reader, Frames: 128})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	done := func() error { return errors.Join(log.Close(), db.Close()) }
	arc, err := archive.Open(archive.Config{Dir: filepath.Join(dir, "archive"), Key: key, Rand: rand.Reader, Reserve: 16 << 10})
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	j, err := Open(context.Background(), Config{DB: db, Limit: 40, Log: log, Archive: arc})
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return j, done, nil
}

// teller runs a sale, a refund, a reversal and a settlement, and tells what the journal
// says after each step: what it acknowledged, or, after an error, what a read says. A
// step of which nothing is known ends it, as it would end a terminal's day.
func teller(dir string) int {
	j, done, err := openAll(dir)
	if err != nil {
		fmt.Println("closed:", err)
		return 0
	}
	for _, path := range [][]payment.State{
		{payment.Requested, payment.Answered, payment.Completed},
		{payment.Requested, payment.Stored, payment.Completed},
		{payment.Requested, payment.ReversalOwed, payment.Reversed},
	} {
		if !tellPayment(j, path) {
			return 0
		}
	}
	tellSettlement(j)
	_ = done()
	return 0
}

func tellPayment(j *Journal, path []payment.State) bool {
	id, err := j.Next(ctx)
	if err != nil {
		return false
	}
	rec := request(id)
	for i, to := range path {
		rec.State = to
		fmt.Printf("try %d %d\n", id.STAN, to)
		if i == 0 {
			err = j.Begin(ctx, rec)
		} else {
			err = j.Update(ctx, rec)
		}
		state := to
		if err != nil {
			got, err := j.Get(ctx, id)
			switch {
			case errors.Is(err, payment.ErrNoRecord):
				state = 0
			case err != nil:
				return false
			default:
				state = got.State
			}
		}
		fmt.Printf("is %d %d\n", id.STAN, state)
		if state != to {
			return false
		}
	}
	return true
}

func tellSettlement(j *Journal) {
	stan, err := j.Number(ctx)
	if err != nil {
		return
	}
	s := &batch.Settlement{Batch: 1, STAN: stan, Began: request(payment.ID{}).Time, Operator: "01"}
	for s.Phase < batch.Ended {
		s.Phase++
		if j.Save(ctx, s) != nil {
			return
		}
	}
	fmt.Println("try closed")
	if j.Close(ctx, s) == nil {
		fmt.Println("is closed")
	}
}

// told is what a teller said: the states that a payment may be in.
type told struct {
	states map[uint32][]payment.State
	tried  bool // to close
	closed bool
}

func listen(t *testing.T, out []byte) told {
	t.Helper()
	heard := told{states: map[uint32][]payment.State{}}
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		var stan, state uint32
		switch line := sc.Text(); {
		case line == "try closed":
			heard.tried = true
		case line == "is closed":
			heard.closed = true
		case strings.HasPrefix(line, "try "):
			fmt.Sscanf(line, "try %d %d", &stan, &state)
			heard.states[stan] = append(heard.states[stan], payment.State(state))
		case strings.HasPrefix(line, "is "):
			fmt.Sscanf(line, "is %d %d", &stan, &state)
			heard.states[stan] = []payment.State{payment.State(state)}
		}
	}
	return heard
}

// Every write, flush, truncate and rename of a sale, a refund, a reversal and a
// settlement fails in turn (EIO, and a full disk), by strace: what was told is what a
// restart finds, nothing is lost and nothing is there twice.
func TestEachSystemCallFailsInTurn(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	stride := 1
	if testing.Short() || raced {
		stride = 9
	}
	for _, call := range []string{"pwrite64", "fdatasync", "fsync", "ftruncate", "renameat", "fallocate"} {
		for _, code := range []string{"EIO", "ENOSPC"} {
			if code == "ENOSPC" && (call == "renameat" || stride > 1) {
				continue
			}
			runs := 0
			for when := 1; runFailing(t, strace, call, code, when); when += stride {
				if runs++; runs > 400 {
					t.Fatalf("%s: no end", call)
				}
			}
			t.Logf("%s, %s: failed at %d places", call, code, runs)
		}
	}
}

// runFailing has one call fail, and judges. It tells whether there was such a call.
func runFailing(t *testing.T, strace, call, code string, when int) bool {
	t.Helper()
	dir := t.TempDir()
	if _, done, err := openAll(dir); err != nil {
		t.Fatal(err)
	} else if err := done(); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(dir, "trace")
	inject := fmt.Sprintf("inject=%s:error=%s:when=%d", call, code, when)
	cmd := exec.Command(strace, "-f", "-qq", "-o", trace, "-e", "trace="+call, "-e", inject, os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("strace cannot run here: %v", err)
	}
	seen, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	judgeRun(t, fmt.Sprintf("%s %s %d", call, code, when), dir, listen(t, out))
	return bytes.Contains(seen, []byte("(INJECTED)"))
}

func judgeRun(t *testing.T, name, dir string, heard told) {
	t.Helper()
	j, done, err := openAll(dir)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer done()
	if err := j.db.Check(ctx); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	gone := map[uint32]payment.State{}
	found, err := j.archive.Search(ctx, archive.Query{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, e := range found {
		gone[e.STAN] = payment.State(e.Body[1])
	}
	number, _ := j.Batch(ctx)
	if number == 2 != (j.settling == nil && j.last != nil) || heard.closed && number != 2 || !heard.tried && number == 2 {
		t.Errorf("%s: batch %d, told closed: %v", name, number, heard.closed)
	}
	for stan, may := range heard.states {
		state := payment.State(0)
		if rec, err := j.Get(ctx, payment.ID{Batch: 1, STAN: stan}); err == nil {
			state = rec.State
		}
		if number == 2 {
			state = gone[stan]
		}
		if !contains(may, state) {
			t.Errorf("%s: payment %d is %v, told %v", name, stan, state, may)
		}
	}
}

func contains(may []payment.State, state payment.State) bool {
	for _, s := range may {
		if s == state {
			return true
		}
	}
	return len(may) == 1 && state == 0 && may[0] == payment.Requested // tried, and nothing was told
}
