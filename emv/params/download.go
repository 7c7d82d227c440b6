package params

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Host is the other side: one management message and its answer. The error says that no
// answer came; a refusal is a code.
type Host interface {
	Manage(ctx context.Context, function uint16, data []byte) (code string, answer []byte, err error)
}

// Downloader fetches lists. One goroutine owns it. All fields are required.
type Downloader struct {
	Host  Host
	Shelf Shelf
	Now   func() time.Time // business clock
}

// Report is what became of a download.
type Report struct {
	What    What
	Version uint32 // now in force
	Items   int    // of the list in force; 0 where None
	Resumed int    // items of them that an earlier, interrupted download had brought
	None    bool   // the host has no such list: nothing was changed
}

// functions are the numbers of field 60.3 by which a list is fetched.
type functions struct {
	ask   uint16 // names what there is; 0 for a list that is not named
	fetch uint16
	end   uint16 // 0 for none
	check func(name, value []byte) error
	names func([]byte) ([][]byte, error)
	paged bool
}

var plans = map[What]functions{
	Parameters: {fetch: 360, check: checkBy(ParseTerminal)},
	CAKeys:     {ask: 372, fetch: 370, end: 371, check: checkKey, names: parseKeyNames},
	Applications: {
		ask: 382, fetch: 380, end: 381, check: checkApplication, names: parseAIDNames,
	},
	BlackList: {fetch: 390, end: 391, check: checkBy(ParseBlackList), paged: true},
	QPS:       {fetch: 394, end: 395, check: checkBy(ParseQuick)},
	TableB:    {fetch: 396, end: 397, check: checkBy(ParseBINs), paged: true},
	TableC:    {fetch: 398, end: 399, check: checkBy(ParseBINs), paged: true},
}

func checkBy[T any](parse func([]byte) (T, error)) func(name, value []byte) error {
	return func(_, value []byte) error { _, err := parse(value); return err }
}

func checkKey(name, value []byte) error {
	k, err := ParseCAKey(value)
	if err == nil && !bytes.Equal(append(k.RID[:], k.Index), name) {
		err = fmt.Errorf("params: CA key %X index %02X, asked for %X: %w", k.RID, k.Index, name, ErrFormat)
	}
	return err
}

func checkApplication(name, value []byte) error {
	a, err := ParseApplication(value)
	if err == nil && !bytes.Equal(a.AID, name) {
		err = fmt.Errorf("params: application %X, asked for %X: %w", a.AID, name, ErrFormat)
	}
	return err
}

// Download fetches one list, puts it in force, and tells the host that it has it. An error
// before that leaves the old list in force and what came on the shelf: the next call goes
// on. An error that comes with a Version is that of the last message: the list is in
// force, and the host will ask for the download again.
func (d *Downloader) Download(ctx context.Context, what What) (Report, error) {
	plan, ok := plans[what]
	if !ok {
		return Report{}, fmt.Errorf("params: download: %v is none", what)
	}
	r := Report{What: what}
	ready, err := d.fill(ctx, plan, &r)
	if err != nil {
		return r, fmt.Errorf("params: download %v: %w", what, err)
	}
	if ready {
		if err := d.enforce(ctx, &r); err != nil {
			return r, fmt.Errorf("params: download %v: %w", what, err)
		}
	}
	if plan.end != 0 {
		if _, err := d.manage(ctx, plan.end, nil); err != nil {
			return r, fmt.Errorf("params: download %v: end: %w", what, err)
		}
	}
	return r, nil
}

// fill brings the draft up to its last item. ready is false where the host has none.
func (d *Downloader) fill(ctx context.Context, plan functions, r *Report) (ready bool, err error) {
	switch {
	case plan.ask != 0:
		return d.fillNamed(ctx, plan, r)
	case plan.paged:
		return d.fillPages(ctx, plan, r)
	}
	return d.fillWhole(ctx, plan, r)
}

// enforce puts the draft in force. If the disk does not know whether it did, the list in
// force tells.
func (d *Downloader) enforce(ctx context.Context, r *Report) error {
	before, err := d.Shelf.List(ctx, r.What)
	if err != nil {
		return err
	}
	switched := d.Shelf.Switch(ctx, r.What, d.Now())
	now, err := d.Shelf.List(ctx, r.What)
	switch {
	case err != nil:
		return errors.Join(switched, err)
	case now.Version == before.Version:
		return errors.Join(switched, fmt.Errorf("version %d is still in force", now.Version))
	}
	r.Version, r.Items = now.Version, len(now.Items)
	return nil
}

