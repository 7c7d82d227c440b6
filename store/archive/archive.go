package archive

import (
	"bufio"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"posd/store"
	"posd/store/internal/disk"
)

// Defaults of a Config.
const (
	DefaultLimit   = 64 << 20 // bytes of all batch files: some 50,000 payments
	DefaultReserve = 8 << 20  // bytes: a batch of 5000 payments
	DefaultMonths  = 18
	maxFiles       = 10_000
	maxFound       = 500
)

// Config says where the archive is and what seals it. Dir, Key and Rand are required.
type Config struct {
	Dir     string // made where it is not there
	Key     store.DeviceKey
	Rand    io.Reader
	Limit   int64 // bytes of all batch files; 0 is DefaultLimit
	Reserve int64 // bytes that are reserved for the next batch; 0 is DefaultReserve
	Months  int   // how long a batch is kept; 0 is 18
}

func (c Config) withDefaults() (Config, error) {
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	if c.Reserve == 0 {
		c.Reserve = DefaultReserve
	}
	if c.Months == 0 {
		c.Months = DefaultMonths
	}
	switch {
	case c.Dir == "":
		return c, errors.New("config: Dir is missing")
	case c.Key == nil:
		return c, errors.New("config: Key is missing")
	case c.Rand == nil:
		return c, errors.New("config: Rand is missing")
	case c.Limit < c.Reserve || c.Reserve < 4096 || c.Months < 1:
		return c, fmt.Errorf("config: Limit %d, Reserve %d, Months %d: Limit at least Reserve, that at least 4096", c.Limit, c.Reserve, c.Months)
	}
	return c, nil
}

// Archive is an open archive. Its methods may be called by several goroutines.
type Archive struct {
	cfg  Config
	aead cipher.AEAD

	mu       sync.Mutex
	early    int   // batches removed before their time, since Open
	noSpace  error // why there is no reserve
	trimFail error // why the last trim failed
}

// File is a batch file.
type File struct {
	Name   string
	Batch  uint32
	Closed time.Time
	Bytes  int64
}

// Open opens an archive, makes its folder and its reserve where they are not there, and
// removes what a power cut left half written. That the reserve cannot be made is a
// finding, no error.
func Open(cfg Config) (*Archive, error) {
	a, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("archive: open %s: %w", cfg.Dir, err)
	}
	return a, nil
}

func open(cfg Config) (*Archive, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	key, err := cfg.Key.Derive(label)
	if err != nil {
		return nil, fmt.Errorf("device key: derive %q: %w", label, err)
	}
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	a := &Archive{cfg: cfg, aead: aead}
	a.noSpace = a.reserve()
	return a, nil
}

func (a *Archive) path(name string) string { return filepath.Join(a.cfg.Dir, name) }

const reserveName = "reserve"

// reserve makes the reserve anew. A batch that a power cut left half written was written
// in it, under the same name.
func (a *Archive) reserve() error {
	if info, err := os.Stat(a.path(reserveName)); err == nil && info.Size() == a.cfg.Reserve {
		return nil
	}
	dir, err := os.Open(a.cfg.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := disk.Remove(a.path(reserveName)); err != nil {
		return err
	}
	return disk.Make(dir, a.path(reserveName), func(f *os.File) error { return disk.Reserve(f, a.cfg.Reserve) })
}

// Name returns the name of a batch's file: its number and when it was closed.
func Name(batch uint32, closed time.Time) string {
	return fmt.Sprintf("batch-%06d-%s.arc", batch, closed.UTC().Format(nameTime))
}

const nameTime = "20060102T150405Z"

var namePattern = regexp.MustCompile(`^batch-(\d{6})-(\d{8}T\d{6}Z)\.arc$`)

// Write puts a batch on disk: its summary, and each entry that each calls add with. It
// returns when the disk has it under its name. The same batch and time again replaces
// the file. The oldest batches go where the archive grows beyond its limit.
func (a *Archive) Write(ctx context.Context, batch uint32, closed time.Time, summary []byte, each func(add func(Entry) error) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := Name(batch, closed)
	if err := a.write(ctx, name, summary, each); err != nil {
		return fmt.Errorf("archive: write %s: %w", name, err)
	}
	a.trimFail = a.trim(closed, name)
	a.noSpace = a.reserve()
	return nil
}

func (a *Archive) write(ctx context.Context, name string, summary []byte, each func(add func(Entry) error) error) error {
	dir, err := os.Open(a.cfg.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	temp := a.path(reserveName)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	size, err := a.fill(ctx, f, name, summary, each)
	if err == nil {
		err = f.Truncate(size)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return disk.Publish(dir, temp, a.path(name))
}

func (a *Archive) fill(ctx context.Context, f *os.File, name string, summary []byte, each func(add func(Entry) error) error) (int64, error) {
	w := &writer{w: bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 32<<10), aead: a.aead, rand: a.cfg.Rand, name: name, size: int64(len(magic))}
	if _, err := w.w.WriteString(magic); err != nil {
		return 0, err
	}
	if len(summary) == 0 {
		return 0, errors.New("the summary is missing")
	}
	if err := w.part(summary, false); err != nil {
		return 0, err
	}
	var buf []byte
	err := each(func(e Entry) error {
		buf = e.append(buf[:0])
		return errors.Join(w.part(buf, false), ctx.Err())
	})
	if err != nil {
		return 0, err
	}
	err = errors.Join(w.part(nil, true), w.w.Flush())
	return w.size, err
}

// Files lists the batch files, oldest first.
func (a *Archive) Files() ([]File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	files, err := a.files()
	if err != nil {
		return nil, fmt.Errorf("archive: list %s: %w", a.cfg.Dir, err)
	}
	return files, nil
}

func (a *Archive) files() (files []File, err error) {
	dir, err := os.Open(a.cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, name := range names {
		if f, ok := fileOf(name); ok {
			info, err := os.Stat(a.path(name))
			if err != nil {
				return nil, err
			}
			f.Bytes = info.Size()
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(x, y File) int {
		if c := x.Closed.Compare(y.Closed); c != 0 {
			return c
		}
		return int(x.Batch) - int(y.Batch)
	})
	return files, nil
}

func fileOf(name string) (File, bool) {
	m := namePattern.FindStringSubmatch(name)
	if m == nil {
		return File{}, false
	}
	batch, err := strconv.ParseUint(m[1], 10, 32)
	closed, timeErr := time.Parse(nameTime, m[2])
	return File{Name: name, Batch: uint32(batch), Closed: closed}, err == nil && timeErr == nil
}

// trim removes what is past its time, and the oldest where there is too much; never the
// file keep.
func (a *Archive) trim(now time.Time, keep string) error {
	files, err := a.files()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, f := range files {
		total += f.Bytes
	}
	oldest := now.AddDate(0, -a.cfg.Months, 0)
	for _, f := range files {
		past := f.Closed.Before(oldest)
		if f.Name == keep || (!past && total <= a.cfg.Limit) {
			continue
		}
		if err := os.Remove(a.path(f.Name)); err != nil {
			return err
		}
		total -= f.Bytes
		if !past {
			a.early++
		}
	}
	return nil
}
