package rig

import (
	"bufio"
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
		if err := f(fmt.Sprintf("%x-%x %s", r.from, r.to, r.name), content[:n]); err != nil {
			return err
		}
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
