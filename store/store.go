package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"posd/store/internal/disk"
)

// Errors on which a caller acts. Everything else is the disk's own error, wrapped.
var (
	// ErrUnknown says that a commit failed: the change may be on disk or not. The next
	// View has the disk confirm what it holds; ask it.
	ErrUnknown = errors.New("commit failed: stored or not is unknown")
	// ErrDamaged says that what is on disk is not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrForeign says that the file is no store of this program, or of another device.
	ErrForeign = errors.New("not a store of this device")
	// ErrNewer says that a newer version of the program made the file.
	ErrNewer = errors.New("made by a newer version")
	// ErrLocked says that another process has the file.
	ErrLocked = disk.ErrLocked
	// ErrFull says that the file has no room left.
	ErrFull = errors.New("store is full")
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("no such record")
	// ErrNoSecret says that the record has no secret, or has it no longer.
	ErrNoSecret = errors.New("record has no secret")
	// ErrClosed says that the store, or the transaction, is over.
	ErrClosed = errors.New("closed")
)

// Sizes of the file, in bytes.
const (
	DefaultMaxSize     = 32 << 20
	MinMaxSize         = 256 << 10
	LargestMaxSize     = 1 << 30 // mapped as a whole, on 32-bit machines too
	pageSize           = 4096    // always: a 64 KiB page costs 15 times the writes
	defaultLockTimeout = disk.LockTime
)

// Point names a moment of a commit at which a test, or a drill, lets it fail.
type Point string

const (
	BeforeCommit Point = "before-commit" // nothing is written yet
	AfterCommit  Point = "after-commit"  // the disk has it, the caller does not know
)

// Config says where the store is and what seals it. Path, Key and Rand are required.
type Config struct {
	Path string
	Key  DeviceKey
	Rand io.Reader // nonces and data keys; a failing source stops the write
	// MaxSize is the size of the file in bytes, a multiple of 128 KiB. It counts when
	// the file is made: a file keeps its size. 0 is DefaultMaxSize.
	MaxSize int64
	// LockTimeout bounds the wait for another process to let go of the file. 0 is 5 s.
	LockTimeout time.Duration
	// Fail, where set, is called at each Point of each commit, with the number of
	// commits so far; an error it returns becomes the commit's.
	Fail func(p Point, commits uint64) error
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Path == "":
		return c, errors.New("store: open: Path is missing")
	case c.Key == nil:
		return c, fmt.Errorf("store: open %s: Key is missing", c.Path)
	case c.Rand == nil:
		return c, fmt.Errorf("store: open %s: Rand is missing", c.Path)
	}
	if c.MaxSize == 0 {
		c.MaxSize = DefaultMaxSize
	}
	if err := layoutOf(c.MaxSize).check(); err != nil {
		return c, fmt.Errorf("store: open %s: MaxSize: %w", c.Path, err)
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = defaultLockTimeout
	}
	return c, nil
}

// DB is an open store. Its methods may be called by several goroutines.
type DB struct {
	path   string
	bolt   *bbolt.DB
	file   *os.File // bbolt's own descriptor: closing it lets go of the lock
	seal   *sealer
	slots  *slots
	fail   func(Point, uint64) error
	schema schemaRecord

	mu     sync.Mutex // held by Update and Close; guards what follows
	unsure bool       // a commit failed and the disk has not confirmed since
	broken error      // bbolt panicked on a damaged page: nothing works any more
	closed bool
	stats  Stats
}

// Stats counts what the store did since it was opened.
type Stats struct {
	Commits uint64 // successful ones
	Failed  uint64 // commits that ended as ErrUnknown
	Bytes   uint64 // handed to the kernel: pages, meta pages, slots
	Flushes uint64 // fdatasync calls: two a commit
}

// Open opens the store, or makes it where there is no file. A file that is empty, cut
// short, garbage, someone else's or from a newer version is refused with one error, and
// is left as it was; [SetAside] moves it out of the way.
func Open(cfg Config) (*DB, error) { return open(cfg, schema1()) }

func open(cfg Config, s schema) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	seal, err := newSealer(cfg.Key, cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", cfg.Path, err)
	}
	if err := createIfMissing(cfg, seal, s); err != nil {
		return nil, fmt.Errorf("store: create %s: %w", cfg.Path, err)
	}
	db, err := openCurrent(cfg, seal, s)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", cfg.Path, err)
	}
	return db, nil
}

// openCurrent opens a file that exists, and migrates an older one.
func openCurrent(cfg Config, seal *sealer, s schema) (*DB, error) {
	db, err := openFile(cfg, seal, s)
	if err == nil && db.schema.Version < s.version {
		from := db.schema.Version
		if err = db.migrate(cfg, s); err == nil {
			db, err = reopen(cfg, seal, s, from)
		}
	}
	if err != nil {
		return nil, err
	}
	return db, forgetCopies(cfg.Path, s.version)
}

