package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is the child of the checks below: this test binary again.
func TestMain(m *testing.M) {
	switch os.Getenv("POSD_STORE_CHILD") {
	case "":
		os.Exit(m.Run())
	case "check":
		if err := ServeCheck(context.Background(), os.Stdin, os.Stdout, ReadDeviceKey); err != nil {
			io.WriteString(os.Stderr, err.Error())
			os.Exit(1)
		}
	case "hang":
		r, _, _ := os.Pipe()
		r.Read(make([]byte, 1)) // nobody ever writes
	case "die":
		panic("a damaged page")
	case "silent":
	}
}

// checked is a store in a folder with its device key in a file.
func checked(t *testing.T) (Config, CheckJob) {
	t.Helper()
	cfg := testConfig(t)
	keyFile := filepath.Join(filepath.Dir(cfg.Path), "device.key")
	var err error
	if cfg.Key, err = FileDeviceKey(keyFile, cfg.Rand); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, cfg)
	put(t, db, "k", strings.Repeat("value ", 100), "secret")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg, CheckJob{Path: cfg.Path, DeviceKey: keyFile}
}

// needOwnProcess skips where the kernel cannot run this binary: under an emulator that
// runs one process.
func needOwnProcess(t *testing.T) {
	t.Helper()
	if err := exec.Command(os.Args[0], "-test.list=^$").Run(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("this machine runs the test's binary in an emulator only: no child can be started")
	}
}

func child(mode string) Child {
	return Child{Exe: os.Args[0], Env: append(os.Environ(), "POSD_STORE_CHILD="+mode), Limit: 20 * time.Second}
}

func TestAChildTellsWhatTheFileIs(t *testing.T) {
	needOwnProcess(t)
	for _, row := range []struct {
		name string
		edit func(t *testing.T, cfg Config, job *CheckJob)
		mode string
		want Verdict
		says string
	}{
		{"good", func(*testing.T, Config, *CheckJob) {}, "check", Good, ""},
		{"no file", func(_ *testing.T, _ Config, job *CheckJob) { job.Path += ".none" }, "check", Missing, ""},
		{"no key", func(_ *testing.T, _ Config, job *CheckJob) { job.DeviceKey += ".none" }, "check", Unknown, "device key"},
		{"damaged", func(t *testing.T, cfg Config, _ *CheckJob) { turn(t, cfg.Path) }, "check", Damaged, "damaged"},
		{"foreign", func(t *testing.T, cfg Config, job *CheckJob) {
			job.DeviceKey += ".other"
			if _, err := FileDeviceKey(job.DeviceKey, cfg.Rand); err != nil {
				t.Fatal(err)
			}
		}, "check", Foreign, "another device"},
		{"newer", func(t *testing.T, cfg Config, _ *CheckJob) {
			db, err := open(cfg, version2(step{run: func(*Tx) error { return nil }}))
			if err != nil {
				t.Fatal(err)
			}
			db.Close()
		}, "check", Newer, "schema 2"},
		{"busy", func(t *testing.T, cfg Config, _ *CheckJob) { mustOpen(t, cfg) }, "check", Busy, ""},
		{"died", func(*testing.T, Config, *CheckJob) {}, "die", Damaged, "died"},
		{"silent", func(*testing.T, Config, *CheckJob) {}, "silent", Unknown, "no report"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, job := checked(t)
			row.edit(t, cfg, &job)
			r := child(row.mode).Check(context.Background(), job)
			if r.Verdict != row.want || !strings.Contains(r.Detail, row.says) {
				t.Errorf("got %v, want %v that says %q", r, row.want, row.says)
			}
			if row.want == Good && (r.Records != 2 || r.Schema != 1 || r.Size != MinMaxSize) {
				t.Errorf("report %+v", r)
			}
		})
	}
}

// turn breaks a long record in each page of the tree.
func turn(t *testing.T, path string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 2 * pageSize; at < int(layoutOf(int64(len(file))).data); at += pageSize {
		if last := bytes.LastIndexFunc(file[at:at+pageSize], func(r rune) bool { return r != 0 }); last >= 500 {
			file[at+last-400] ^= 1
		}
	}
	write(t, path, file)
}

