package journal

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"posd/emv/payment"
	"posd/store"
	"posd/store/wal"
)

// benchStore is a store of the default size on the disk of the temporary folder (TMPDIR
// says which).
func benchStore(b testing.TB) *store.DB {
	b.Helper()
	dir := b.TempDir()
	random := rand.NewChaCha8(sha256.Sum256([]byte("bench")))
	key, err := store.FileDeviceKey(filepath.Join(dir, "device.key"), random)
	if err != nil {
		b.Fatal(err)
	}
	db, err := store.Open(store.Config{Path: filepath.Join(dir, "journal.db"), Key: key, Rand: random})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// written is what the kernel counted for this process: bytes handed to write calls, and
// bytes that it sent towards the disk. proc(5), /proc/pid/io.
func written(b testing.TB) (calls, disk uint64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ": ")
		n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		switch name {
		case "wchar":
			calls = n
		case "write_bytes":
			disk = n
		}
	}
	return calls, disk
}

// BenchmarkPayment is an approved sale, Begin to Completed, on disk: three commits. The
// journal is begun anew when it is full.
func BenchmarkPayment(b *testing.B) {
	for _, log := range []bool{true, false} {
		name := "two copies"
		if !log {
			name = "store alone"
		}
		b.Run(name, func(b *testing.B) { benchPayment(b, log) })
	}
}

func benchPayment(b *testing.B, log bool) {
	f := newFixture(b)
	f.t = b
	f.big()
	if !log {
		f.second.log = nil
	}
	before, logBefore := f.db.Stats(), f.wal.Stats()
	calls, disk := written(b)
	n := 0
	for b.Loop() {
		if n++; n%DefaultLimit == 0 {
			b.Fatalf("%d payments: use -benchtime=1000x", n)
		}
		rec := f.begin()
		f.move(rec, payment.Answered)
		f.move(rec, payment.Completed)
		f.Printed(rec.ID)
	}
	after, logAfter := f.db.Stats(), f.wal.Stats()
	callsAfter, diskAfter := written(b)
	per := float64(n)
	b.ReportMetric(float64(logAfter.Flushes-logBefore.Flushes)/per, "log-fsyncs/op")
	b.ReportMetric(float64(after.Commits-before.Commits)/per, "commits/op")
	b.ReportMetric(float64(after.Flushes-before.Flushes)/per, "fsyncs/op")
	b.ReportMetric(float64(after.Bytes-before.Bytes)/per, "stored-B/op")
	b.ReportMetric(float64(callsAfter-calls)/per, "wchar-B/op")
	b.ReportMetric(float64(diskAfter-disk)/per, "disk-B/op")
}

// BenchmarkBareCommit is one commit of bbolt on the same disk, by the same rules: a
// record of the same size, nothing sealed.
func BenchmarkBareCommit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bare.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 4096, NoFreelistSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }); err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 1200)
	calls, disk := written(b)
	n := uint64(0)
	for b.Loop() {
		n++
		if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put(keyOf(n), value) }); err != nil {
			b.Fatal(err)
		}
	}
	callsAfter, diskAfter := written(b)
	b.ReportMetric(2, "fsyncs/op")
	b.ReportMetric(float64(callsAfter-calls)/float64(n), "wchar-B/op")
	b.ReportMetric(float64(diskAfter-disk)/float64(n), "disk-B/op")
}

// BenchmarkOpen opens store and journal with 5000 payments: the tree is walked twice (by
// us and by bbolt), every record's seal is opened.
func BenchmarkOpen(b *testing.B) {
	f := newFixture(b)
	f.big()
	fillJournal(b, f.db, DefaultLimit)
	f.restart()
	for b.Loop() {
		f.restart()
	}
}

// big gives the fixture files of the default sizes.
func (f *fixture) big() {
	f.t.Helper()
	f.close()
	f.cfg.Path, f.log.Path = f.cfg.Path+".full", f.log.Path+".full"
	f.cfg.MaxSize, f.limit, f.log.Frames = store.DefaultMaxSize, DefaultLimit, wal.DefaultFrames
	f.open()
}

// Five thousand payments: RSS grows by less than 8 MiB. What is measured is the process
// that opens them for the first time.
func TestFiveThousandPaymentsInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 48 MiB")
	}
	f := newFixture(t)
	f.big()
	fillJournal(t, f.db, DefaultLimit)
	f.restart() // the log catches up
	f.close()
	debug.FreeOSMemory()
	before := rss(t)
	begin := time.Now()
	f.open()
	took := time.Since(begin)
	grown := rss(t) - before
	n, _ := f.Count()
	t.Logf("%d payments: open in %v, RSS %d KiB, of which this %d KiB", n, took, (before+grown)>>10, grown>>10)
	if grown > 8<<20 {
		t.Errorf("RSS grew by %d KiB, 8192 at most", grown>>10)
	}
	if took > time.Second {
		t.Errorf("open took %v, 1 s at most", took)
	}
}

// rss is the resident memory of this process: proc(5), /proc/pid/statm.
func rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// fillJournal stores n completed payments, a hundred in a transaction.
func fillJournal(t testing.TB, db *store.DB, n int) {
	t.Helper()
	for from := 0; from < n; from += 100 {
		err := db.Update(func(tx *store.Tx) error {
			for i := from; i < min(from+100, n); i++ {
				rec := fullRecord(uint32(i + 1))
				if err := putRecord(tx, entryFor(uint64(i+1), rec), rec, true); err != nil {
					return err
				}
			}
			h := head{first: 1, next: uint64(min(from+100, n)) + 1, batch: 1, stan: uint32(min(from+100, n))}
			return tx.PutBare(bucketHead, keyHead(), h.encode())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fullRecord is a completed payment with a reversal's worth of everything.
func fullRecord(stan uint32) *payment.Record {
	rec := request(payment.ID{Batch: 1, STAN: stan})
	rec.State = payment.Completed
	rec.Final = make([]byte, 60)
	rec.Answer = &payment.Answer{
		Code: "00", AuthCode: "123456", RRN: "012345678901", Time: "1123184500", SettleDate: "1124",
		Acquirer: "01020000000", Issuer: "01030000000", Text: strings.Repeat("text ", 12), ICC: make([]byte, 40), Amount: 1200,
	}
	rec.Reversal = &payment.Debt{Reason: payment.CardFailed, ICC: make([]byte, 60), Since: rec.Time, Tries: 9, Last: strings.Repeat("no answer ", 8)}
	rec.Facts.AID, rec.Facts.Label, rec.Facts.PreferredName = make([]byte, 8), "PBOC DEBIT", "银联借记"
	rec.Facts.Cryptogram, rec.Facts.IAD = make([]byte, 8), make([]byte, 32)
	rec.Why = "the host approved"
	return rec
}

// A store of the default size holds a full journal of the default size, with room for
// each of its records to be written once more.
func TestADefaultStoreHoldsADefaultJournal(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 32 MiB")
	}
	db := benchStore(t)
	fillJournal(t, db, DefaultLimit)
	j, err := Open(ctx, Config{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	for stan := uint32(1); stan <= DefaultLimit; stan += 50 {
		j.Printed(payment.ID{Batch: 1, STAN: stan})
	}
	if err := j.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	used, size := db.Size()
	t.Logf("%d payments: %d of %d KiB, a record has %d bytes", DefaultLimit, used>>10, size>>10, recordSize(t))
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
}

func recordSize(t testing.TB) int {
	b, err := encode(fullRecord(1))
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}
