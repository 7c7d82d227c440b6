package hostsim

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"posd/emv/params"
	"posd/host-sim/acquirer"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// manager is a terminal's side of the downloads, over a signed-on line.
type manager struct {
	*running
	line  hosttest.Line
	order byte // of the last answer
}

func (m *manager) Manage(_ context.Context, function uint16, data []byte) (string, []byte, error) {
	resp, err := m.term.Ask(m.line, iso8583.Function(function), data)
	if err != nil {
		return "", nil, err
	}
	return resp.Code, resp.Data, nil
}

// Exchange makes the manager a line that remembers what was ordered.
func (m *manager) Exchange(frame []byte) ([]byte, error) {
	answer, err := m.line.Exchange(frame)
	if err == nil {
		header, _, perr := iso8583.CUP().Parse(answer)
		m.order, err = header.Order, perr
	}
	return answer, err
}

// shelf keeps lists in memory.
type shelf struct {
	lists  map[params.What]params.List
	drafts map[params.What]*params.List
}

func (s *shelf) List(_ context.Context, w params.What) (params.List, error) { return s.lists[w], nil }

func (s *shelf) Draft(_ context.Context, w params.What) (*params.List, error) {
	return s.drafts[w], nil
}

func (s *shelf) Begin(_ context.Context, l params.List) error {
	s.drafts[l.What] = &l
	return nil
}

func (s *shelf) Put(_ context.Context, w params.What, at int, it params.Item) error {
	l := s.drafts[w]
	for len(l.Items) <= at {
		l.Items = append(l.Items, params.Item{})
	}
	l.Items[at] = it
	return nil
}

func (s *shelf) Switch(_ context.Context, w params.What, at time.Time) error {
	if s.drafts[w] == nil {
		return errors.New("no draft")
	}
	l := *s.drafts[w]
	l.Version, l.Complete, l.Time = s.lists[w].Version+1, true, at
	s.lists[w], s.drafts[w] = l, nil
	return nil
}

// TestListsAsTheTerminalReadsThem: the terminal's own downloader takes everything that the
// seed has, and the host stops ordering it. The two share no code.
func TestListsAsTheTerminalReadsThem(t *testing.T) {
	r := boot(t)
	var many []Item
	for i := range 40 {
		many = append(many, Item{Content: fmt.Appendf(nil, "6277%02d", i)})
	}
	black := []Item{{Content: []byte("6277000000000029")}, {Content: []byte("6277000000000037")}}
	for list, items := range map[string][]Item{acquirer.ListTableB: many, acquirer.ListBlack: black} {
		if err := r.SetList(t.Context(), list, "", items); err != nil {
			t.Fatal(err)
		}
	}
	m := &manager{running: r, line: r.signedOn()}
	over := &manager{running: r, line: m}
	s := &shelf{map[params.What]params.List{}, map[params.What]*params.List{}}
	d := params.Downloader{Host: over, Shelf: s, Now: time.Now}
	want := map[params.What]int{
		params.Parameters: 1, params.Applications: 3, params.CAKeys: 1, params.BlackList: 1, params.QPS: 1, params.TableB: 3, params.TableC: 0,
	}
	if _, err := r.term.Manage(m, iso8583.Echo); err != nil || m.order != acquirer.OrderParameters {
		t.Errorf("before: order %d, %v; want 1", m.order, err)
	}
	for _, w := range params.All() {
		report, err := d.Download(t.Context(), w)
		if err != nil || report.Items != want[w] || report.None != (want[w] == 0) {
			t.Errorf("%v: %+v, %v; want %d items", w, report, err, want[w])
		}
	}
	if _, err := r.term.Manage(m, iso8583.Echo); err != nil || m.order != 0 {
		t.Errorf("after: order %d, %v; want 0", m.order, err)
	}
	app, err := params.ParseApplication(s.lists[params.Applications].Items[0].Value)
	if err != nil || !app.Partial || !app.OnlinePIN || app.ContactlessLimit != 100000 {
		t.Errorf("application: %+v, %v", app, err)
	}
	terminal, err := params.ParseTerminal(s.lists[params.Parameters].Items[0].Value)
	if err != nil || terminal.Merchant != "测试商户 TEST MERCHANT" || !terminal.Manual || terminal.TipMost != 15 {
		t.Errorf("parameters: %+v, %v", terminal, err)
	}
}

