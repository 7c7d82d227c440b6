package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process has the file or the folder.
var ErrLocked = errors.New("in use by another process")

// LockTime is how long a folder's lock is waited for where nobody says otherwise.
const LockTime = 5 * time.Second

// Present tells whether there is something under the name.
func Present(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// LockFolder opens a file's folder and takes its lock, which closing it releases.
func LockFolder(path string, timeout time.Duration) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := Lock(dir, timeout); err != nil {
		dir.Close()
		return nil, fmt.Errorf("folder %s: %w", dir.Name(), err)
	}
	return dir, nil
}

// Lock takes the lock of an open file or folder, which closing it releases; ErrLocked
// after timeout.
func Lock(f *os.File, timeout time.Duration) error {
	const step = 20 * time.Millisecond
	for waited := time.Duration(0); ; waited += step {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if waited >= timeout {
			return fmt.Errorf("waited %v: %w", timeout, ErrLocked)
		}
		time.Sleep(step)
	}
}

// Publish makes a file durable under its name: file first, then name, then folder.
func Publish(dir *os.File, temp, path string) error {
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

// Make makes a file of mode 0600 beside its place by calling fill, and publishes it. A
// file that an earlier try left half made is made anew.
func Make(dir *os.File, path string, fill func(*os.File) error) error {
	temp := path + ".new"
	if err := Remove(temp); err != nil {
		return err
	}
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Close()); err != nil {
		os.Remove(temp)
		return err
	}
	if err := Publish(dir, temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return nil
}

// Remove removes a file, if it is there.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Reserve reserves every byte of a file, so that another file which fills the disk
// cannot stop a write. Where the file system has no fallocate, zeros are written.
func Reserve(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return Zero(f, size)
	}
	if err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	return f.Sync()
}

// Zero writes zeros from the end of a file up to size: unlike a byte that was reserved
// only, one that was written once is written again without any change of the file
// system's own records.
func Zero(f *os.File, size int64) error {
	from, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		err = writeZeros(f, from, size)
	}
	if err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	return f.Sync()
}

// Scattered tells the kernel that the file is read and written here and there: it then
// caches single pages, where a larger piece would be written whole for each change in
// it. What it has cached so far it forgets. It is advice: that it fails costs no more.
func Scattered(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

func writeZeros(f *os.File, from, size int64) error {
	block := make([]byte, 64<<10)
	for from < size {
		n, err := f.WriteAt(block[:min(int64(len(block)), size-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// Flush has the disk write the file's data: fdatasync(2).
func Flush(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
