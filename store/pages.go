package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
)

// bbolt maps the file and trusts it: a damaged page makes it panic or fault, partly in
// goroutines of its own where nobody can recover. So the tree is walked here first, by
// plain reads with every offset checked and no page visited twice. What passes is safe
// for bbolt to walk, and the time is bounded by the size of the file.
//
// bbolt's format, version 2, in the byte order of the machine:
//
//	page    id 8, flags 2, count 2, overflow 4, then count elements of 16 bytes
//	meta    magic 4, version 4, page size 4, flags 4, root 8, sequence 8, freelist 8,
//	        pages 8, transaction 8, FNV-1a of all before it 8
//	branch  position 4 (from the element), key length 4, page 8
//	leaf    flags 4 (1: a bucket), position 4, key length 4, value length 4
//	bucket  root 8 (0: a page follows inline), sequence 8
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	pageHeader  = 16
	elementSize = 16
	bucketSize  = 16
	branchPage  = 1
	leafPage    = 2
	maxDepth    = 24 // of branch pages and buckets together
	metaSize    = 64
)

// inspect reads the file without changing it, and returns its layout if it is a bbolt
// file of our shape whose tree is whole.
func inspect(path string) (layout, error) {
	f, err := os.Open(path)
	if err != nil {
		return layout{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return layout{}, err
	}
	switch lay := layoutOf(info.Size()); {
	case !info.Mode().IsRegular():
		return lay, fmt.Errorf("%s is not a regular file: %w", filepath.Base(path), ErrForeign)
	case info.Mode().Perm()&0o077 != 0:
		return lay, fmt.Errorf("mode %04o: others can read it; 0600 wanted", info.Mode().Perm())
	case info.Size() == 0:
		return lay, fmt.Errorf("the file is empty: %w", ErrDamaged)
	case lay.check() != nil:
		return lay, fmt.Errorf("the file has %w: %w", lay.check(), ErrDamaged)
	default:
		return lay, walk(f, lay)
	}
}

// walker checks one tree.
type walker struct {
	file  io.ReaderAt
	pages uint64 // high-water mark
	seen  []bool
	spare [][]byte // pages that were checked, to be read into again
}

func walk(f io.ReaderAt, lay layout) error {
	root, pages, err := rootPage(f, lay)
	if err != nil {
		return err
	}
	w := walker{file: f, pages: pages, seen: make([]bool, pages)}
	return w.page(root, nil, nil, 0)
}

// rootPage picks the meta page as bbolt does: the valid one with the higher transaction.
func rootPage(f io.ReaderAt, lay layout) (root, pages uint64, err error) {
	var best uint64
	found := false
	for i := range int64(2) {
		m := make([]byte, metaSize)
		if _, err := f.ReadAt(m, i*pageSize+pageHeader); err != nil {
			return 0, 0, fmt.Errorf("meta page %d: %w", i, err)
		}
		ne := binary.NativeEndian
		sum := fnv.New64a()
		sum.Write(m[:56])
		if ne.Uint32(m) != boltMagic || ne.Uint32(m[4:]) != boltVersion || ne.Uint64(m[56:]) != sum.Sum64() {
			continue
		}
		if size := ne.Uint32(m[8:]); size != pageSize {
			return 0, 0, fmt.Errorf("pages of %d bytes, %d wanted: %w", size, pageSize, ErrForeign)
		}
		if tx := ne.Uint64(m[48:]); !found || tx > best {
			best, root, pages, found = tx, ne.Uint64(m[16:]), ne.Uint64(m[40:]), true
		}
	}
	switch {
	case !found:
		return 0, 0, fmt.Errorf("neither meta page is valid: no bbolt file, or a damaged one: %w", ErrForeign)
	case pages > uint64(lay.data/pageSize):
		return 0, 0, fmt.Errorf("cut short: it needs %d pages and has room for %d: %w", pages, lay.data/pageSize, ErrDamaged)
	}
	return root, pages, nil
}

func pageFault(id uint64, format string, args ...any) error {
	return fmt.Errorf("page %d: %s: %w", id, fmt.Sprintf(format, args...), ErrDamaged)
}

// page checks the page id and all below it. Its keys are at least low and below high,
// where those are not nil.
func (w *walker) page(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return pageFault(id, "%d levels deep", depth)
	}
	b, err := w.load(id)
	if err != nil {
		return err
	}
	err = w.elements(id, b, low, high, depth)
	if len(b) == pageSize {
		w.spare = append(w.spare, b)
	}
	return err
}

// blank returns a page's worth of memory, of a page that was checked where there is one.
func (w *walker) blank() []byte {
	n := len(w.spare)
	if n == 0 {
		return make([]byte, pageSize)
	}
	b := w.spare[n-1]
	w.spare = w.spare[:n-1]
	return b
}

