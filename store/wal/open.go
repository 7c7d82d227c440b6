package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"posd/store"
	"posd/store/internal/disk"
)

const (
	magic        = "posd log"
	headerFormat = 1
	maxTries     = 64 // frames with a plausible number and a broken seal, from the head down
	block        = 128
)

// Open opens the log, or makes it where there is no file. A file that is not a log of
// this device is refused and left as it was. Damage within is no reason to refuse it:
// see [Log.Faults].
func Open(cfg Config) (*Log, error) {
	l, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("wal: open %s: %w", cfg.Path, err)
	}
	return l, nil
}

func open(cfg Config) (*Log, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	seal, err := newSealer(cfg.Key, cfg.Rand)
	if err != nil {
		return nil, err
	}
	if err := createIfMissing(cfg, seal); err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	f, err := os.OpenFile(cfg.Path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	l := &Log{path: cfg.Path, file: f, seal: seal, fail: cfg.Fail, buf: make([]byte, 0, bodySize)}
	if err := l.begin(cfg); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) begin(cfg Config) error {
	if err := disk.Lock(l.file, cfg.LockTimeout); err != nil {
		return err
	}
	if err := l.readHeader(); err != nil {
		return err
	}
	disk.Scattered(l.file)
	if err := l.findHead(); err != nil {
		return err
	}
	return l.verify()
}

func createIfMissing(cfg Config, seal sealer) error {
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
	return disk.Make(dir, cfg.Path, func(f *os.File) error {
		if err := disk.Zero(f, headerSize+int64(cfg.Frames)*frameSize); err != nil {
			return err
		}
		for copyAt := range int64(2) {
			header, err := seal.sealHeader(uint32(cfg.Frames))
			if err != nil {
				return err
			}
			if _, err := f.WriteAt(header, copyAt*frameSize); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s sealer) sealHeader(frames uint32) ([]byte, error) {
	out := append(make([]byte, 0, frameSize), magic...)
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	out = append(out, nonce...)
	plain := binary.BigEndian.AppendUint32([]byte{headerFormat}, frames)
	return s.header.Seal(out, nonce, plain, []byte(magic)), nil
}

// readHeader reads either copy of the header.
func (l *Log) readHeader() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: %w", filepath.Base(l.path), store.ErrForeign)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("mode %04o: others can read it; 0600 wanted", info.Mode().Perm())
	case info.Size() < headerSize:
		return fmt.Errorf("%d bytes: %w", info.Size(), store.ErrDamaged)
	}
	whole := 0
	for at := range int64(2) {
		switch frames, err := l.header(at * frameSize); {
		case err != nil:
			l.faults = append(l.faults, fmt.Errorf("wal: header %d: %w", at+1, err))
		default:
			whole++
			l.n = uint64(frames)
		}
	}
	switch {
	case whole == 0:
		return fmt.Errorf("neither header opens: no log, from another device, or damaged: %w", store.ErrForeign)
	case info.Size() != headerSize+int64(l.n)*frameSize:
		return fmt.Errorf("%d bytes, %d wanted: %w", info.Size(), headerSize+int64(l.n)*frameSize, store.ErrDamaged)
	}
	return nil
}

func (l *Log) header(at int64) (uint32, error) {
	const size = len(magic) + nonceSize + 5 + overhead
	b := make([]byte, size)
	if _, err := l.file.ReadAt(b, at); err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(b, []byte(magic)) {
		return 0, fmt.Errorf("no log: %w", store.ErrDamaged)
	}
	sealed := b[len(magic):]
	plain, err := l.seal.header.Open(nil, sealed[:nonceSize], sealed[nonceSize:], []byte(magic))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errSeal, store.ErrDamaged)
	}
	frames := binary.BigEndian.Uint32(plain[1:])
	if plain[0] > headerFormat {
		return 0, fmt.Errorf("format %d: %w", plain[0], store.ErrNewer)
	}
	if frames < MinFrames || frames > MaxFrames {
		return 0, fmt.Errorf("%d frames: %w", frames, store.ErrDamaged)
	}
	return frames, nil
}

