package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"posd/device"
	"posd/emv"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/store/archive"
	"posd/store/journal"
	"posd/store/operators"
	"posd/store/spool"
	"posd/transport/control"
	"posd/ui/receipt"
	"posd/ui/text"
)

// kindOf reads the name of a kind of payment, as the command line writes it.
func kindOf(name string) (payment.Kind, error) {
	if name == "" {
		return payment.Sale, nil
	}
	for _, k := range payment.Kinds() {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%w: kind of payment %.30q", control.ErrInvalid, name)
}

// order reads what the socket asks for.
func (b backend) order(req control.PayRequest) (payment.Order, error) {
	kind, err := kindOf(req.Kind)
	if err != nil {
		return payment.Order{}, err
	}
	o := payment.Order{
		Kind: kind, Operator: req.Who.Number, Supervisor: req.Supervisor.Number,
		Amount: emv.Amount{Currency: b.a.cfg.currency()}, Swipe: req.Swipe,
		Original: payment.Original{RRN: req.Original.RRN, AuthCode: req.Original.AuthCode, Date: req.Original.Date},
	}
	if o.Operator == "" {
		o.Operator = b.a.cfg.Terminal.Operator.or("01")
	}
	if req.AuthCode != "" {
		o.Original.AuthCode = req.AuthCode
	}
	if req.Amount != "" {
		if o.Amount, err = emv.ParseAmount(req.Amount, b.a.cfg.currency()); err != nil {
			return payment.Order{}, fmt.Errorf("%w: %w", control.ErrInvalid, err)
		}
	}
	if req.Original.ID != "" {
		if o.Original.ID, err = parseID(req.Original.ID); err != nil {
			return payment.Order{}, err
		}
	}
	if req.Card.Number != "" {
		pan, err := emv.ParsePAN(req.Card.Number)
		if err != nil {
			return payment.Order{}, fmt.Errorf("%w: the typed card number is none", control.ErrInvalid)
		}
		o.Card = payment.TypedCard{PAN: pan, Expiry: req.Card.Expiry}
	}
	for _, number := range []string{o.Operator, o.Supervisor} {
		if number != "" && !twoDigits.MatchString(number) {
			return payment.Order{}, fmt.Errorf("%w: operator %.10q: two digits wanted", control.ErrInvalid, number)
		}
	}
	return o, nil
}

// authorised says whether the people behind an order are who they say, and may give it.
func (b backend) authorised(ctx context.Context, o payment.Order, req control.PayRequest) error {
	who := req.Who
	who.Number = o.Operator
	if err := b.a.staff.check(ctx, who, operators.Cashier); err != nil {
		return err
	}
	if o.Supervisor == "" {
		return nil
	}
	return b.a.staff.check(ctx, req.Supervisor, operators.Supervisor)
}

// Pay runs one payment on the till.
func (b backend) Pay(ctx context.Context, req control.PayRequest) (control.PayResult, error) {
	if err := b.a.locked(); err != nil {
		return control.PayResult{}, err
	}
	order, err := b.order(req)
	if err != nil {
		return control.PayResult{}, err
	}
	if err := b.authorised(ctx, order, req); err != nil {
		return control.PayResult{}, err
	}
	lang, err := text.ParseLang(req.Lang)
	if err != nil {
		lang = b.a.lang
	}
	return b.pay(ctx, order, lang)
}

// alone runs f on the till, and returns its error.
func (b backend) alone(ctx context.Context, f func(ctx context.Context) error) error {
	var failed error
	err := b.a.till.do(ctx, func(ctx context.Context) { failed = f(ctx) })
	return errors.Join(err, failed)
}

// Settle settles the batch on the till.
func (b backend) Settle(ctx context.Context, who control.Person) (out control.Settled, err error) {
	if err := b.a.locked(); err != nil {
		return out, err
	}
	if who.Number == "" {
		who.Number = b.a.cfg.Terminal.Operator.or("01")
	}
	if err := b.a.staff.check(ctx, who, operators.Cashier); err != nil {
		return out, err
	}
	err = b.alone(ctx, func(ctx context.Context) error {
		res, err := b.a.settler.Settle(ctx, who.Number)
		if res.Settlement != nil {
			out = b.settled(res.Settlement, res.Unsent)
		}
		return settleError(err)
	})
	return out, err
}

// settleError gives the socket's error to what a person can put right.
func settleError(err error) error {
	if errors.Is(err, batch.ErrEmpty) {
		return fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	if errors.Is(err, batch.ErrOwed) || errors.Is(err, batch.ErrHost) || errors.Is(err, payment.ErrNotSent) || errors.Is(err, payment.ErrNoAnswer) {
		return fmt.Errorf("%w: %w", control.ErrNotReady, err)
	}
	return err
}

// settled puts a settlement into words.
func (b backend) settled(s *batch.Settlement, unsent []*payment.Record) control.Settled {
	out := control.Settled{
		Batch: s.Batch, Began: s.Began, Phase: phases[s.Phase], Uploaded: s.Uploaded,
		Domestic: b.totals(s.Domestic, s.DomesticVerdict), Foreign: b.totals(s.Foreign, s.ForeignVerdict),
		Receipt: receipt.RenderSettlement(s, unsent, b.a.office(), false, b.a.lang).Text(),
	}
	for _, rec := range unsent {
		out.Unsent = append(out.Unsent, entry(rec))
	}
	return out
}

var phases = map[batch.Phase]string{
	batch.Begun: "begun", batch.Answered: "answered", batch.Uploading: "uploading", batch.Ended: "ended", batch.Closed: "closed",
}

func (b backend) totals(t batch.Totals, v batch.Verdict) control.Totals {
	words := map[batch.Verdict]string{batch.Balanced: "balanced", batch.Unbalanced: "unbalanced", batch.Failed: "failed"}
	count := func(c batch.Count) control.Count {
		return control.Count{Number: c.Number, Amount: emv.Amount{Minor: c.Amount, Currency: b.a.cfg.currency()}.String()}
	}
	return control.Totals{Debit: count(t.Debit), Credit: count(t.Credit), Verdict: words[v]}
}

// office is what the slips of a settlement need beside it.
func (a *agent) office() receipt.Batch {
	return receipt.Batch{
		Merchant: a.merchant(), Terminal: a.cfg.Terminal.ID.Text, Number: a.cfg.Terminal.Merchant.Text, Currency: a.cfg.currency(),
	}
}

// LastSettlement returns the settlement that is under way or was the last.
func (b backend) LastSettlement(ctx context.Context, print bool) (out control.Settled, err error) {
	s, unsent, err := b.a.lastSettlement(ctx)
	if err != nil {
		return out, err
	}
	out = b.settled(s, unsent)
	if !print {
		return out, nil
	}
	return out, b.alone(ctx, func(ctx context.Context) error {
		if err := b.a.spool.Add(ctx, settlementJob(s)); err != nil {
			return err
		}
		b.a.printQueue(ctx)
		return nil
	})
}

// lastSettlement finds the newest settlement, and the payments of its batch that the host
// refused: in the journal while it is open, in the archive afterwards.
func (a *agent) lastSettlement(ctx context.Context) (*batch.Settlement, []*payment.Record, error) {
	s, err := a.disk.Journal.Open(ctx)
	if s == nil && err == nil {
		s, err = a.disk.Journal.Last(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		return nil, nil, fmt.Errorf("%w: no batch was settled yet", control.ErrNoPayment)
	}
	unsent, err := a.unsentOf(ctx, s)
	return s, unsent, err
}

func (a *agent) unsentOf(ctx context.Context, s *batch.Settlement) (unsent []*payment.Record, err error) {
	keep := func(rec *payment.Record) error {
		if rec.State == payment.Stored || rec.State == payment.Refused {
			unsent = append(unsent, rec)
		}
		return nil
	}
	if s.Phase != batch.Closed {
		return unsent, a.disk.Journal.Records(ctx, s.Batch, keep)
	}
	if a.disk.Archive == nil {
		return nil, nil
	}
	name := archive.Name(s.Batch, s.Began)
	_, err = a.disk.Archive.Read(ctx, name, func(e archive.Entry) error {
		rec, err := journal.FromArchive(e)
		if err != nil {
			return err
		}
		return keep(rec)
	})
	return unsent, err
}

// Forward sends stored payments up.
func (b backend) Forward(ctx context.Context) (left int, err error) {
	if err := b.a.locked(); err != nil {
		return 0, err
	}
	err = b.alone(ctx, func(ctx context.Context) (err error) {
		left, err = b.a.till.term.Forward(ctx)
		return err
	})
	return left, err
}

// Search looks in the journal and in the archive.
func (b backend) Search(ctx context.Context, s control.Search) ([]control.Entry, error) {
	limit := s.Limit
	if limit <= 0 || limit > control.MaxJournal {
		limit = control.MaxJournal
	}
	var minor int64
	if s.Amount != "" {
		amount, err := emv.ParseAmount(s.Amount, b.a.cfg.currency())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", control.ErrInvalid, err)
		}
		minor = amount.Minor
	}
	recs, err := inJournal(ctx, b.a.disk.Journal, limit, func(r *payment.Record) bool { return found(r, s, minor) })
	if err != nil {
		return nil, err
	}
	old, err := settledPayments{b.a.disk.Archive}.search(ctx, archive.Query{
		From: s.From, To: s.To, Minor: minor, LastFour: s.LastFour, STAN: s.STAN, RRN: s.RRN, Limit: limit,
	})
	for _, e := range old {
		rec, decodeErr := journal.FromArchive(e)
		if err = errors.Join(err, decodeErr); decodeErr == nil {
			recs = append(recs, rec)
		}
	}
	if err != nil {
		b.a.world.log.Error("archive", "error", err)
	}
	out := make([]control.Entry, 0, len(recs))
	for _, rec := range recs[:min(limit, len(recs))] {
		out = append(out, entry(rec))
	}
	return out, nil
}

// lister reads payments of the journal, the newest first, from before a payment on.
type lister interface {
	List(ctx context.Context, limit int, before payment.ID) ([]*payment.Record, error)
	Count() (n, limit int)
}

// inJournal reads the whole journal, page by page, and returns the newest payments that
// are wanted, at most limit of them.
func inJournal(ctx context.Context, from lister, limit int, wanted func(*payment.Record) bool) ([]*payment.Record, error) {
	const page = 200
	var recs []*payment.Record
	var before payment.ID
	for left, _ := from.Count(); left > 0 && len(recs) < limit; left -= page {
		part, err := from.List(ctx, page, before)
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			break
		}
		before = part[len(part)-1].ID
		recs = append(recs, slices.DeleteFunc(part, func(r *payment.Record) bool { return !wanted(r) })...)
	}
	return recs[:min(limit, len(recs))], nil
}

// found tells whether a payment of the journal is one that is looked for.
func found(r *payment.Record, s control.Search, minor int64) bool {
	rrn := ""
	if r.Answer != nil {
		rrn = strings.TrimSpace(r.Answer.RRN)
	}
	return (s.From.IsZero() || !r.Time.Before(s.From)) && (s.To.IsZero() || !r.Time.After(s.To)) &&
		(minor == 0 || r.Amount.Minor == minor) && (s.LastFour == "" || strings.HasSuffix(r.Masked, s.LastFour)) &&
		(s.STAN == 0 || r.ID.STAN == s.STAN) && (s.RRN == "" || rrn == strings.TrimSpace(s.RRN))
}

// record finds a payment in the journal, or in the archive.
func (a *agent) record(ctx context.Context, id payment.ID) (*payment.Record, error) {
	rec, err := a.disk.Journal.Get(ctx, id)
	if errors.Is(err, payment.ErrNoRecord) {
		rec, err = settledPayments{a.disk.Archive}.Get(ctx, id)
	}
	if errors.Is(err, payment.ErrNoRecord) {
		return nil, fmt.Errorf("%w: %w", control.ErrNoPayment, err)
	}
	return rec, err
}

// settledPayments is the archive as a payment looks into it; the disk may have none.
type settledPayments struct{ archive *archive.Archive }

func (s settledPayments) search(ctx context.Context, q archive.Query) ([]archive.Entry, error) {
	if s.archive == nil {
		return nil, nil
	}
	return s.archive.Search(ctx, q)
}

// Get returns a payment of a closed batch, without card number.
func (s settledPayments) Get(ctx context.Context, id payment.ID) (*payment.Record, error) {
	found, err := s.search(ctx, archive.Query{Batch: id.Batch, STAN: id.STAN, Limit: 1})
	if len(found) == 0 {
		return nil, errors.Join(fmt.Errorf("posd: payment %v: %w", id, payment.ErrNoRecord), err)
	}
	return journal.FromArchive(found[0])
}

// Reprint prints the slip of a payment again, marked as a copy.
func (b backend) Reprint(ctx context.Context, id string) error {
	key, err := parseID(id)
	if err != nil {
		return err
	}
	rec, err := b.a.record(ctx, key)
	if err != nil {
		return err
	}
	return b.alone(ctx, func(ctx context.Context) error {
		if err := b.a.spool.Add(ctx, copyJob(rec.ID)); err != nil {
			return err
		}
		b.a.printQueue(ctx)
		return nil
	})
}

// SignOn has the line ask for new working keys.
func (b backend) SignOn(context.Context) error {
	if err := b.a.locked(); err != nil {
		return err
	}
	b.a.link.SignOn()
	return nil
}

// SignOff ends the day.
func (b backend) SignOff(ctx context.Context, who control.Person) error {
	if err := b.a.staff.check(ctx, who, operators.Cashier); err != nil {
		return err
	}
	return b.alone(ctx, b.a.link.SignOff)
}

// Kinds of print jobs beside slips.
const (
	jobSettlement = "settlement"
	jobCopy       = "copy" // of a payment's slip, by request
)

// settlementJob is the totals slip of a settlement; the queue finds it again by its batch.
func settlementJob(s *batch.Settlement) spool.Job {
	return spool.Job{ID: fmt.Sprintf("%s %06d", jobSettlement, s.Batch), Kind: jobSettlement, Data: fmt.Appendf(nil, "%06d", s.Batch)}
}

func copyJob(id payment.ID) spool.Job {
	return spool.Job{ID: jobCopy + " " + id.String(), Kind: jobCopy, Data: []byte(id.String())}
}

// documents prints what the queue holds beside slips.
func (a *agent) documents(ctx context.Context, job spool.Job, again bool) error {
	slip, err := a.document(ctx, job, again)
	if err != nil {
		return err
	}
	dev, err := a.printer.get(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", spool.ErrUntouched, err)
	}
	return printed(a.printer.failed(dev.Print(ctx, document(slip))))
}

func (a *agent) document(ctx context.Context, job spool.Job, again bool) (receipt.Slip, error) {
	switch job.Kind {
	case jobSettlement:
		s, unsent, err := a.lastSettlement(ctx)
		if err != nil {
			return receipt.Slip{}, err
		}
		if string(job.Data) != fmt.Sprintf("%06d", s.Batch) {
			return receipt.Slip{}, fmt.Errorf("posd: settlement of batch %s is not the last: %w", job.Data, spool.ErrUnprintable)
		}
		return receipt.RenderSettlement(s, unsent, a.office(), again, a.lang), nil
	case jobCopy:
		id, err := parseID(string(job.Data))
		if err != nil {
			return receipt.Slip{}, fmt.Errorf("%w: %w", spool.ErrUnprintable, err)
		}
		rec, err := a.record(ctx, id)
		if err != nil {
			return receipt.Slip{}, fmt.Errorf("%w: %w", spool.ErrUnprintable, err)
		}
		return receipt.Render(rec, a.merchant(), payment.Reprint, a.lang), nil
	}
	return receipt.Slip{}, fmt.Errorf("posd: print job of kind %q: %w", job.Kind, spool.ErrUnprintable)
}

// printed says what the queue wants to know of a print that failed.
func printed(err error) error {
	switch {
	case errors.Is(err, device.ErrDocument):
		return fmt.Errorf("%w: %w", spool.ErrUnprintable, err)
	case errors.Is(err, device.ErrUnprinted):
		return fmt.Errorf("%w: %w", spool.ErrUntouched, err)
	}
	return err
}

// totalsSlip is the settlement's port to the print queue.
type totalsSlip struct{ a *agent }

// Print puts the totals slip into the queue. What it says is in the journal.
func (t totalsSlip) Print(ctx context.Context, s *batch.Settlement, _ []*payment.Record) error {
	if err := t.a.spool.Add(ctx, settlementJob(s)); err != nil {
		return err
	}
	t.a.printQueue(ctx)
	return nil
}