// openFile opens a file that exists. It writes nothing before the schema record was
// opened and understood.
func openFile(cfg Config, seal *sealer, s schema) (*DB, error) {
	lay, err := inspect(cfg.Path)
	if err != nil {
		return nil, err
	}
	db := &DB{path: cfg.Path, seal: seal, fail: cfg.Fail}
	if err := db.openBolt(lay, cfg.LockTimeout, false); err != nil {
		return nil, err
	}
	if err := db.begin(lay, s); err != nil {
		return nil, errors.Join(err, db.abandon())
	}
	return db, nil
}

// begin reads the schema, and wipes the slots that no record refers to: a power cut may
// have undone a wipe. An older file is left as it is, until a copy took its place.
func (db *DB) begin(lay layout, s schema) error {
	if err := db.readSchema(lay, s); err != nil {
		return err
	}
	slots, err := openSlots(db.file, lay, db.seal)
	if err != nil {
		return err
	}
	db.slots = slots
	disk.Scattered(db.file)
	if db.schema.Version < s.version {
		return nil
	}
	return db.sweep()
}

// openBolt opens the file with bbolt, by the rules.
//
// NoFreelistSync: the list of free pages is rebuilt from the tree at each open. A list
// on disk has no checksum, and one flipped bit in it hands out a page that is in use;
// rebuilding costs one read of a file of bounded size at start, and each commit writes
// a page less.
//
// AllocSize: bbolt refuses to allocate within AllocSize (16 MiB by default) of MaxSize,
// which would leave half of the file unused. The file has its full size already.
func (db *DB) openBolt(lay layout, timeout time.Duration, readOnly bool) error {
	options := &bbolt.Options{
		Timeout:        timeout,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistArrayType,
		PageSize:       pageSize,
		MaxSize:        int(lay.data),
		ReadOnly:       readOnly,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag&^os.O_CREATE, perm)
			db.file = f
			return f, err
		},
	}
	err := guard(func() (err error) {
		db.bolt, err = bbolt.Open(db.path, 0o600, options)
		return err
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("waited %v: %w", timeout, ErrLocked)
	case err != nil:
		if errors.Is(err, ErrDamaged) && db.file != nil {
			db.file.Close() // bbolt panicked and kept it
		}
		return err
	}
	db.bolt.AllocSize = pageSize
	return nil
}

// Close lets go of the file. Wiped slots are on disk when it returns.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	var err error
	if db.slots.dirty {
		err = db.flush()
	}
	return errors.Join(err, db.abandon())
}

// abandon closes without writing. After a panic inside bbolt its locks may be held for
// ever, so only the descriptor is closed, which releases the lock on the file.
func (db *DB) abandon() error {
	if db.broken != nil {
		return db.file.Close()
	}
	return guard(db.bolt.Close)
}

// flush has the disk write what the kernel still holds.
func (db *DB) flush() error {
	if err := disk.Flush(db.file); err != nil {
		return fmt.Errorf("store: flush %s: %w", db.path, err)
	}
	db.slots.dirty = false
	db.stats.Flushes++
	return nil
}

// Free returns the bytes that records may still take.
func (db *DB) Free() int64 {
	used, _ := db.Size()
	stats := db.bolt.Stats()
	return db.slots.lay.size - used + int64(stats.FreePageN+stats.PendingPageN)*pageSize
}

// Unload gives back the memory of the pages that were read: bbolt maps the file, and
// what a walk over all records touched stays in the process until somebody says so. What
// is needed again is read again.
func (db *DB) Unload() {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed || db.broken != nil {
		return
	}
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, db.bolt.Info().Data, uintptr(db.slots.lay.data), unix.MADV_DONTNEED)
}

// Stats returns the counters.
func (db *DB) Stats() Stats {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := db.stats
	s.Bytes += db.slots.bytes
	return s
}

// Path returns the path of the file.
func (db *DB) Path() string { return db.path }

// Schema returns the schema version of the file.
func (db *DB) Schema() int { return db.schema.Version }

// Secrets returns how many records with a secret the file has room for.
func (db *DB) Secrets() int { return len(db.slots.used) - 1 }

// Size returns the bytes of the file that are in use, and its whole size.
func (db *DB) Size() (used, size int64) {
	_ = db.View(func(tx *Tx) error {
		used = tx.bolt.Size()
		return nil
	})
	return used + db.slots.lay.slots, db.slots.lay.size
}
