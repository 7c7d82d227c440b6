package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"posd/emv"
	"posd/emv/kernel"
	"posd/emv/params"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	shelf "posd/store/params"
	"posd/transport/control"
)

// parameters are what the host wants the terminal to be: the lists that it sent, and the
// downloads that it asked for.
type parameters struct {
	shelf  *shelf.Shelf
	set    *params.Set // replaced after a download, by the till
	orders params.Orders
}

// lists are the names of the lists on the control socket.
var lists = []struct {
	name string
	what params.What
}{
	{"parameters", params.Parameters},
	{"aids", params.Applications},
	{"ca-keys", params.CAKeys},
	{"blacklist", params.BlackList},
	{"contactless", params.QPS},
	{"bin-table-b", params.TableB},
	{"bin-table-c", params.TableC},
}

// openParameters reads the lists in force. One that cannot be read counts as not there.
func (a *agent) openParameters(ctx context.Context) (err error) {
	if a.params.shelf, err = shelf.New(a.disk.DB); err != nil {
		return err
	}
	a.params.set, err = params.Load(ctx, a.params.shelf)
	if err != nil {
		a.world.log.Error("parameters", "error", err)
	}
	return nil
}

// kernelConfig is the configuration's kernel with what the host sent in its place.
func (a *agent) kernelConfig() kernel.Config { return a.params.set.Kernel(a.cfg.kernelConfig()) }

// policy is the configuration's, within what the host allows: the narrower of both.
func (a *agent) policy() payment.Policy {
	p, t := a.cfg.policy(&complaints{}), a.params.set.Terminal
	if _, sent := a.params.set.InForce[params.Parameters]; !sent {
		return p
	}
	for _, k := range payment.Kinds() {
		if !a.params.set.Allows(k) {
			p.Off = append(p.Off, k)
		}
	}
	p.Manual = p.Manual && t.Manual
	p.TipPercent = min(p.TipPercent, t.TipMost)
	if !t.Tip {
		p.TipPercent = 0
	}
	p.Offline.MaxCount = min(p.Offline.MaxCount, t.Stored)
	return p
}

// terms are the settlement's.
func (a *agent) terms() batch.Terms { return batch.Terms{SignOff: a.params.set.Terminal.SignOff} }

// forwards tells whether stored payments go up at once, not only at the settlement.
func (a *agent) forwards() bool { return a.params.set.Terminal.AtOnce }

// enforce makes the lists in force count from the next payment on. The till runs it.
func (a *agent) enforce(ctx context.Context) error {
	set, err := params.Load(ctx, a.params.shelf)
	if err != nil {
		a.world.log.Error("parameters", "error", err)
	}
	old := a.params.set
	a.params.set = set
	k, err := kernel.New(a.kernelConfig())
	if err != nil { // the old ones go on: a terminal without a kernel takes nothing
		a.params.set = old
		return fmt.Errorf("posd: the parameters that the host sent cannot be used: %w", err)
	}
	a.till.term.Kernel, a.till.term.Policy = k, a.policy()
	a.till.term.Listed = a.listed
	return nil
}

// listed asks the black list in force.
func (a *agent) listed(pan emv.PAN, sequence int) bool {
	return a.params.set.OnExceptionFile(pan, sequence)
}

// download fetches lists, and puts them in force.
func (a *agent) download(ctx context.Context, what []params.What) error {
	d := &params.Downloader{Host: a.link, Shelf: a.params.shelf, Now: a.world.now}
	var failed error
	for _, w := range what {
		r, err := d.Download(ctx, w)
		failed = errors.Join(failed, err)
		a.world.log.Info("download", "list", w.String(), "version", r.Version, "items", r.Items, "none", r.None, "error", err)
	}
	return errors.Join(failed, a.enforce(ctx))
}

// doOrder does one job that the host asked for in the header of an answer. A job that fails
// is put off: the host asks again for what it still wants.
func (a *agent) doOrder(ctx context.Context) {
	job, ok := a.params.orders.Next()
	if !ok {
		return
	}
	var err error
	switch job {
	case params.JobSignOn:
		a.link.SignOn()
	case params.JobStatus:
		err = a.sendStatus(ctx)
	case params.JobUpdate:
		a.world.log.Warn("the host asks for an update of the program, which this agent does not do")
	default:
		err = a.download(ctx, job.Lists())
	}
	a.params.orders.Done(job)
	if err != nil {
		a.world.log.Warn("job for the host", "job", job.String(), "error", err)
	}
}

// sendStatus tells the host of the devices (function 362).
func (a *agent) sendStatus(ctx context.Context) error {
	var s params.Status
	for i, d := range []control.Device{a.reader.snapshot(), a.printer.snapshot(), a.pad.snapshot()} {
		s.Devices[i] = map[string]uint8{"loaded": 1, "failed": 0}[d.State]
		if d.State == "skipped" {
			s.Devices[i] = 2
		}
	}
	s.Devices[3], s.Devices[4] = 2, 2 // no modem, no magnetic-stripe reader of its own
	code, _, err := a.link.Manage(ctx, statusUpload, s.Append(nil))
	if err == nil && code != "00" {
		err = fmt.Errorf("posd: status upload: host answered %s", code)
	}
	return err
}

// statusUpload is the function of a status upload (终端状态上送).
const statusUpload = 362

// Download fetches a list of parameters, or all, and tells what is in force.
func (b backend) Download(ctx context.Context, name string) ([]control.Downloaded, error) {
	var what []params.What
	for _, l := range lists {
		if name == l.name || name == "all" {
			what = append(what, l.what)
		}
	}
	if what == nil {
		return nil, fmt.Errorf("%w: no list %.30q", control.ErrInvalid, name)
	}
	if err := b.a.locked(); err != nil {
		return nil, err
	}
	var out []control.Downloaded
	err := b.alone(ctx, func(ctx context.Context) error {
		err := b.a.download(ctx, what)
		out = b.a.inForce()
		return err
	})
	if errors.Is(err, payment.ErrNotSent) || errors.Is(err, payment.ErrNoAnswer) {
		err = fmt.Errorf("%w: %w", control.ErrNotReady, err)
	}
	return out, err
}

// inForce tells of every list, also of those that the host never sent.
func (a *agent) inForce() []control.Downloaded {
	out := make([]control.Downloaded, 0, len(lists))
	for _, l := range lists {
		v := a.params.set.InForce[l.what]
		row := control.Downloaded{List: l.name, Entries: v.Items, Since: v.Time}
		if v.Number > 0 {
			row.Version = strconv.FormatUint(uint64(v.Number), 10)
		}
		out = append(out, row)
	}
	return out
}