// load reads a page with its overflow, once.
func (w *walker) load(id uint64) ([]byte, error) {
	if id < 2 || id >= w.pages {
		return nil, pageFault(id, "outside of 2 to %d", w.pages-1)
	}
	b := w.blank()
	if _, err := w.file.ReadAt(b, int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(binary.NativeEndian.Uint32(b[12:]))
	if got := binary.NativeEndian.Uint64(b); got != id {
		return nil, pageFault(id, "says that it is page %d", got)
	}
	if more >= w.pages-id {
		return nil, pageFault(id, "%d pages more overrun the file", more)
	}
	for i := id; i <= id+more; i++ {
		if w.seen[i] {
			return nil, pageFault(id, "page %d is used twice", i)
		}
		w.seen[i] = true
	}
	if more == 0 {
		return b, nil
	}
	b = make([]byte, (more+1)*pageSize)
	_, err := w.file.ReadAt(b, int64(id)*pageSize)
	return b, err
}

// elements checks the elements of a page: in bounds, in order, and each below it.
func (w *walker) elements(id uint64, b, low, high []byte, depth int) error {
	flags, count := binary.NativeEndian.Uint16(b[8:]), int(binary.NativeEndian.Uint16(b[10:]))
	if flags != branchPage && flags != leafPage {
		return pageFault(id, "flags %#x: neither branch nor leaf", flags)
	}
	if pageHeader+count*elementSize > len(b) {
		return pageFault(id, "%d elements in %d bytes", count, len(b))
	}
	if flags == branchPage && count == 0 {
		return pageFault(id, "a branch without elements")
	}
	keys := make([][]byte, count)
	values := make([][]byte, count)
	for i := range count {
		k, v, err := element(b, i, flags)
		if err != nil {
			return pageFault(id, "element %d: %v", i, err)
		}
		if (i == 0 && bytes.Compare(k, low) < 0) || (i > 0 && bytes.Compare(k, keys[i-1]) <= 0) || (high != nil && bytes.Compare(k, high) >= 0) {
			return pageFault(id, "element %d: key out of order", i)
		}
		keys[i], values[i] = k, v
	}
	if flags == branchPage {
		return w.children(b, keys, high, depth)
	}
	return w.buckets(id, b, values, depth)
}

var errOverrun = errors.New("overruns its page")

// element returns key and value of the element i; a branch's has no value.
func element(b []byte, i int, flags uint16) (k, v []byte, err error) {
	at := pageHeader + i*elementSize
	e := b[at:]
	pos, ksize, vsize := binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:]), uint32(0)
	if flags == leafPage {
		pos, ksize, vsize = ksize, binary.NativeEndian.Uint32(e[8:]), binary.NativeEndian.Uint32(e[12:])
	}
	start := uint64(at) + uint64(pos)
	end := start + uint64(ksize) + uint64(vsize)
	if ksize == 0 || end > uint64(len(b)) {
		return nil, nil, errOverrun
	}
	return b[start : start+uint64(ksize)], b[start+uint64(ksize) : end], nil
}

func (w *walker) children(b []byte, keys [][]byte, high []byte, depth int) error {
	for i, low := range keys {
		next := high
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		child := binary.NativeEndian.Uint64(b[pageHeader+i*elementSize+8:])
		if err := w.page(child, low, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// buckets follows the elements of a leaf that are buckets.
func (w *walker) buckets(id uint64, b []byte, values [][]byte, depth int) error {
	for i, v := range values {
		switch flags := binary.NativeEndian.Uint32(b[pageHeader+i*elementSize:]); {
		case flags == 0:
			continue
		case flags != 1 || len(v) < bucketSize:
			return pageFault(id, "element %d: flags %#x, %d bytes", i, flags, len(v))
		}
		root := binary.NativeEndian.Uint64(v)
		var err error
		if root != 0 {
			err = w.page(root, nil, nil, depth+1)
		} else {
			err = w.inline(id, v[bucketSize:], depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inline checks a small bucket that lives in its parent's leaf: a leaf without buckets.
func (w *walker) inline(id uint64, b []byte, depth int) error {
	if len(b) < pageHeader || binary.NativeEndian.Uint16(b[8:]) != leafPage {
		return pageFault(id, "an inline bucket that is no leaf")
	}
	if depth >= maxDepth {
		return pageFault(id, "%d levels deep", depth)
	}
	for i := range int(binary.NativeEndian.Uint16(b[10:])) {
		if at := pageHeader + i*elementSize; at+elementSize <= len(b) && binary.NativeEndian.Uint32(b[at:]) != 0 {
			return pageFault(id, "a bucket in an inline bucket")
		}
	}
	return w.elements(id, b, nil, nil, depth+1)
}

// slotOf reads the number of a record's slot, without its seal.
func slotOf(sealed []byte) uint32 {
	if len(sealed) < recordHeader {
		return 0
	}
	return binary.BigEndian.Uint32(sealed[1:])
}
