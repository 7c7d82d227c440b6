package simulate

import (
	"context"
	"errors"
	"time"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store/archive"
	"posd/store/journal"
)

// checkedBook stops whoever calls it once the power is gone.
type checkedBook struct {
	batch.Book
	l *life
}

func (b checkedBook) Save(ctx context.Context, s *batch.Settlement) error {
	err := b.Book.Save(ctx, s)
	b.l.settling("save", s, err)
	return err
}

func (b checkedBook) Close(ctx context.Context, s *batch.Settlement) error {
	err := b.Book.Close(ctx, s)
	b.l.settling("close", s, err)
	return err
}

func (l *life) settling(verb string, s *batch.Settlement, err error) {
	l.w.note("settlement: %s %06d phase %d, next %d%s", verb, s.Batch, s.Phase, s.Next, because(err))
	l.alive()
}

// checkedUploads is batch.Host with the power in mind, and a moment between its answer and
// what follows.
type checkedUploads struct {
	host batch.Host
	l    *life
}

func (h checkedUploads) after(verb, code string, err error) {
	h.l.pause(h.l.w.orders.between(time.Microsecond, time.Millisecond))
	h.l.w.note("terminal: %s: %q%s", verb, code, because(err))
	h.l.alive()
}

// Settle sends the totals.
func (h checkedUploads) Settle(ctx context.Context, s *batch.Settlement) (batch.Answer, error) {
	h.l.alive()
	a, err := h.host.Settle(ctx, s)
	h.after("settle", a.Code, err)
	return a, err
}

// UploadGroup sends up to eight payments.
func (h checkedUploads) UploadGroup(ctx context.Context, number uint32, group []*payment.Record) (string, error) {
	h.l.alive()
	code, err := h.host.UploadGroup(ctx, number, group)
	h.after("upload group", code, err)
	return code, err
}

// UploadOne sends one payment.
func (h checkedUploads) UploadOne(ctx context.Context, number uint32, u batch.Upload) (string, error) {
	h.l.alive()
	code, err := h.host.UploadOne(ctx, number, u)
	h.after("upload one", code, err)
	return code, err
}

// End ends the upload.
func (h checkedUploads) End(ctx context.Context, number uint32, balanced bool, uploaded int) (string, error) {
	h.l.alive()
	code, err := h.host.End(ctx, number, balanced, uploaded)
	h.after("end", code, err)
	return code, err
}

// SignOff ends the day.
func (h checkedUploads) SignOff(ctx context.Context) error {
	h.l.alive()
	err := h.host.SignOff(ctx)
	h.after("sign off", "", err)
	return err
}

// totals is the slip of a settlement.
type totals struct{ l *life }

// Print prints it.
func (t totals) Print(_ context.Context, s *batch.Settlement, unsent []*payment.Record) error {
	t.l.pause(t.l.w.paperDice.between(time.Second, 2*time.Second))
	t.l.w.note("printer: totals of %06d, %d unsent", s.Batch, len(unsent))
	return nil
}

func (l *life) buildSettler() (err error) {
	l.settler, err = batch.New(batch.Config{
		Book: checkedBook{l.journal, l}, Host: checkedUploads{l.link, l}, Payments: l.terminal, Slip: totals{l},
		Now: l.w.now, Log: l.w.log, SignOn: l.signOn, At: l.atSettlement,
		Terms: func() batch.Terms { return batch.Terms{Everything: l.w.everything} },
	})
	return err
}

func (l *life) signOn(ctx context.Context) error {
	l.link.SignOn()
	return l.link.WaitUp(ctx)
}

func (l *life) atSettlement(p batch.Point) {
	if l.power.hits(l.w.weather().power) {
		l.cut("at settlement " + string(p))
	}
	l.alive()
}

// settleBatch settles the batch, or goes on with a settlement.
func (l *life) settleBatch() error {
	res, err := l.settler.Settle(l.ctx, "00")
	l.alive()
	l.settled("settle", res, err)
	return err
}

// resume goes on with a settlement that is under way, and settles where the journal is
// full, as cmd/posd does.
func (l *life) resume() {
	res, err := l.settler.Resume(l.ctx)
	l.alive()
	if res.Settlement != nil || err != nil {
		l.settled("resume", res, err)
	}
	if err == nil && res.Settlement == nil && l.journal.Room().Full {
		l.w.note("till: the journal is full")
		_ = l.settleBatch() // the trace has it
	}
}

func (l *life) settled(verb string, res batch.Result, err error) {
	l.w.note("till: %s: left %d%s", verb, res.Left, because(err))
	if res.Settlement == nil || res.Settlement.Phase != batch.Closed {
		return
	}
	l.w.stats.Settled++
	if res.Settlement.DomesticVerdict != batch.Balanced {
		l.w.stats.Unbalanced++
	}
}

// archived reads the payments of all closed batches.
func (l *life) archived() ([]*payment.Record, error) {
	files, err := l.archive.Files()
	if err != nil {
		return nil, err
	}
	var out []*payment.Record
	for _, f := range files {
		_, readErr := l.archive.Read(l.ctx, f.Name, func(e archive.Entry) error {
			rec, err := journal.FromArchive(e)
			out = append(out, rec)
			return err
		})
		err = errors.Join(err, readErr)
	}
	return out, err
}
