package spool_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"posd/emv/payment"
	"posd/store"
	"posd/store/spool"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// printed is the paper in order: + whole, - not; c a copy.
func (w *world) printed() (out []string) {
	for _, p := range w.paper {
		s := "-"
		if p.whole {
			s = "+"
		}
		if p.copy {
			s += "c "
		}
		out = append(out, s+p.what)
	}
	return out
}

func (w *world) want(t *testing.T, what ...string) {
	t.Helper()
	if got := w.printed(); !slices.Equal(got, what) {
		t.Errorf("on paper %q, want %q", got, what)
	}
}

const (
	merchant1 = "000001/000001 1"
	holder1   = "000001/000001 2"
	payment1  = "000001/000001"
)

func TestAReceiptCostsNoCommitOfItsOwn(t *testing.T) {
	w := newWorld(t)
	before := w.db.Stats().Commits
	w.sell()
	if got := w.db.Stats().Commits - before; got != 3 {
		t.Errorf("%d commits, 3 are the payment's", got)
	}
	w.want(t, "+"+merchant1, "+"+holder1)
	w.sell() // takes the mark to the disk
	w.paper = nil
	must(t, w.mend())
	w.want(t, "+c 000001/000002") // the last one's mark was not on disk yet
}

func TestAJobCostsOneCommit(t *testing.T) {
	w := newWorld(t)
	before := w.db.Stats().Commits
	for i := range 5 {
		must(t, w.spool.Add(ctx, spool.Job{ID: fmt.Sprint("report ", i), Kind: "report", Data: []byte("x")}))
		_, err := w.spool.Work(ctx)
		must(t, err)
	}
	if got := w.db.Stats().Commits - before; got != 5 {
		t.Errorf("%d commits for 5 jobs", got)
	}
	must(t, w.spool.Flush(ctx))
	must(t, w.spool.Flush(ctx))
	if got := w.db.Stats().Commits - before; got != 6 {
		t.Errorf("%d commits after Flush, want 6", got)
	}
	w.restart()
	if waiting, _ := w.spool.Left(); waiting != 0 {
		t.Errorf("%d wait after Flush and restart", waiting)
	}
	w.want(t, "+report 0", "+report 1", "+report 2", "+report 3", "+report 4")
}

func TestAPrinterThatWasOffPrintsTheOriginalsOnce(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 0
	rec := w.sell()
	w.reverse()
	must(t, w.spool.Add(ctx, spool.Job{ID: "report"}))
	for range 60 { // an hour of tries
		left, err := w.spool.Work(ctx)
		if left != 4 || !errors.Is(err, spool.ErrUntouched) {
			t.Fatalf("%d left, %v", left, err)
		}
	}
	w.dieAt = slipLength + 1
	left, err := w.spool.Work(ctx)
	if left != 0 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	w.want(t, "+"+merchant1, "+"+holder1, "+000001/000002 1", "+report")
	got, err := w.jnl.Get(ctx, rec.ID)
	if err != nil || !got.Printed {
		t.Errorf("the journal says printed: %v, %v", got.Printed, err)
	}
}

func TestWhatWasTouchedIsACopyFromThenOn(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 3
	w.sell()
	w.dieAt = 0
	if _, err := w.spool.Work(ctx); err == nil {
		t.Error("printed by a printer that is off")
	}
	w.dieAt = slipLength + 1
	_, err := w.spool.Work(ctx)
	must(t, err)
	// The merchant's copy was begun, and again by the try for the cardholder's.
	w.want(t, "-"+merchant1, "-c "+payment1, "+c "+payment1, "+"+holder1)
}

func TestAfterARestartEverythingIsACopy(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 0
	w.sell()
	w.reverse()
	must(t, w.spool.Add(ctx, spool.Job{ID: "report"}))
	must(t, w.mend())
	w.want(t, "+c 000001/000002", "+c report", "+c "+payment1)
}

// The merchant's copy is on paper, the cardholder's is not: the journal must not hear that
// the receipt is printed, for after a power cut it is all that is left.
func TestAReceiptIsPrintedWhenBothOfItsCopiesAre(t *testing.T) {
	w := newWorld(t)
	slip := 0
	w.before = func() {
		if slip++; slip > 1 {
			w.dieAt = 0
		}
	}
	rec := w.sell()
	w.sell() // whose commits take all marks to the disk
	for _, cut := range []bool{false, true} {
		got, err := w.jnl.Get(ctx, rec.ID)
		if err != nil || got.Printed {
			t.Errorf("printed: %v, %v", got.Printed, err)
		}
		if cut {
			must(t, w.mend())
		}
	}
	w.want(t, "+"+merchant1, "+c "+payment1, "+c 000001/000002")
}

