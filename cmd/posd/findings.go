package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"posd/transport/control"
)

// linkSnapshot says how the line is.
func (a *agent) linkSnapshot() control.Link {
	s := a.link.Status()
	return control.Link{
		State: s.State.String(), Host: a.cfg.Host.Address.Text, Since: s.Since, LastEcho: s.LastEcho,
		RoundTrip: roundTrip(s.RoundTrip), Requests: s.Requests, Answers: s.Answers,
		Dropped: s.Dropped, Reconnects: s.Reconnects, LastError: s.LastError,
	}
}

// processSnapshot says what the agent costs the machine; a field is 0 where the system
// does not tell.
func processSnapshot() control.Process {
	p := control.Process{Goroutines: runtime.NumGoroutine()}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.Descriptors = len(files)
	}
	var pages, resident int
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if n, _ := fmt.Sscan(string(text), &pages, &resident); n == 2 {
			p.ResidentKiB = resident * os.Getpagesize() / 1024
		}
	}
	return p
}

func (a *agent) keySnapshot() []control.Key {
	var out []control.Key
	for _, k := range a.keys.KCVs() {
		out = append(out, control.Key{Name: k.Name, KCV: k.KCV, Since: k.Since})
	}
	return out
}

func (a *agent) storeSnapshot(ctx context.Context, s *control.Snapshot) {
	used, size := a.disk.DB.Size()
	count, _ := a.disk.Journal.Count()
	s.Store = control.Store{Path: a.disk.DB.Path(), Schema: a.disk.DB.Schema(), Size: used, Max: size, Payments: count}
	if id, err := a.disk.Journal.Next(ctx); err == nil {
		s.Batch, s.NextSTAN = id.Batch, id.STAN
	}
	owed, err := a.disk.Journal.Owed(ctx)
	if err != nil {
		s.Findings = append(s.Findings, control.StoreFailed.With(err.Error()))
	}
	for _, rec := range owed {
		s.Owed = append(s.Owed, entry(rec))
	}
	waiting, err := a.disk.Journal.Waiting(ctx)
	if err != nil {
		s.Findings = append(s.Findings, control.StoreFailed.With(err.Error()))
	}
	for _, rec := range waiting {
		s.Waiting = append(s.Waiting, entry(rec))
	}
}

// clockSkewSeconds is how far the clocks may be apart before it is a finding.
const clockSkewSeconds = 120

// findings gathers what is wrong or worth knowing; s is complete but for them.
func (a *agent) findings(s *control.Snapshot) []control.Finding {
	out := s.Findings
	for _, f := range a.disk.findings() {
		out = append(out, control.Code(f.Code).With(f.Detail))
	}
	if r := a.disk.Journal.Room(); r.Full {
		out = append(out, control.JournalFull.With(r.Why))
	}
	if h := s.Housing; h.Locked {
		detail := fmt.Sprintf("%s, %s", h.Source, h.Since.Format(time.DateTime))
		if left := a.latch.State().Unerased; left != "" {
			detail += "; the keys may still be on disk: " + left
		}
		out = append(out, control.Tampered.With(detail))
	}
	out = append(out, deviceFindings(s.Devices)...)
	if waiting, held := a.spool.Left(); waiting > 0 {
		out = append(out, control.Unprinted.With(fmt.Sprintf("%d slips wait, %d of them until the printer is seen to", waiting, held)))
	}
	out = append(out, a.enrolmentFindings()...)
	out = append(out, a.keyFindings(s)...)
	if len(s.Owed) > 0 {
		out = append(out, control.ReversalOwed.With(fmt.Sprintf("%d, the oldest %s", len(s.Owed), s.Owed[0].ID)))
	}
	if len(s.Waiting) > 0 {
		out = append(out, control.StoredWaiting.With(fmt.Sprintf("%d, the oldest %s", len(s.Waiting), s.Waiting[0].ID)))
	}
	if d := a.skew.Load(); d > clockSkewSeconds || d < -clockSkewSeconds {
		out = append(out, control.ClockSkew.With(fmt.Sprintf("the host's clock is %+d s from ours", d)))
	}
	if a.cfg.testKeys() {
		out = append(out, control.TestKeys.With("a CA key is marked test: true in the configuration"))
	}
	return control.Visible(out)
}

func deviceFindings(devices []control.Device) []control.Finding {
	codes := map[string]control.Code{
		"reader": control.ReaderFailed, "pinpad": control.PINPadFailed, "printer": control.PrinterFailed,
		"display": control.DisplayFailed, "lamps": control.LampsFailed,
	}
	var out []control.Finding
	for _, d := range devices {
		switch {
		case d.State == "failed":
			out = append(out, codes[d.Name].With(d.Why))
		case d.Name == "printer" && d.Why != "" && d.State == "loaded":
			out = append(out, control.PaperOut.With(d.Why))
		}
	}
	return out
}

func (a *agent) keyFindings(s *control.Snapshot) []control.Finding {
	switch {
	case !a.hasMaster():
		return []control.Finding{control.NoMasterKey.With("load one with posctl keys load")}
	case s.Link.State == "signing on":
		return []control.Finding{control.NotSignedOn.With(s.Link.LastError)}
	case s.Link.State != "up":
		return []control.Finding{control.LinkDown.With(s.Link.LastError)}
	}
	return nil
}
