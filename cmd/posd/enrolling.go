package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"posd/store/enrolment"
	"posd/transport/control"
	"posd/transport/enrol"
)

// The steps of an enrolment, and what comes after it: the record compared with the host's,
// the certificate renewed.

// errAgain says that the terminal was enrolled, and that the agent starts anew.
var errAgain = errors.New("enrolled: to be started anew")

// enrolTerminal does the steps of transport/enrol's doc.go. Each may be repeated after a
// power cut: the identity is on disk before the host is asked, and the host gives the same
// identity the same answer.
func (a *agent) enrolTerminal(ctx context.Context, act control.Activation) (out control.Enrolment, err error) {
	client, err := a.cfg.enrolClient(act, a.world.now)
	if err != nil {
		return out, fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	if client == nil {
		return out, fmt.Errorf("%w: enrolment.address is missing", control.ErrInvalid)
	}
	id, err := a.pendingIdentity()
	if err != nil {
		return out, err
	}
	answer, err := client.Enrol(ctx, id, act.Code)
	if err != nil {
		return out, refused(err)
	}
	if err := a.fits(answer.Record); err != nil {
		return out, err
	}
	if err := a.takeMaster(ctx, id, answer); err != nil {
		return out, err
	}
	if err := a.complete(answer); err != nil {
		return out, err
	}
	a.world.log.Info("enrolled", "terminal", answer.Record.Terminal, "merchant", answer.Record.Merchant, "serial", answer.Record.Serial)
	a.enrolled.again <- struct{}{}
	return a.enrolmentSnapshot(), nil
}

// refused gives the socket's error to what the host refuses by a code.
func refused(err error) error {
	var no *enrol.Refusal
	if errors.As(err, &no) && no.Code != "busy" && no.Code != "failed" {
		return fmt.Errorf("%w: %w", control.ErrInvalid, err)
	}
	return err
}

// pendingIdentity is the identity of an enrolment that was begun, or a new one, on disk.
func (a *agent) pendingIdentity() (*enrol.Identity, error) {
	secret, err := a.enrolled.store.Pending()
	if err == nil {
		id, err := enrol.ParseIdentity(secret)
		clear(secret)
		if err == nil && id.Serial() == a.cfg.Terminal.Serial.Text {
			return id, nil
		}
	} else if !errors.Is(err, enrolment.ErrNotEnrolled) {
		return nil, err
	}
	id, err := enrol.NewIdentity(a.cfg.Terminal.Serial.Text, enrol.DefaultBits)
	if err != nil {
		return nil, err
	}
	if secret, err = id.Marshal(); err != nil {
		return nil, err
	}
	defer clear(secret)
	return id, a.enrolled.store.SavePending(secret, a.world.now())
}

// fits refuses other numbers while payments of the old ones are not settled: nobody could
// settle them afterwards.
func (a *agent) fits(r enrol.Record) error {
	have, err := a.enrolled.store.Record()
	if errors.Is(err, enrolment.ErrNotEnrolled) {
		return nil
	}
	if err != nil {
		return err
	}
	n, _ := a.disk.Journal.Count()
	if n > 0 && (have.Record.Terminal != r.Terminal || have.Record.Merchant != r.Merchant) {
		return fmt.Errorf("%w: the host says terminal %s of merchant %s, but %d payments of terminal %s are not settled",
			control.ErrInvalid, r.Terminal, r.Merchant, n, have.Record.Terminal)
	}
	return nil
}

// takeMaster puts the master key into key store and PIN pad.
func (a *agent) takeMaster(ctx context.Context, id *enrol.Identity, answer enrol.Answer) error {
	info, err := a.keys.LoadMasterDelivery(answer.Authority, id.Transport(), answer.Context, answer.Delivery)
	if err != nil {
		return err
	}
	if info.KCV != answer.KCV {
		return fmt.Errorf("posd: master key has check value %s, the host says %s", info.KCV, answer.KCV)
	}
	block, err := a.keys.MasterBlock(a.world.rand)
	if err != nil {
		return err
	}
	return a.loadPadKey(ctx, block)
}

func (a *agent) complete(answer enrol.Answer) error {
	id := enrolment.Identity{Certificate: answer.Certificate, CA: answer.CA, Key: answer.Key}
	if err := a.enrolled.store.Complete(enrolment.Record(answer.Record), id, a.world.now()); err != nil {
		return err
	}
	_, err := a.enrolled.load()
	return err
}

// Times of what is done when the terminal is idle.
const (
	compareEvery = time.Hour
	renewFirst   = time.Minute // the wait after a renewal that failed; doubled up to:
	renewMost    = time.Hour
	idleEvery    = time.Second // how often a busy till is looked at again
	lookEvery    = time.Hour   // at the date, so that a clock that was set is seen
)

// keepEnrolment compares and renews until ctx ends or the terminal was enrolled anew.
func (a *agent) keepEnrolment(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(a.untilRenewal(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-a.enrolled.again:
			timer.Stop()
			return errAgain
		case <-a.enrolled.wake:
			timer.Stop()
			a.compareRecord(ctx)
		case <-timer.C:
			wait = a.renewDue(ctx, wait)
		}
	}
}

// untilRenewal is how long nothing is to be done; wait is the back-off of a renewal that
// failed.
func (a *agent) untilRenewal(wait time.Duration) time.Duration {
	if wait > 0 {
		return wait
	}
	renews := a.enrolmentSnapshot().Renews
	if renews.IsZero() {
		return lookEvery
	}
	return min(max(renews.Sub(a.world.now()), 0), lookEvery)
}

// renewDue renews where it is time and the till is idle. It returns the wait before the
// next try, 0 for the date's.
func (a *agent) renewDue(ctx context.Context, wait time.Duration) time.Duration {
	s := a.enrolmentSnapshot()
	if !s.Enrolled || a.world.now().Before(s.Renews) || !a.cfg.enrols() || a.latch.Tripped() {
		return 0
	}
	if a.busy.Load() {
		return idleEvery
	}
	err := a.renew(ctx)
	a.enrolled.note(err)
	if err != nil {
		a.world.log.Warn("renewal of the certificate", "expires", s.Expires, "error", err)
		return min(max(2*wait, renewFirst), renewMost)
	}
	now := a.enrolmentSnapshot()
	a.world.log.Info("certificate renewed", "expires", now.Expires)
	if !now.Renews.After(a.world.now()) {
		return renewFirst // a host that gives short ones is not asked all the time
	}
	return 0
}

// note keeps why the last renewal failed.
func (e *enrolled) note(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed = ""; err != nil {
		e.failed = err.Error()
	}
}

// renew gets the next certificate and stores it; the link shows it from its next
// connection on. Numbers and keys do not change by it.
func (a *agent) renew(ctx context.Context) error {
	client, err := a.presentClient()
	if err != nil {
		return err
	}
	cert, err := a.enrolled.certificate()
	if err != nil {
		return err
	}
	next, err := enrol.NewRenewal(a.cfg.Terminal.Serial.Text)
	if err != nil {
		return err
	}
	answer, err := client.Renew(ctx, *cert, next)
	if err != nil {
		return err
	}
	have, err := a.enrolled.store.Record()
	if err != nil {
		return err
	}
	for _, d := range have.Record.Compare(enrolment.Record(answer.Record)) {
		if d.Grave {
			return fmt.Errorf("posd: the host holds another record: %v", d)
		}
	}
	answer.Record = enrol.Record(have.Record) // what differs is told, not taken over unseen
	return a.complete(answer)
}

// presentClient is a client for a terminal that is enrolled: by the configured authority,
// or the one that the enrolment has pinned.
func (a *agent) presentClient() (*enrol.Client, error) {
	id, err := a.enrolled.store.Certificate()
	if err != nil {
		return nil, err
	}
	clear(id.Key)
	return enrol.New(enrol.Config{Host: a.cfg.Enrolment.Address.Text, CA: id.CA, Now: a.world.now})
}

// compareRecord asks the host what it holds of the terminal, once an hour at most. Each
// difference is a finding; the log has it once.
func (a *agent) compareRecord(ctx context.Context) {
	e, now := &a.enrolled, a.world.now()
	e.mu.Lock()
	cert := e.cert
	soon := now.Sub(e.asked) < compareEvery && !now.Before(e.asked)
	e.mu.Unlock()
	if cert == nil || a.byFile() || soon || !a.cfg.enrols() {
		return
	}
	found, err := a.differences(ctx, now)
	if err != nil {
		a.world.log.Warn("record of the host", "error", err)
		return
	}
	out := make([]control.Difference, 0, len(found))
	for _, d := range found {
		a.world.log.Warn("the host holds another record", "field", d.Field, "grave", d.Grave)
		if d.Field == "bank" {
			d.Here, d.Host = maskAccount(d.Here), maskAccount(d.Host)
		}
		out = append(out, control.Difference{Field: d.Field, Here: d.Here, There: d.Host, With: "host", Grave: d.Grave})
	}
	e.mu.Lock()
	e.differs, e.asked = out, now
	e.mu.Unlock()
	a.world.log.Info("record compared", "differences", len(found))
}

func (a *agent) differences(ctx context.Context, now time.Time) ([]enrolment.Difference, error) {
	client, err := a.presentClient()
	if err != nil {
		return nil, err
	}
	cert, err := a.enrolled.certificate()
	if err != nil {
		return nil, err
	}
	answer, err := client.Record(ctx, *cert)
	if err != nil {
		return nil, err
	}
	return a.enrolled.store.Compare(enrolment.Record(answer.Record), now)
}