// TestOrders: a newer list, a person's wish, and what ends them.
func TestOrders(t *testing.T) {
	r := boot(t)
	m := &manager{running: r, line: r.signedOn()}
	echo := func(want byte) {
		t.Helper()
		if _, err := r.term.Manage(m, iso8583.Echo); err != nil || m.order != want {
			t.Errorf("order %d, %v; want %d", m.order, err, want)
		}
	}
	ask := func(f iso8583.Function, data string, want string) {
		t.Helper()
		if resp, err := r.term.Ask(m, f, []byte(data)); err != nil || resp.Code != want {
			t.Errorf("function %v: %+v, %v; want %s", f, resp, err, want)
		}
	}
	set := func(job uint8) {
		t.Helper()
		if err := r.SetOrder(t.Context(), testTID, job); err != nil {
			t.Fatal(err)
		}
	}
	echo(acquirer.OrderParameters)
	ask(iso8583.Parameters, "", "00")
	echo(acquirer.OrderCAKeys)
	ask(iso8583.CAKeyList, "100", "00")
	echo(acquirer.OrderCAKeys) // not before the end
	ask(iso8583.CAKeysEnd, "", "00")
	ask(iso8583.AIDList, "100", "00")
	if err := r.SetList(t.Context(), acquirer.ListApplications, "", []Item{{Name: "A0", Content: []byte{0x9F, 0x06, 1, 0xA0}}}); err != nil {
		t.Fatal(err)
	}
	ask(iso8583.AIDsEnd, "", "00")
	echo(acquirer.OrderApplications) // what it has is older than what there is now
	ask(iso8583.AIDList, "100", "00")
	ask(iso8583.AIDsEnd, "", "00")
	echo(acquirer.OrderQPS)
	ask(iso8583.QPS, "", "00")
	ask(iso8583.QPSEnd, "", "00")
	echo(0)
	set(acquirer.OrderStatus)
	echo(acquirer.OrderStatus)
	ask(iso8583.Status, "011021031041051", "00")
	echo(0)
	set(acquirer.OrderSignOn)
	sale := r.term.Sale(r.rich, 100)
	r.want(m, sale, "00")
	if m.order != acquirer.OrderSignOn {
		t.Errorf("a sale's answer orders %d, want 3", m.order)
	}
	if _, err := r.term.Manage(m, iso8583.SignOnDouble); err != nil || m.order != 0 {
		t.Errorf("after the sign-on: order %d, %v", m.order, err)
	}
	set(acquirer.OrderUpdate)
	echo(acquirer.OrderUpdate)
	if err := r.ClearOrder(t.Context(), testTID, acquirer.OrderUpdate); err != nil {
		t.Fatal(err)
	}
	echo(0)
	if err := r.SetOrder(t.Context(), testTID, 7); err == nil {
		t.Error("job 7 was taken")
	}
	if got, err := r.Statuses(t.Context(), testTID); err != nil || len(got) != 1 || got[0].Text != "011021031041051" {
		t.Errorf("statuses: %+v, %v", got, err)
	}
	ask(iso8583.CAKeyList, "2", "30")
	ask(iso8583.BINTableB, "1234", "30")
	ask(iso8583.CAKeys, "", "00") // no such key: the digit 0
}

// TestOwnParameters: a terminal's own entry goes before that of all.
func TestOwnParameters(t *testing.T) {
	r := boot(t)
	if err := r.SetList(t.Context(), acquirer.ListParameters, testTID, []Item{{Name: "12", Content: []byte("30")}}); err != nil {
		t.Fatal(err)
	}
	c := r.signedOn()
	resp, err := r.term.Ask(c, iso8583.Parameters, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := params.ParseTerminal(resp.Data)
	if err != nil || p.Timeout != 30*time.Second || p.TipMost != 15 {
		t.Errorf("parameters: %+v, %v", p, err)
	}
}

// TestBadLists: what no terminal could read is not put.
func TestBadLists(t *testing.T) {
	r := boot(t)
	for name, items := range map[string][]Item{
		"no such list":          nil,
		acquirer.ListBlack:      {{Content: []byte("12x")}},
		acquirer.ListQPS:        {{Name: "FF8058"}},
		acquirer.ListCAKeys:     make([]Item, 100),
		acquirer.ListParameters: {{Name: "22", Content: make([]byte, 501)}},
	} {
		if err := r.SetList(t.Context(), name, "", items); err == nil {
			t.Errorf("%s was put", name)
		}
	}
	for _, s := range []SeedLists{
		{Parameters: map[string]string{"12": "6"}},
		{Parameters: map[string]string{"99": "6"}},
		{Applications: []SeedApplication{{AID: "A00"}}},
		{CAKeys: []SeedCAKey{{RID: "xx"}}},
	} {
		if err := r.applyLists(t.Context(), s); err == nil {
			t.Errorf("applied: %+v", s)
		}
	}
}