func TestAChildThatHangsIsGivenUp(t *testing.T) {
	needOwnProcess(t)
	_, job := checked(t)
	c := child("hang")
	c.Limit = 300 * time.Millisecond
	r := c.Check(context.Background(), job)
	if r.Verdict != Hung || r.Took > 3*time.Second {
		t.Errorf("got %v after %v, want hung", r, r.Took)
	}
	if r := (Child{Exe: "/nowhere"}).Check(context.Background(), job); r.Verdict != Unknown {
		t.Errorf("no such program: %v, want unknown", r)
	}
}

func TestACheckWritesNothing(t *testing.T) {
	cfg, _ := checked(t)
	before, _ := os.ReadFile(cfg.Path)
	if err := os.Chmod(cfg.Path, 0o400); err != nil {
		t.Fatal(err)
	}
	if r := CheckFile(context.Background(), cfg.Path, cfg.Key); r.Verdict != Good {
		t.Error(r)
	}
	if after, _ := os.ReadFile(cfg.Path); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}

func TestABadFileIsSetAsideWholeAndANewOneMade(t *testing.T) {
	now := time.Date(2026, 11, 23, 18, 45, 0, 0, time.UTC)
	for _, v := range []Verdict{Damaged, Foreign, Hung} {
		cfg, _ := checked(t)
		before, _ := os.ReadFile(cfg.Path)
		db, o, err := OpenChecked(context.Background(), cfg, Report{Verdict: v}, now)
		if err != nil || !o.Made {
			t.Fatalf("%s: %+v %v", v, o, err)
		}
		if aside, _ := os.ReadFile(o.Aside); !bytes.Equal(aside, before) {
			t.Errorf("%s: %s is not the file that was there", v, o.Aside)
		}
		if _, _, err := get(t, db, "k"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: the new file has %v", v, err)
		}
		db.Close()
	}
}

// The report was of a moment before: damage that only the opening sees sets it aside too.
func TestWhatTheCheckMissedTheOpeningSees(t *testing.T) {
	cfg, _ := checked(t)
	write(t, cfg.Path, []byte("short"))
	db, o, err := OpenChecked(context.Background(), cfg, Report{Verdict: Unknown}, time.Unix(0, 0))
	if err != nil || o.Aside == "" || o.Report.Verdict != Damaged {
		t.Fatalf("%+v %v", o, err)
	}
	db.Close()
}

func TestAFileThatIsGoodBusyOrNewerStaysWhereItIs(t *testing.T) {
	cfg, _ := checked(t)
	for v, want := range map[Verdict]error{Busy: ErrLocked, Newer: ErrNewer} {
		if _, o, err := OpenChecked(context.Background(), cfg, Report{Verdict: v}, time.Unix(0, 0)); !errors.Is(err, want) || o.Aside != "" {
			t.Errorf("%s: %+v %v, want %v", v, o, err, want)
		}
	}
	for _, v := range []Verdict{Good, Unknown} {
		db, o, err := OpenChecked(context.Background(), cfg, Report{Verdict: v}, time.Unix(0, 0))
		if err != nil || o.Made || o.Aside != "" {
			t.Fatalf("%s: %+v %v", v, o, err)
		}
		if value, _, err := get(t, db, "k"); value == "" {
			t.Errorf("%s: %v", v, err)
		}
		db.Close()
	}
}

// A file in which one record is damaged is not thrown away whole, where its owner can
// mend it.
func TestADamagedRecordIsForItsOwnerToMend(t *testing.T) {
	needOwnProcess(t)
	for _, row := range []struct {
		mendable []string
		repair   bool
	}{{[]string{"b"}, true}, {[]string{"c"}, false}, {nil, false}} {
		cfg, job := checked(t)
		turn(t, cfg.Path)
		r := child("check").Check(context.Background(), job)
		db, o, err := OpenChecked(context.Background(), cfg, r, time.Unix(0, 0), row.mendable...)
		if err != nil || o.Repair != row.repair || (o.Aside == "") != row.repair {
			t.Fatalf("mendable %v: %+v %v", row.mendable, o, err)
		}
		db.Close()
	}
}
