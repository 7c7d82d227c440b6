package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Finding is something about the disk that a technician must know. Codes are those of
// the catalogue of findings.
type Finding struct {
	Code   string
	Detail string
}

// Codes of findings.
const (
	FindingMount = "store-mount"
	FindingSpace = "store-space"
	FindingPage  = "store-page"
)

const mountTable = "/proc/self/mountinfo"

// CheckMount tells what is wrong with the file system under path, whose file need not
// be there yet: a file system that forgets at power-off, one that does not flush, one
// without a journal, less than minFree bytes free, and pages larger than ours. Mount options decide whether a
// flush is one: with barrier=0, 40 of 40 power cuts lost data.
func CheckMount(path string, minFree int64) []Finding {
	var found []Finding
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return []Finding{{FindingMount, fmt.Sprintf("folder of %s: %v", path, err)}}
	}
	m, err := mountOf(dir)
	if err != nil {
		found = append(found, Finding{FindingMount, fmt.Sprintf("which file system %s is on is unknown: %v", dir, err)})
	} else {
		found = append(found, m.findings()...)
	}
	return append(found, checkSpace(dir, minFree)...)
}

func checkSpace(dir string, minFree int64) []Finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return []Finding{{FindingSpace, fmt.Sprintf("free space of %s is unknown: %v", dir, err)}}
	}
	found := checkPages(os.Getpagesize(), int64(st.Bsize))
	if free := int64(st.Bavail) * int64(st.Bsize); free < minFree {
		found = append(found, Finding{FindingSpace, fmt.Sprintf("%s has %d KiB free, %d KiB wanted", dir, free>>10, minFree>>10)})
	}
	return found
}

// checkPages compares the kernel's pages and the file system's blocks with the store's
// pages of 4096 bytes: what is larger is what each write costs.
func checkPages(kernel int, block int64) (found []Finding) {
	if kernel > pageSize {
		found = append(found, Finding{FindingPage, fmt.Sprintf("the kernel has pages of %d bytes: each write of %d costs as many", kernel, pageSize)})
	}
	if block > pageSize && block <= 1<<20 { // some file systems tell their preferred transfer size here
		found = append(found, Finding{FindingPage, fmt.Sprintf("the file system has blocks of %d bytes: each write of %d costs as many", block, pageSize)})
	}
	return found
}

// mount is a line of mountinfo: proc(5).
type mount struct {
	point   string
	fs      string
	options []string // of the mount and of the file system
}

func mountOf(dir string) (mount, error) {
	f, err := os.Open(mountTable)
	if err != nil {
		return mount{}, err
	}
	defer f.Close()
	return findMount(f, dir)
}

// findMount returns the mount with the longest point above dir; of two on the same
// point, the later, which hides the earlier.
func findMount(table io.Reader, dir string) (best mount, err error) {
	sc := bufio.NewScanner(table)
	for sc.Scan() {
		m, ok := parseMount(sc.Text())
		if ok && within(dir, m.point) && len(m.point) >= len(best.point) {
			best = m
		}
	}
	if err := sc.Err(); err != nil {
		return mount{}, fmt.Errorf("%s: %w", mountTable, err)
	}
	if best.point == "" {
		return mount{}, errors.New("no mount point above it")
	}
	return best, nil
}

func within(dir, point string) bool {
	return point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
}

// parseMount reads "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/x rw,errors=…".
func parseMount(line string) (mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 6 || len(r) < 3 {
		return mount{}, false
	}
	options := strings.Split(l[5]+","+r[2], ",")
	return mount{unescape(l[4]), r[0], options}, true
}

// unescape undoes the octal escapes of mountinfo: \040 is a space.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// Why a kind of file system is not for money.
const (
	whyMemory  = "forgets everything at power-off"
	whyOverlay = "is a layer over another file system, whose flushes are not known"
	whyNetwork = "is not on this device, so a flush is another machine's word"
	whyJournal = "has no journal: a power cut can lose the folder"
)

func whyNot(fs string) string {
	switch {
	case slices.Contains([]string{"tmpfs", "ramfs", "rootfs", "devtmpfs"}, fs):
		return whyMemory
	case slices.Contains([]string{"overlay", "aufs", "unionfs"}, fs):
		return whyOverlay
	case slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs"}, fs), strings.HasPrefix(fs, "fuse"):
		return whyNetwork
	case slices.Contains([]string{"vfat", "msdos", "exfat", "ext2"}, fs):
		return whyJournal
	}
	return ""
}

// Options that make a flush no flush, with what they do.
func whyOption(option string) string {
	switch option {
	case "barrier=0", "nobarrier":
		return "the disk is not told to flush; a power cut loses payments"
	case "fsync_mode=nobarrier":
		return "f2fs flushes without the disk; a power cut loses payments"
	case "norecovery", "noload":
		return "the journal is not replayed after a power cut"
	case "journal_async_commit":
		return "a commit is not ordered after its data"
	case "ro":
		return "mounted read-only: nothing can be stored"
	}
	return ""
}

func (m mount) findings() []Finding {
	var found []Finding
	if why := whyNot(m.fs); why != "" {
		found = append(found, Finding{FindingMount, fmt.Sprintf("%s: %s %s", m.point, m.fs, why)})
	}
	seen := map[string]bool{}
	for _, option := range m.options {
		if why := whyOption(option); why != "" && !seen[option] {
			seen[option] = true
			found = append(found, Finding{FindingMount, fmt.Sprintf("%s: option %s: %s", m.point, option, why)})
		}
	}
	return found
}