// A printer that prints and never confirms does not use up the roll.
func TestAJobIsHeldAfterThreeTries(t *testing.T) {
	w := newWorld(t)
	w.dieAt = slipLength
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"}))
	must(t, w.spool.Add(ctx, spool.Job{ID: "B"}))
	for range 100 {
		_, _ = w.spool.Work(ctx)
	}
	w.want(t, "+A", "+c A", "+c A", "+B", "+c B", "+c B")
	if waiting, held := w.spool.Left(); waiting != 2 || held != 2 {
		t.Errorf("%d wait, %d held", waiting, held)
	}
	rec := w.take(payment.ReversalOwed, payment.Reversed)
	for range 4 {
		if err := w.spool.Print(ctx, rec, payment.MerchantCopy); err == nil || w.dieAt == 0 && !errors.Is(err, spool.ErrHeld) {
			t.Errorf("Print: %v", err)
		}
	}
	w.dieAt = slipLength + 1
	if left, err := w.spool.Work(ctx); left != 3 || err != nil {
		t.Errorf("held ones: %d left, %v", left, err)
	}
	if err := w.spool.Print(ctx, rec, payment.MerchantCopy); !errors.Is(err, spool.ErrHeld) {
		t.Errorf("a held slip: %v", err)
	}
	w.paper = nil
	w.spool.Release()
	left, err := w.spool.Work(ctx)
	if left != 0 || err != nil {
		t.Errorf("released: %d left, %v", left, err)
	}
	w.want(t, "+c A", "+c B", "+c "+payment1)
}

func TestWhatCannotBePrintedDoesNotStandInTheWay(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 0
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"}))
	must(t, w.spool.Add(ctx, spool.Job{ID: "poison"}))
	must(t, w.spool.Add(ctx, spool.Job{ID: "B"}))
	w.dieAt, w.refuse = slipLength+1, "poison"
	left, err := w.spool.Work(ctx)
	if left != 0 || !errors.Is(err, spool.ErrUnprintable) || !strings.Contains(err.Error(), "poison") {
		t.Errorf("%d left, %v", left, err)
	}
	w.want(t, "+A", "+B")
	if err := w.mend(); !errors.Is(err, spool.ErrUnprintable) {
		t.Errorf("after a restart: %v", err)
	}
	w.want(t, "+A", "+B", "+c A", "+c B") // no commit since, so all come once more, but poison
	w.refuse = merchant1
	if err := w.spool.Print(ctx, w.take(payment.Declined), payment.MerchantCopy); !errors.Is(err, spool.ErrUnprintable) {
		t.Errorf("a slip: %v", err)
	}
}

func TestAddingTwiceIsOneJob(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 0
	before := w.db.Stats().Commits
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"}))
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"}))
	rec := w.take(payment.Declined)
	for range 3 {
		_ = w.spool.Print(ctx, rec, payment.CardholderCopy)
		_ = w.spool.Print(ctx, rec, payment.Reprint) // it waits already
	}
	if waiting, _ := w.spool.Left(); waiting != 2 || w.db.Stats().Commits-before != 4 {
		t.Errorf("%d wait, %d commits", waiting, w.db.Stats().Commits-before)
	}
	w.dieAt = slipLength + 1
	_, err := w.spool.Work(ctx)
	must(t, err)
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"})) // it is printed: this is a new one
	_, err = w.spool.Work(ctx)
	must(t, err)
	w.want(t, "+A", "+"+holder1, "+A")
}

func TestAReprintByRequestIsAJob(t *testing.T) {
	w := newWorld(t)
	rec := w.sell()
	rec.Printed = true
	w.dieAt = 0
	if err := w.spool.Print(ctx, rec, payment.Reprint); !errors.Is(err, spool.ErrUntouched) {
		t.Errorf("Print: %v", err)
	}
	w.dieAt = slipLength + 1
	_, err := w.spool.Work(ctx)
	must(t, err)
	w.want(t, "+"+merchant1, "+"+holder1, "+c "+payment1)
}

func TestThePaymentsOwnRecoveryDoesNotPrintTwice(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 0
	w.sell()
	w.dieAt = slipLength + 1
	w.restart()
	left, err := w.jnl.Unprinted(ctx)
	must(t, err)
	for _, rec := range left { // as emv/payment does at boot
		must(t, w.spool.Print(ctx, rec, payment.Reprint))
		w.jnl.Printed(rec.ID)
	}
	_, err = w.spool.Work(ctx)
	must(t, err)
	w.want(t, "+c "+payment1)
}