// findHead finds the frame with the highest number whose seal is whole: the number that
// is written in the clear is believed only then.
func (l *Log) findHead() error {
	below := uint64(1<<63 - 1)
	for range maxTries {
		number, err := l.highest(below)
		if err != nil {
			return err
		}
		if number == 0 {
			l.tail = l.head + 1
			return nil
		}
		frame := make([]byte, frameSize)
		if _, err := l.file.ReadAt(frame, l.place(number)); err != nil {
			return fmt.Errorf("frame %d: %w", number, err)
		}
		b, err := l.seal.open(l.buf, frame)
		if err == nil && b.tail >= 1 && b.tail <= number && number-b.tail < l.n {
			l.head, l.tail, l.prev = number, b.tail, hash(frame)
			return nil
		}
		l.faults = append(l.faults, fmt.Errorf("wal: place of frame %d: torn by a power cut, or damaged: %w", number, store.ErrDamaged))
		below = number
	}
	return fmt.Errorf("%d frames at its head are broken: %w", maxTries, store.ErrDamaged)
}

// highest returns the highest number below a bound that stands in its own place; 0 for
// none.
func (l *Log) highest(below uint64) (best uint64, err error) {
	err = l.places(func(place uint64, frame []byte) error {
		number := numberOf(frame)
		if number > best && number < below && (number-1)%l.n == place {
			best = number
		}
		return nil
	})
	return best, err
}

// places reads every frame, many at a time.
func (l *Log) places(fn func(place uint64, frame []byte) error) error {
	buf := make([]byte, block*frameSize)
	for place := uint64(0); place < l.n; {
		many := min(block, l.n-place)
		b := buf[:many*frameSize]
		if _, err := l.file.ReadAt(b, headerSize+int64(place)*frameSize); err != nil {
			return fmt.Errorf("frames from place %d: %w", place, err)
		}
		for i := range many {
			if err := fn(place+i, b[i*frameSize:(i+1)*frameSize]); err != nil {
				return err
			}
		}
		place += many
	}
	return nil
}

// verify opens each frame from the tail to the head, follows the chain, and looks at the
// place behind the head: what is no older frame there was torn, or was the head.
func (l *Log) verify() error {
	prev, linked := [32]byte{}, false
	frame := make([]byte, frameSize)
	for number := l.tail; number <= l.head; number++ {
		if _, err := l.file.ReadAt(frame, l.place(number)); err != nil {
			return fmt.Errorf("frame %d: %w", number, err)
		}
		b, err := l.body(number, frame)
		if err == nil && linked && b.prev != prev {
			l.faults = append(l.faults, damaged(number, "the frame before it is not the one that was there"))
		}
		prev, linked = hash(frame), err == nil
		if err == nil {
			err = l.checkSecret(number, frame)
		}
		if err != nil {
			l.faults = append(l.faults, err)
		}
	}
	return l.checkNext(frame)
}

func (l *Log) checkSecret(number uint64, frame []byte) error {
	secret, err := l.seal.secret(frame)
	clear(secret)
	if err != nil {
		return damaged(number, err.Error())
	}
	return nil
}

func (l *Log) checkNext(frame []byte) error {
	next := l.head + 1
	if _, err := l.file.ReadAt(frame, l.place(next)); err != nil {
		return fmt.Errorf("frame %d: %w", next, err)
	}
	if allZero(frame[:sealedEnd]) {
		return nil
	}
	if _, err := l.seal.open(l.buf, frame); err == nil {
		return nil // a frame of the round before
	}
	if numberOf(frame) != next { // else findHead said so
		l.faults = append(l.faults, fmt.Errorf("wal: place of frame %d: torn by a power cut, or damaged: %w", next, store.ErrDamaged))
	}
	return nil
}
