package secret

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

func noCore() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps stay on: %w", err)
	}
	return nil
}

func noDebugger() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("process stays open to debuggers: %w", err)
	}
	return nil
}

// lockAll locks pages as they are touched. Linux 4.4 and later.
func lockAll() error {
	if err := mayLock(); err != nil {
		return err
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("memory is not locked: %w", err)
	}
	return nil
}

// mayLock tells whether locking can never fail later: the right to lock, or no limit.
func mayLock() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("memory is not locked: %w", err)
	}
	if limit.Cur == unix.RLIM_INFINITY || canLock() {
		return nil
	}
	return fmt.Errorf("memory is not locked: the limit is %d bytes: LimitMEMLOCK=infinity in the unit, or CAP_IPC_LOCK", limit.Cur)
}

// canLock asks for CAP_IPC_LOCK, which lifts the limit.
func canLock() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// Buffer is memory for a secret: of its own pages, locked where the limit allows, not in
// dumps, not in children. It prints as nothing. Who has made it closes it.
type Buffer struct {
	mu     sync.Mutex
	pages  []byte
	n      int
	locked bool
}

// New returns a buffer of n bytes, at most 64 KiB. That it could not be locked is no error:
// see Locked.
func New(n int) (*Buffer, error) {
	if n < 1 || n > maxBuffer {
		return nil, fmt.Errorf("secret: buffer of %d bytes, 1 to %d wanted", n, maxBuffer)
	}
	pages, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("secret: buffer: %w", err)
	}
	b := &Buffer{pages: pages, n: n, locked: unix.Mlock(pages) == nil}
	_ = unix.Madvise(pages, unix.MADV_DONTDUMP) // core dumps are off already
	_ = unix.Madvise(pages, unix.MADV_WIPEONFORK)
	return b, nil
}

// Bytes is the secret's place; good until Close.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pages[:min(b.n, len(b.pages))]
}

// Locked tells whether the buffer is out of reach of the swap.
func (b *Buffer) Locked() bool { return b.locked }

// Close wipes the buffer and gives its pages back. Twice is no error.
func (b *Buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pages == nil {
		return nil
	}
	clear(b.pages)
	pages := b.pages
	b.pages = nil
	if err := unix.Munmap(pages); err != nil {
		return fmt.Errorf("secret: close buffer: %w", err)
	}
	return nil
}

// String hides the secret.
func (b *Buffer) String() string { return strings.Repeat("*", 8) }

// Format hides the secret for every verb.
func (b *Buffer) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.String()) }
