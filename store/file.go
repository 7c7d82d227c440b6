package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"posd/store/internal/disk"
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
	if exists, err := disk.Present(cfg.Path); exists || err != nil {
		return err
	}
	dir, err := disk.LockFolder(cfg.Path, cfg.LockTimeout)
	if err != nil {
		return err
	}
	defer dir.Close()
	if exists, err := disk.Present(cfg.Path); exists || err != nil {
		return err
	}
	temp := cfg.Path + ".new"
	if err := disk.Remove(temp); err != nil {
		return err
	}
	if err := create(temp, layoutOf(cfg.MaxSize), seal, s); err != nil {
		os.Remove(temp)
		return err
	}
	return disk.Publish(dir, temp, cfg.Path)
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

// allocate reserves every byte of the file.
func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return disk.Reserve(f, size)
}

// SetAside moves a store that cannot be used out of the way, whole, for somebody to
// look at: "journal.db" becomes "journal.db.bad-20261123T184500Z". It returns the new
// path, and refuses to replace a file that is there.
func SetAside(path string, now time.Time) (string, error) {
	aside := path + ".bad-" + now.UTC().Format("20060102T150405Z")
	dir, err := disk.LockFolder(path, defaultLockTimeout)
	if err != nil {
		return "", fmt.Errorf("store: set aside %s: %w", path, err)
	}
	defer dir.Close()
	if exists, err := disk.Present(aside); exists || err != nil {
		return "", errors.Join(fmt.Errorf("store: set aside %s: %s is there already", path, aside), err)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("store: set aside: %w", err)
	}
	return aside, dir.Sync()
}
