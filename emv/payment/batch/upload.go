package batch

import (
	"context"
	"fmt"

	"posd/emv/payment"
)

// groupSize is the most payments of one message, and of one commit.
const groupSize = 8

// job is one upload: a line of a group where kind is 0.
type job struct {
	id       payment.ID
	kind     UploadKind
	balanced bool
}

// details tells whether the upload is one of those that field 48 of the end counts.
func (j job) details() bool { return j.kind != UploadTC && j.kind != UploadBadARPC }

// plan lists the uploads in their order: the payments made online, which go in groups;
// notices and offline chip payments, one by one; then the cards' cryptograms. Details are
// for the class of cards whose totals differ, cryptograms for all.
func plan(s *Settlement, c *count) []job {
	var groups, ones, proofs []job
	for _, it := range c.items {
		balanced := s.balanced(it.domestic)
		wanted := it.money && (s.Everything || !balanced)
		switch {
		case wanted && it.kind == 0:
			groups = append(groups, job{it.id, 0, balanced})
		case wanted:
			ones = append(ones, job{it.id, it.kind, balanced})
		}
		if it.proof != 0 {
			proofs = append(proofs, job{it.id, it.proof, balanced})
		}
	}
	return append(append(groups, ones...), proofs...)
}

// balanced tells what the host said of one class of cards. A host that says nothing of a
// class without payments has nothing against it.
func (s *Settlement) balanced(domestic bool) bool {
	verdict, totals := s.ForeignVerdict, s.Foreign
	if domestic {
		verdict, totals = s.DomesticVerdict, s.Domestic
	}
	return verdict == Balanced || (verdict == 0 && totals == Totals{})
}

// upload sends what the plan has after s.Next, and saves its place after each eight
// payments that the host confirmed. What it confirmed and the disk does not know goes up
// again after a power cut, eight at most.
func (r *run) upload(ctx context.Context) error {
	jobs := plan(r.cur, r.count)
	for r.cur.Next < len(jobs) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("batch: upload of batch %06d: %w", r.cur.Batch, err)
		}
		next := *r.cur
		err := r.some(ctx, &next, jobs[next.Next:])
		if err == nil {
			next.Phase = Uploading
			err = r.save(ctx, &next)
		}
		if err != nil {
			return err
		}
		r.At(AfterProgress)
	}
	return nil
}

// some sends the next eight uploads, and moves next past those that the host answered.
func (r *run) some(ctx context.Context, next *Settlement, jobs []job) error {
	jobs = jobs[:min(len(jobs), groupSize)]
	lines := 0
	for lines < len(jobs) && jobs[lines].kind == 0 {
		lines++
	}
	if lines > 0 {
		if err := r.group(ctx, next, jobs[:lines]); err != nil {
			return err
		}
		jobs = nil // a group has a commit of its own
	}
	for _, j := range jobs {
		if err := r.one(ctx, next, j); err != nil {
			return err
		}
	}
	return nil
}

// group sends one group. One that the host refuses as a whole is sent line by line, so
// that one payment which it does not like takes no other with it.
func (r *run) group(ctx context.Context, next *Settlement, jobs []job) error {
	recs := make([]*payment.Record, 0, len(jobs))
	for _, j := range jobs {
		rec, err := r.Book.Card(ctx, j.id)
		if err != nil {
			return fmt.Errorf("batch: upload %v: %w", j.id, err)
		}
		recs = append(recs, rec)
	}
	taken, err := r.ask(ctx, "upload group", func() (string, error) { return r.Host.UploadGroup(ctx, next.Batch, recs) })
	if err != nil {
		return err
	}
	if !taken && len(jobs) > 1 {
		for i := range jobs {
			if err := r.group(ctx, next, jobs[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	r.passed(next, jobs, taken)
	return nil
}

func (r *run) one(ctx context.Context, next *Settlement, j job) error {
	rec, err := r.Book.Card(ctx, j.id)
	if err != nil {
		return fmt.Errorf("batch: upload %v: %w", j.id, err)
	}
	taken, err := r.ask(ctx, "upload", func() (string, error) {
		return r.Host.UploadOne(ctx, next.Batch, Upload{j.kind, j.balanced, rec})
	})
	if err != nil {
		return err
	}
	r.passed(next, []job{j}, taken)
	return nil
}

// passed moves on: the host answered for these.
func (r *run) passed(next *Settlement, jobs []job, taken bool) {
	r.At(AfterUpload)
	next.Next += len(jobs)
	for _, j := range jobs {
		switch {
		case !taken:
			next.Rejected = append(next.Rejected[:len(next.Rejected):len(next.Rejected)], j.id)
			r.Log.Warn("host refused an upload", "payment", j.id)
		case j.details():
			next.Uploaded++
		}
	}
}