func TestMoreReceiptsThanTheLimitBecomeCopies(t *testing.T) {
	w := newWorld(t)
	w.limit = 3
	w.restart()
	w.dieAt = 0
	var wanted []string
	for range 5 {
		wanted = append(wanted, w.sell().ID.String())
	}
	rec := w.take(payment.Answered, payment.Completed)
	if err := w.spool.Print(ctx, rec, payment.MerchantCopy); !errors.Is(err, spool.ErrFull) {
		t.Errorf("beyond the limit: %v", err)
	}
	if waiting, _ := w.spool.Left(); waiting != 3 {
		t.Errorf("%d wait, 3 may", waiting)
	}
	w.dieAt = slipLength + 1
	left, err := w.spool.Work(ctx)
	if left != 0 || err != nil {
		t.Fatalf("%d left, %v", left, err)
	}
	if err := w.audit(append(wanted, rec.ID.String())); err != nil {
		t.Error(err)
	}
	if recs, err := w.jnl.Unprinted(ctx); len(recs) != 0 || err != nil {
		t.Errorf("%d unprinted, %v", len(recs), err)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.limit = 2
	w.restart()
	w.dieAt = 0
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"}))
	must(t, w.spool.Add(ctx, spool.Job{ID: "B"}))
	if err := w.spool.Add(ctx, spool.Job{ID: "C"}); !errors.Is(err, spool.ErrFull) {
		t.Errorf("a third: %v", err)
	}
	for name, job := range map[string]spool.Job{
		"no ID":   {},
		"long ID": {ID: strings.Repeat("x", 65)},
		"kind":    {ID: "x", Kind: strings.Repeat("x", 33)},
		"data":    {ID: "x", Data: make([]byte, 16<<10+1)},
		"slip":    {ID: "x", Payment: payment.ID{Batch: 1, STAN: 1}},
	} {
		if err := w.spool.Add(ctx, job); err == nil || errors.Is(err, spool.ErrFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, cfg := range []spool.Config{
		{},
		{DB: w.db, Journal: w.jnl, Receipts: slips{w}, Documents: w.document, Limit: -1},
		{DB: w.db, Journal: w.jnl, Receipts: slips{w}, Documents: w.document, Tries: -1},
	} {
		if _, err := spool.Open(ctx, cfg); err == nil {
			t.Errorf("opened with %+v", cfg)
		}
	}
}

// Jobs take no room from the journal beyond half a megabyte.
func TestJobsHaveABoundInBytes(t *testing.T) {
	w := newWorld(t)
	w.limit = 1000
	w.cfg.Path += ".large"
	w.cfg.MaxSize = 4 << 20
	must(t, w.db.Close())
	w.boot()
	w.dieAt = 0
	stored := 0
	for ; stored < 100; stored++ {
		err := w.spool.Add(ctx, spool.Job{ID: fmt.Sprint(stored), Data: make([]byte, 16<<10)})
		if errors.Is(err, spool.ErrFull) {
			break
		}
		must(t, err)
	}
	if stored != 32 {
		t.Errorf("%d jobs of 16 KiB", stored)
	}
}

func TestListAndDrop(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 3
	rec := w.take(payment.Answered, payment.Completed)
	_ = w.spool.Print(ctx, rec, payment.MerchantCopy)
	must(t, w.spool.Add(ctx, spool.Job{ID: "A", Kind: "report", Data: []byte("x")}))
	list := w.spool.List()
	if len(list) != 2 || list[0].Payment != rec.ID || !list[0].Touched || list[0].Tried != 1 || list[1].ID != "A" || list[1].Touched {
		t.Fatalf("%+v", list)
	}
	for _, waiting := range list {
		must(t, w.spool.Drop(ctx, waiting.ID))
	}
	if err := w.spool.Drop(ctx, "A"); !errors.Is(err, spool.ErrNoJob) {
		t.Errorf("again: %v", err)
	}
	must(t, w.spool.Flush(ctx))
	must(t, w.jnl.Flush(ctx))
	must(t, w.mend())
	w.want(t, "-"+merchant1)
}

// A record of the spool that is damaged is told, as the journal tells of its own.
func TestDamage(t *testing.T) {
	w := newWorld(t)
	w.dieAt = 0
	must(t, w.spool.Add(ctx, spool.Job{ID: "A"}))
	must(t, w.db.Update(func(tx *store.Tx) error { return tx.PutBare("spool", make([]byte, 8), []byte("{}")) }))
	_, err := spool.Open(ctx, spool.Config{DB: w.db, Journal: w.jnl, Receipts: slips{w}, Documents: w.document})
	if !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
}
