package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"posd/transport/control"
	"posd/ui/text"
)

func (t *tool) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: t.word("cli.status"), Args: t.args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return worked(t.showStatus(cmd)) },
	}
	t.outputFlag(cmd)
	return cmd
}

func (t *tool) showStatus(cmd *cobra.Command) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	snap, err := agent.Snapshot(cmd.Context())
	if err != nil {
		return err
	}
	if t.output == "json" {
		return t.json(snap)
	}
	t.terminal(snap)
	t.link(snap.Link)
	t.devices(snap.Devices)
	t.keys(snap.Keys)
	t.storage(snap)
	t.findings(snap.Findings)
	return nil
}

func (t *tool) json(v any) error {
	enc := json.NewEncoder(t.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// row writes a label and its values.
func (t *tool) row(label text.Key, values ...string) {
	var shown []string
	for _, v := range values {
		if v != "" {
			shown = append(shown, printable(v))
		}
	}
	fmt.Fprintf(t.out, "%s%s\n", text.Fit(t.word(label), 18), strings.Join(shown, "  "))
}

func (t *tool) terminal(s control.Snapshot) {
	ready := t.word("tui.not_ready")
	if s.Ready {
		ready = t.word("tui.ready")
	}
	fmt.Fprintln(t.out, ready)
	t.row("tui.terminal", s.Terminal, s.Name)
	t.row("tui.merchant", s.Merchant)
	t.row("cli.serial", s.Serial)
	t.row("cli.version", s.Version)
	t.row("tui.batch", fmt.Sprintf("%06d", s.Batch))
	t.row("cli.next_voucher", fmt.Sprintf("%06d", s.NextSTAN))
}

func (t *tool) link(l control.Link) {
	since := ""
	if !l.Since.IsZero() {
		since = l.Since.Format(moment)
	}
	t.row("tui.link", text.Name(t.lang, "link", l.State), l.Host, since, l.RoundTrip)
	if l.LastError != "" {
		t.row("tui.last_error", l.LastError)
	}
}

func (t *tool) devices(devices []control.Device) {
	for _, d := range devices {
		t.row(text.Key("diag."+d.Name), text.Name(t.lang, "dev", d.State), d.URL, d.Detail, d.Why)
	}
}

func (t *tool) keys(keys []control.Key) {
	for _, k := range keys {
		kcv := k.KCV
		if kcv == "" {
			kcv = t.word("tui.no_key")
		}
		t.row("tui.keys", text.Fit(k.Name, 4)+kcv)
	}
}

func (t *tool) storage(s control.Snapshot) {
	t.row("tui.store", fmt.Sprintf("%.1f/%.1f MB", float64(s.Store.Size)/(1<<20), float64(s.Store.Max)/(1<<20)), s.Store.Path)
	for _, e := range s.Owed {
		t.row("tui.owed", e.ID, e.Amount+" "+e.Currency, t.word("tui.tries", fmt.Sprint(e.Tries)), e.Why)
	}
}

// findings writes what is wrong and what to do, worst first.
func (t *tool) findings(all []control.Finding) {
	visible := control.Visible(all)
	if len(visible) == 0 {
		fmt.Fprintln(t.out, t.word("tui.all_good"))
	}
	for _, f := range visible {
		row := control.Definition{Code: f.Code}
		what := t.word(text.Key(row.Title()))
		if f.Detail != "" {
			what += ": " + printable(f.Detail)
		}
		fmt.Fprintf(t.out, "%s %s\n    %s\n", mark(f.Severity), what, t.word(text.Key(row.Do())))
	}
}

// mark is how bad a finding is, at a glance.
func mark(s control.Severity) string {
	switch s {
	case control.Error:
		return "[X]"
	case control.Warning:
		return "[!]"
	}
	return "[i]"
}

// printable replaces what would steer the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7F && r < 0xA0 {
			return '.'
		}
		return r
	}, s)
}
