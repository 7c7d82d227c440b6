package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// layout says how a file of a given size is divided. The slots are the last 32nd part.
type layout struct {
	size  int64 // whole file
	data  int64 // bbolt's part, from 0
	slots int64 // the rest
}

const sizeStep = 32 * pageSize

func layoutOf(size int64) layout { return layout{size, size - size/32, size / 32} }

func (l layout) check() error {
	if l.size < MinMaxSize || l.size > LargestMaxSize || l.size%sizeStep != 0 {
		return fmt.Errorf("%d bytes: a multiple of %d from %d to %d wanted",
			l.size, sizeStep, MinMaxSize, LargestMaxSize)
	}
	return nil
}

// createIfMissing makes the file whole beside its place, then moves it there: at no
// moment is there a half-made file under the name. The folder is locked meanwhile, so
// that two processes do not make one each.
func createIfMissing(cfg Config, seal *sealer, s schema) error {
	if exists, err := present(cfg.Path); exists || err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(cfg.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := lockFolder(dir, cfg.LockTimeout); err != nil {
		return err
	}
	if exists, err := present(cfg.Path); exists || err != nil {
		return err
	}
	temp := cfg.Path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(temp, layoutOf(cfg.MaxSize), seal, s); err != nil {
		os.Remove(temp)
		return err
	}
	return publish(dir, temp, cfg.Path)
}

func present(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// lockFolder takes the folder's lock; it is released when the descriptor is closed.
func lockFolder(dir *os.File, timeout time.Duration) error {
	const step = 20 * time.Millisecond
	for waited := time.Duration(0); ; waited += step {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if waited >= timeout {
			return fmt.Errorf("folder %s: waited %v: %w", dir.Name(), timeout, ErrLocked)
		}
		time.Sleep(step)
	}
}

// publish makes the file durable under its name: file first, then name, then folder.
func publish(dir *os.File, temp, path string) error {
	f, err := os.Open(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return dir.Sync()
}

// create makes a store with nothing but its schema record, and gives it its full size.
func create(path string, lay layout, seal *sealer, s schema) error {
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: defaultLockTimeout, PageSize: pageSize, NoFreelistSync: true,
		MaxSize: int(lay.data), FreelistType: bbolt.FreelistArrayType,
	})
	if err != nil {
		return err
	}
	bolt.AllocSize = pageSize
	err = bolt.Update(func(btx *bbolt.Tx) error {
		tx := &Tx{bolt: btx, seal: seal}
		return writeSchema(tx, schemaRecord{Version: s.version, PageSize: pageSize, Size: lay.size})
	})
	if err := errors.Join(err, bolt.Close()); err != nil {
		return err
	}
	return allocate(path, lay.size)
}

// allocate reserves every byte of the file, so that another file which fills the disk
// cannot stop a write. Where the file system has no fallocate, zeros are written.
func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = writeZeros(f, size)
	}
	if err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	return f.Sync()
}

func writeZeros(f *os.File, size int64) error {
	from, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for from < size {
		n, err := f.Write(block[:min(int64(len(block)), size-from)])
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// SetAside moves a store that cannot be used out of the way, whole, for somebody to
// look at: "journal.db" becomes "journal.db.bad-20261123T184500Z". It returns the new
// path, and refuses to replace a file that is there.
func SetAside(path string, now time.Time) (string, error) {
	aside := path + ".bad-" + now.UTC().Format("20060102T150405Z")
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("store: set aside %s: %w", path, err)
	}
	defer dir.Close()
	if err := lockFolder(dir, defaultLockTimeout); err != nil {
		return "", fmt.Errorf("store: set aside %s: %w", path, err)
	}
	if exists, err := present(aside); exists || err != nil {
		return "", errors.Join(fmt.Errorf("store: set aside %s: %s is there already", path, aside), err)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("store: set aside: %w", err)
	}
	return aside, dir.Sync()
}

func fdatasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
