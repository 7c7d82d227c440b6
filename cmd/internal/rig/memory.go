package rig

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ErrNoImage says that this machine lets nobody look into another process.
var ErrNoImage = errors.New("the process cannot be looked into")

// maxRegion is the largest piece of memory that is read at once, in bytes.
const maxRegion = 256 << 20

// region is a line of /proc/PID/maps.
type region struct {
	from, to uint64
	name     string
}

// Image stops the process, calls f with each piece of its memory that can be read, and
// lets it go on. It is what a core file would hold.
func (a *Agent) Image(f func(place string, content []byte) error) (err error) {
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("rig: image: %w", err)
	}
	defer func() { err = errors.Join(err, a.cmd.Process.Signal(syscall.SIGCONT)) }()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", a.PID()))
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("rig: image: %w: %w", ErrNoImage, err)
	}
	if err != nil {
		return fmt.Errorf("rig: image: %w", err)
	}
	defer mem.Close()
	regions, err := a.regions()
	if err != nil {
		return err
	}
	for _, r := range regions {
		content := make([]byte, r.to-r.from)
		n, err := mem.ReadAt(content, int64(r.from))
		if n == 0 && err != nil {
			continue // a piece that is mapped and not backed
		}
		if err := used(content[:n], func(at int, part []byte) error {
			return f(fmt.Sprintf("%x %s", r.from+uint64(at), r.name), part)
		}); err != nil {
			return err
		}
	}
	return nil
}

// pageSize is the step in which unused memory is left out, in bytes.
const pageSize = 4096

// used calls f with each run of pages that hold anything but zeros.
func used(content []byte, f func(at int, part []byte) error) error {
	zeros := make([]byte, pageSize)
	begin := -1
	for at := 0; at <= len(content); at += pageSize {
		page := content[at:min(at+pageSize, len(content))]
		empty := bytes.Equal(page, zeros[:len(page)])
		switch {
		case !empty && begin < 0:
			begin = at
		case empty && begin >= 0:
			if err := f(begin, content[begin:at]); err != nil {
				return err
			}
			begin = -1
		}
	}
	if begin >= 0 {
		return f(begin, content[begin:])
	}
	return nil
}

// regions reads which memory the process has.
func (a *Agent) regions() ([]region, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", a.PID()))
	if err != nil {
		return nil, fmt.Errorf("rig: image: %w", err)
	}
	defer maps.Close()
	var out []region
	scan := bufio.NewScanner(maps)
	for scan.Scan() {
		fields := strings.Fields(scan.Text())
		var r region
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &r.from, &r.to); err != nil {
			return nil, fmt.Errorf("rig: image: %q: %w", fields[0], err)
		}
		if len(fields) > 5 {
			r.name = fields[5]
		}
		if fields[1][0] == 'r' && r.to-r.from <= maxRegion && r.name != "[vvar]" && r.name != "[vsyscall]" {
			out = append(out, r)
		}
	}
	return out, scan.Err()
}

// FindInMemory looks for canaries in the whole image.
func (a *Agent) FindInMemory(canaries []Canary) (hits []Hit, scanned int64, err error) {
	err = a.Image(func(place string, content []byte) error {
		scanned += int64(len(content))
		hits = append(hits, FindAll(canaries, place, content)...)
		return nil
	})
	return hits, scanned, err
}
