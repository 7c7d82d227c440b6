package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"posd/store"
)

// Query says what is looked for. A zero field says nothing.
type Query struct {
	From, To time.Time // both included
	Minor    int64     // the amount
	LastFour string
	Batch    uint32
	STAN     uint32
	RRN      string
	Limit    int // 0 is 500, the most
}

func (q Query) fits(e Entry) bool {
	return (q.From.IsZero() || !e.Time.Before(q.From)) && (q.To.IsZero() || !e.Time.After(q.To)) &&
		(q.Minor == 0 || e.Minor == q.Minor) && (q.LastFour == "" || e.LastFour == q.LastFour) &&
		(q.Batch == 0 || e.Batch == q.Batch) && (q.STAN == 0 || e.STAN == q.STAN) &&
		(q.RRN == "" || strings.TrimSpace(e.RRN) == strings.TrimSpace(q.RRN))
}

// mayHold tells whether a file needs to be read: payments began before their batch was
// closed.
func (q Query) mayHold(f File) bool {
	return (q.From.IsZero() || !f.Closed.Before(q.From)) && (q.Batch == 0 || f.Batch == q.Batch)
}

// Search returns the payments that fit, newest first. A damaged file does not hide the
// others: what was found comes together with an error that names it.
func (a *Archive) Search(ctx context.Context, q Query) ([]Entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.Limit < 1 || q.Limit > maxFound {
		q.Limit = maxFound
	}
	found, err := a.search(ctx, q)
	if err != nil {
		return found, fmt.Errorf("archive: search: %w", err)
	}
	return found, nil
}

func (a *Archive) search(ctx context.Context, q Query) (found []Entry, err error) {
	files, err := a.files()
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, f := range slices.Backward(files) {
		if !q.mayHold(f) {
			continue
		}
		var here []Entry
		_, err := a.read(ctx, f.Name, func(e Entry) error {
			if q.fits(e) {
				e.Body = slices.Clone(e.Body)
				here = append(here, e)
			}
			return nil
		})
		if err != nil {
			faults = append(faults, err)
		}
		slices.Reverse(here)
		found = append(found, here[:min(len(here), q.Limit-len(found))]...)
		if len(found) == q.Limit || ctx.Err() != nil {
			break
		}
	}
	return found, errors.Join(append(faults, ctx.Err())...)
}

// Read calls fn for each payment of a batch file in their order, until it returns an
// error, and returns the summary. An entry's body is good until fn returns. What was
// read is all there is only if no error comes back.
func (a *Archive) Read(ctx context.Context, name string, fn func(Entry) error) (summary []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if summary, err = a.read(ctx, name, fn); err != nil {
		return summary, fmt.Errorf("archive: read: %w", err)
	}
	return summary, nil
}

func (a *Archive) read(ctx context.Context, name string, fn func(Entry) error) (summary []byte, err error) {
	if _, ok := fileOf(name); !ok {
		return nil, fmt.Errorf("%q is no batch file: %w", name, store.ErrNotFound)
	}
	f, err := os.Open(a.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &reader{r: bufio.NewReaderSize(f, 32<<10), aead: a.aead, name: name}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r.r, head); err != nil || string(head) != magic {
		return nil, r.broken("no batch file")
	}
	part, err := r.next()
	if err != nil {
		return nil, err
	}
	summary = slices.Clone(part)
	for {
		part, err := r.next()
		if errors.Is(err, io.EOF) {
			return summary, nil
		}
		if err != nil {
			return summary, err
		}
		e, err := parseEntry(part)
		if err == nil {
			err = fn(e)
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return summary, err
		}
	}
}

// Check reads every batch file and returns how many payments they hold, and what is
// damaged.
func (a *Archive) Check(ctx context.Context) (payments int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	files, err := a.files()
	if err != nil {
		return 0, fmt.Errorf("archive: check: %w", err)
	}
	var faults []error
	for _, f := range files {
		if _, err := a.read(ctx, f.Name, func(Entry) error { payments++; return nil }); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return payments, fmt.Errorf("archive: check: %w", err)
	}
	return payments, nil
}

// Findings of an archive.
const (
	FindingTrimmed = "archive-trimmed"
	FindingReserve = "archive-reserve"
)

// Findings tells what a technician must know: batches that had to go before their time,
// and a reserve that could not be made.
func (a *Archive) Findings() (found []store.Finding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.early > 0 {
		found = append(found, store.Finding{Code: FindingTrimmed, Detail: fmt.Sprintf(
			"%d batches of less than %d months were removed: the archive may have %d KiB", a.early, a.cfg.Months, a.cfg.Limit>>10)})
	}
	if a.trimFail != nil {
		found = append(found, store.Finding{Code: FindingTrimmed, Detail: fmt.Sprintf("old batches cannot be removed: %v", a.trimFail)})
	}
	if a.noSpace != nil {
		found = append(found, store.Finding{Code: FindingReserve, Detail: fmt.Sprintf(
			"no %d KiB could be reserved for the next batch: a full disk would keep it open: %v", a.cfg.Reserve>>10, a.noSpace)})
	}
	return found
}
