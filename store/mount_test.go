package store

import (
	"math"
	"strings"
	"testing"
)

const table = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,errors=remount-ro
30 27 179:1 / /data rw,noatime - ext4 /dev/mmcblk0p1 rw,barrier=0
31 27 179:2 / /data/my\040pos rw - f2fs /dev/mmcblk0p2 rw,fsync_mode=nobarrier
32 27 0:40 / /tmp rw - tmpfs tmpfs rw
33 27 0:41 / /over rw - overlay overlay rw,lowerdir=/a,upperdir=/b
34 27 0:42 / /net rw - fuse.sshfs host: rw
35 27 179:3 / /boot ro,relatime - vfat /dev/mmcblk0p3 ro
36 27 179:4 / /twice rw - tmpfs tmpfs rw
37 27 179:4 / /twice rw - ext4 /dev/x rw,nobarrier
a line that is too short
38 27 179:5 / /database rw shared:1 master:2 - xfs /dev/y rw
`

func TestMountFindings(t *testing.T) {
	for _, row := range []struct {
		dir  string
		says []string // one for each finding
	}{
		{"/", nil},
		{"/var/lib/posd", nil},
		{"/data", []string{"barrier=0"}},
		{"/data/deep/er", []string{"barrier=0"}},
		{"/database", nil},
		{"/data/my pos/x", []string{"fsync_mode=nobarrier"}},
		{"/tmp/x", []string{"forgets everything"}},
		{"/over", []string{"layer"}},
		{"/net", []string{"another machine"}},
		{"/boot", []string{"no journal", "read-only"}},
		{"/twice", []string{"nobarrier"}},
	} {
		t.Run(row.dir, func(t *testing.T) {
			m, err := findMount(strings.NewReader(table), row.dir)
			if err != nil {
				t.Fatal(err)
			}
			found := m.findings()
			if len(found) != len(row.says) {
				t.Fatalf("got %v, want %d findings", found, len(row.says))
			}
			for i, f := range found {
				if f.Code != FindingMount || !strings.Contains(f.Detail, row.says[i]) {
					t.Errorf("got %+v, want %q", f, row.says[i])
				}
			}
		})
	}
}

func TestAnUnknownMountIsAnError(t *testing.T) {
	if _, err := findMount(strings.NewReader("22 27 0:21 / /proc rw - proc proc rw\n"), "/data"); err == nil {
		t.Error("no error")
	}
}

func TestLittleSpaceIsAFinding(t *testing.T) {
	found := CheckMount(t.TempDir()+"/journal.db", math.MaxInt64)
	if len(found) == 0 || found[len(found)-1].Code != FindingSpace {
		t.Errorf("got %v", found)
	}
	for _, f := range CheckMount(t.TempDir()+"/journal.db", 0) {
		if f.Code == FindingSpace {
			t.Errorf("got %v", f)
		}
	}
	if found := CheckMount("/no/such/folder/journal.db", 0); len(found) != 1 {
		t.Errorf("missing folder: %v", found)
	}
}

func TestPagesLargerThanOursAreAFinding(t *testing.T) {
	for _, row := range []struct {
		kernel int
		block  int64
		want   int
	}{{4096, 4096, 0}, {4096, 1024, 0}, {65536, 4096, 1}, {16384, 16384, 2}} {
		if found := checkPages(row.kernel, row.block); len(found) != row.want {
			t.Errorf("pages %d, blocks %d: %v, want %d findings", row.kernel, row.block, found, row.want)
		}
	}
}