// fillWhole fetches a list that is one message.
func (d *Downloader) fillWhole(ctx context.Context, plan functions, r *Report) (bool, error) {
	value, err := d.manage(ctx, plan.fetch, nil)
	if err != nil {
		return false, err
	}
	if r.What == QPS && len(value) > 0 && value[0] != 'F' {
		value = value[1:] // some hosts send the digit of the other lists here too
	}
	if len(value) == 0 {
		r.None = true
		return false, nil
	}
	if err := plan.check(nil, value); err != nil {
		return false, err
	}
	return true, d.Shelf.Begin(ctx, List{What: r.What, Time: d.Now(), Items: []Item{{Value: value}}})
}

// fillNamed asks what there is, and then for each.
func (d *Downloader) fillNamed(ctx context.Context, plan functions, r *Report) (bool, error) {
	names, err := d.names(ctx, plan)
	if err != nil || len(names) == 0 {
		r.None = err == nil
		return false, err
	}
	draft, err := d.draft(ctx, r.What, func(l *List) bool { return l.named(names) })
	if err != nil {
		return false, err
	}
	if draft == nil {
		draft = &List{What: r.What, Time: d.Now()}
		for _, name := range names {
			draft.Items = append(draft.Items, Item{Key: name})
		}
		if err := d.Shelf.Begin(ctx, *draft); err != nil {
			return false, err
		}
	}
	r.Resumed = len(names) - draft.Missing()
	size := draft.size()
	for i, it := range draft.Items {
		if it.Value != nil {
			continue
		}
		value, err := d.fetch(ctx, plan, nameOf(r.What, it.Key), it.Key)
		if err == nil {
			size += len(value)
			err = d.put(ctx, r.What, i, size, Item{it.Key, value})
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// nameOf writes the question for one key or application.
func nameOf(what What, key []byte) []byte {
	if what == Applications {
		return appendAIDName(nil, key)
	}
	var k CAKey
	copy(k.RID[:], key)
	k.Index = key[len(key)-1]
	return k.name(nil)
}

// fetch asks for one item and checks it.
func (d *Downloader) fetch(ctx context.Context, plan functions, ask, name []byte) ([]byte, error) {
	digit, value, err := d.question(ctx, plan.fetch, ask)
	if err != nil {
		return nil, err
	}
	if digit == none || len(value) == 0 {
		return nil, fmt.Errorf("function %d: the host named %X and has it not: %w", plan.fetch, name, ErrFormat)
	}
	return value, plan.check(name, value)
}

// fillPages fetches page after page, from the place at which the draft ends.
func (d *Downloader) fillPages(ctx context.Context, plan functions, r *Report) (bool, error) {
	draft, err := d.draft(ctx, r.What, func(*List) bool { return true })
	if err != nil {
		return false, err
	}
	fresh := draft == nil
	if fresh {
		draft = &List{What: r.What, Time: d.Now()}
	}
	r.Resumed = len(draft.Items)
	place, err := draft.entries()
	if err != nil {
		return false, err
	}
	size := draft.size()
	for page := len(draft.Items); ; page++ {
		value, last, err := d.page(ctx, plan, place)
		if err != nil {
			return false, err
		}
		if value == nil { // the host has no more
			r.None = page == 0
			return page > 0, nil
		}
		if fresh {
			if err := d.Shelf.Begin(ctx, *draft); err != nil {
				return false, err
			}
			fresh = false
		}
		size += len(value)
		if err := d.put(ctx, r.What, page, size, Item{nil, value}); err != nil {
			return false, err
		}
		if last {
			return true, nil
		}
		place += pageEntries(value)
	}
}

// page fetches the page from a place on; nil where the host has no more.
func (d *Downloader) page(ctx context.Context, plan functions, place int) (value []byte, last bool, err error) {
	if place > 999 {
		return nil, false, fmt.Errorf("function %d: more entries than a place of three digits counts: %w", plan.fetch, ErrLimit)
	}
	digit, value, err := d.question(ctx, plan.fetch, fmt.Appendf(nil, "%03d", place))
	if err != nil || digit == none {
		return nil, false, err
	}
	if err := plan.check(nil, value); err != nil {
		return nil, false, err
	}
	p, err := ParsePage(value, 1, longestPAN)
	switch {
	case err != nil:
		return nil, false, err
	case p.From != place:
		return nil, false, fmt.Errorf("function %d: page from %d, asked for %d: %w", plan.fetch, p.From, place, ErrFormat)
	case digit == more && len(p.Entries) == 0:
		return nil, false, fmt.Errorf("function %d: an empty page, and more to come: %w", plan.fetch, ErrFormat)
	}
	return value, digit != more, nil
}

// put stores an item, within the limits of a list.
func (d *Downloader) put(ctx context.Context, what What, at, size int, it Item) error {
	if at >= MaxPages || len(it.Value) > MaxItem || size > MaxBytes {
		return fmt.Errorf("item %d of %d bytes, %d all told: %w", at, len(it.Value), size, ErrLimit)
	}
	return d.Shelf.Put(ctx, what, at, it)
}

// draft returns the draft if it is young enough and fits; nil for none.
func (d *Downloader) draft(ctx context.Context, what What, fits func(*List) bool) (*List, error) {
	l, err := d.Shelf.Draft(ctx, what)
	if err != nil || l == nil {
		return nil, err
	}
	if age := d.Now().Sub(l.Time); age < 0 || age > DraftAge || !fits(l) {
		return nil, nil
	}
	return l, nil
}

// names asks for the names of what there is, part by part.
func (d *Downloader) names(ctx context.Context, plan functions) (out [][]byte, err error) {
	for range MaxNamed + 1 {
		digit, data, err := d.question(ctx, plan.ask, fmt.Appendf(nil, "1%02d", len(out)))
		if err != nil || digit == none {
			return out, err
		}
		part, err := plan.names(data)
		if err == nil {
			out, err = join(out, part)
		}
		if err != nil {
			return nil, fmt.Errorf("function %d: %w", plan.ask, err)
		}
		if digit != more {
			return out, nil
		}
	}
	return nil, fmt.Errorf("function %d: %d answers, and more to come: %w", plan.ask, MaxNamed+1, ErrLimit)
}

// join appends a part that names something, and nothing twice.
func join(out, part [][]byte) ([][]byte, error) {
	if len(part) == 0 {
		return nil, fmt.Errorf("an answer without a name: %w", ErrFormat)
	}
	for _, name := range part {
		for _, have := range out {
			if bytes.Equal(have, name) {
				return nil, fmt.Errorf("%X is named twice: %w", name, ErrFormat)
			}
		}
		out = append(out, name)
	}
	if len(out) > MaxNamed {
		return nil, fmt.Errorf("%d names, at most %d: %w", len(out), MaxNamed, ErrLimit)
	}
	return out, nil
}

// Digits with which an answer begins. 1 and 3 both say that nothing follows.
const (
	none = '0'
	all  = '1'
	more = '2'
	last = '3'
)

// question asks for something whose answer begins with a digit.
func (d *Downloader) question(ctx context.Context, function uint16, ask []byte) (digit byte, data []byte, err error) {
	answer, err := d.manage(ctx, function, ask)
	if err != nil {
		return 0, nil, err
	}
	if len(answer) == 0 || answer[0] < none || answer[0] > last {
		return 0, nil, fmt.Errorf("function %d: the answer does not begin with a digit 0 to 3: %w", function, ErrFormat)
	}
	return answer[0], bytes.Clone(answer[1:]), nil
}

func (d *Downloader) manage(ctx context.Context, function uint16, data []byte) ([]byte, error) {
	code, answer, err := d.Host.Manage(ctx, function, data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("function %d: %w", function, err)
	case code != "00":
		return nil, fmt.Errorf("function %d: host answered %s: %w", function, code, ErrRefused)
	}
	return answer, nil
}

// named tells whether the list has exactly these names, in this order.
func (l *List) named(names [][]byte) bool {
	if len(l.Items) != len(names) {
		return false
	}
	for i, it := range l.Items {
		if !bytes.Equal(it.Key, names[i]) {
			return false
		}
	}
	return true
}

// size counts the bytes of what is there.
func (l *List) size() (n int) {
	for _, it := range l.Items {
		n += len(it.Value)
	}
	return n
}

// entries counts those of all pages.
func (l *List) entries() (n int, err error) {
	for _, it := range l.Items {
		if _, err := ParsePage(it.Value, 1, longestPAN); err != nil {
			return 0, err
		}
		n += pageEntries(it.Value)
	}
	return n, nil
}

// pageEntries counts those of a page that was checked.
func pageEntries(value []byte) int {
	p, err := ParsePage(value, 1, longestPAN)
	if err != nil {
		return 0
	}
	return len(p.Entries)
}
