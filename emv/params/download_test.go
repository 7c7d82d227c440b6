package params

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"posd/emv"
	"posd/emv/tag"
	"posd/emv/tlv"
)

var ctx = context.Background()

var errLine = errors.New("no answer")

// shelf is a Shelf in memory, whose writes may fail before or after they were done.
type shelf struct {
	lists, drafts map[What]List
	writes        int
	fail          func(write int) (before, after bool)
}

func newShelf() *shelf {
	return &shelf{lists: map[What]List{}, drafts: map[What]List{}, fail: func(int) (a, b bool) { return false, false }}
}

func (s *shelf) write(change func()) error {
	s.writes++
	before, after := s.fail(s.writes)
	if before {
		return errors.New("disk")
	}
	change()
	if after {
		return errors.New("disk")
	}
	return nil
}

func (s *shelf) List(_ context.Context, what What) (List, error) {
	l := s.lists[what]
	l.What = what
	return l, nil
}

func (s *shelf) Draft(_ context.Context, what What) (*List, error) {
	l, ok := s.drafts[what]
	if !ok {
		return nil, nil
	}
	l.Items = slices.Clone(l.Items)
	return &l, nil
}

func (s *shelf) Begin(_ context.Context, l List) error {
	l.Items = slices.Clone(l.Items)
	return s.write(func() { s.drafts[l.What] = l })
}

func (s *shelf) Put(_ context.Context, what What, at int, it Item) error {
	return s.write(func() {
		l := s.drafts[what]
		l.Items = slices.Clone(l.Items)
		if at == len(l.Items) {
			l.Items = append(l.Items, it)
		}
		l.Items[at] = it
		s.drafts[what] = l
	})
}

func (s *shelf) Switch(_ context.Context, what What, at time.Time) error {
	return s.write(func() {
		l := s.drafts[what]
		l.Version, l.Complete, l.Time = s.lists[what].Version+1, true, at
		s.lists[what] = l
		delete(s.drafts, what)
	})
}

// host has lists, and answers as the message set says.
type host struct {
	keys    []CAKey
	apps    []Application
	pages   map[uint16][]string // by function
	whole   map[uint16][]byte
	perPart int // names in an answer
	calls   int
	lost    func(call int) bool
	ended   map[uint16]int
	answer  func(function uint16, data []byte) []byte // instead, where not nil
	code    string
}

func newHost() *host {
	h := &host{pages: map[uint16][]string{}, whole: map[uint16][]byte{}, perPart: 2, ended: map[uint16]int{}, code: "00", lost: func(int) bool { return false }}
	for i := range byte(5) {
		h.keys = append(h.keys, testKey(i+1))
		a := testApplication()
		a.AID = append(slices.Clone(a.AID), i)
		h.apps = append(h.apps, a)
	}
	for i := range 40 {
		h.pages[390] = append(h.pages[390], fmt.Sprintf("62770000%08d", i))
		h.pages[396] = append(h.pages[396], fmt.Sprintf("6277%02d", i))
		h.pages[398] = append(h.pages[398], fmt.Sprintf("6288%02d", i))
	}
	h.whole[360] = []byte("1245181")
	h.whole[394] = []byte("FF80540011")
	return h
}

func (h *host) Manage(_ context.Context, function uint16, data []byte) (string, []byte, error) {
	h.calls++
	if h.lost(h.calls) {
		return "", nil, errLine
	}
	if h.answer != nil {
		if out := h.answer(function, data); out != nil {
			return h.code, out, nil
		}
	}
	return h.code, h.serve(function, data), nil
}

func (h *host) serve(function uint16, data []byte) []byte {
	switch function {
	case 372:
		return h.names(data, len(h.keys), func(i int, dst []byte) []byte {
			return tlv.Append(h.keys[i].name(dst), tag.CAPublicKeyExpiry, []byte("20301231"))
		})
	case 382:
		return h.names(data, len(h.apps), func(i int, dst []byte) []byte { return appendAIDName(dst, h.apps[i].AID) })
	case 370:
		for _, k := range h.keys {
			if bytes.Equal(k.name(nil), data) {
				return k.Append([]byte{'1'})
			}
		}
		return []byte{'0'}
	case 380:
		for _, a := range h.apps {
			if bytes.Equal(appendAIDName(nil, a.AID), data) {
				return a.Append([]byte{'1'})
			}
		}
		return []byte{'0'}
	case 390, 396, 398:
		return h.page(h.pages[function], data)
	case 360, 394:
		return h.whole[function]
	}
	h.ended[function]++
	return nil
}

func (h *host) names(ask []byte, n int, name func(i int, dst []byte) []byte) []byte {
	var from int
	fmt.Sscanf(string(ask), "1%02d", &from)
	if from >= n {
		return []byte{'0'}
	}
	to := min(n, from+h.perPart)
	digit := byte('2')
	switch {
	case to == n && from == 0:
		digit = '1'
	case to == n:
		digit = '3'
	}
	out := []byte{digit}
	for i := from; i < to; i++ {
		out = name(i, out)
	}
	return out
}

func (h *host) page(all []string, ask []byte) []byte {
	var from int
	fmt.Sscanf(string(ask), "%03d", &from)
	if from >= len(all) {
		return []byte{'0'}
	}
	to := min(len(all), from+PageSize)
	digit := byte('2')
	if to == len(all) {
		digit = '3'
	}
	return Page{from, all[from:to]}.Append([]byte{digit})
}

func downloader(h *host, s *shelf) *Downloader {
	return &Downloader{Host: h, Shelf: s, Now: func() time.Time { return time.Unix(1e9, 0) }}
}

func TestDownloadEveryList(t *testing.T) {
	h, s := newHost(), newShelf()
	items := map[What]int{Parameters: 1, CAKeys: 5, Applications: 5, BlackList: 3, QPS: 1, TableB: 3, TableC: 3}
	for _, what := range All() {
		r, err := downloader(h, s).Download(ctx, what)
		if want := (Report{What: what, Version: 1, Items: items[what]}); err != nil || r != want {
			t.Errorf("%v: %+v %v", what, r, err)
		}
	}
	for _, end := range []uint16{371, 381, 391, 395, 397, 399} {
		if h.ended[end] != 1 {
			t.Errorf("function %d came %d times", end, h.ended[end])
		}
	}
	set, err := Load(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.CAKeys) != 5 || len(set.Applications) != 5 || set.Blocked() != 40 || len(set.TableB) != 40 || len(set.TableC) != 40 || !set.Quick.NoPIN || !set.Terminal.Tip {
		t.Errorf("%+v", set)
	}
	if listed, _ := emv.ParsePAN("6277000000000039"); !set.OnExceptionFile(listed, 1) {
		t.Error("a listed card is not found")
	}
	if other, _ := emv.ParsePAN("6277000000000041"); set.OnExceptionFile(other, 1) {
		t.Error("a card is found that is not listed")
	}
	if v := set.InForce[CAKeys]; v.Number != 1 || v.Items != 5 {
		t.Errorf("%+v", v)
	}
}

// interrupted downloads a second version with one failure, which fn arms, and holds that
// the list in force is the old one or the new one, whole, at every moment.
func interrupted(t *testing.T, what What, arm func(h *host, s *shelf)) {
	t.Helper()
	h, s := newHost(), newShelf()
	if _, err := downloader(h, s).Download(ctx, what); err != nil {
		t.Fatal(err)
	}
	old := s.lists[what]
	h.keys, h.apps = h.keys[:4], h.apps[:4]
	for f, all := range h.pages {
		h.pages[f] = all[:35]
	}
	h.whole[360], h.whole[394] = []byte("1250"), []byte("FF80540010")
	h.calls, s.writes = 0, 0
	arm(h, s)
	_, err := downloader(h, s).Download(ctx, what)
	if now := s.lists[what]; now.Version == 1 && !reflect.DeepEqual(now, old) {
		t.Errorf("%v: the old list is not what it was: %v", what, err)
	}
	h.lost, s.fail = func(int) bool { return false }, func(int) (a, b bool) { return false, false }
	before := s.lists[what].Version
	r, err := downloader(h, s).Download(ctx, what)
	if err != nil || r.Version != before+1 {
		t.Fatalf("%v: %+v %v", what, r, err)
	}
	clean := newShelf()
	if _, err := downloader(h, clean).Download(ctx, what); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.lists[what].Items, clean.lists[what].Items) {
		t.Errorf("%v: after an interruption another list than without", what)
	}
}

func TestAnInterruptedDownloadGoesOn(t *testing.T) {
	for _, what := range All() {
		for at := 1; at < 12; at++ {
			interrupted(t, what, func(h *host, _ *shelf) { h.lost = func(call int) bool { return call == at } })
			for _, after := range []bool{false, true} {
				interrupted(t, what, func(_ *host, s *shelf) {
					s.fail = func(write int) (bool, bool) { return write == at && !after, write == at && after }
				})
			}
		}
	}
}

// What came before the interruption is not fetched again, while the draft is young and the
// host names the same.
func TestWhatCameIsNotFetchedAgain(t *testing.T) {
	h, s := newHost(), newShelf()
	h.lost = func(call int) bool { return call == 6 } // three questions, two keys
	d := downloader(h, s)
	if _, err := d.Download(ctx, CAKeys); !errors.Is(err, errLine) {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		change func()
		want   int
	}{
		{"young", func() {}, 2},
		{"old", func() { d.Now = func() time.Time { return time.Unix(1e9, 0).Add(2 * DraftAge) } }, 0},
	} {
		kept := s.drafts[CAKeys]
		row.change()
		h.lost = func(int) bool { return false }
		if r, err := d.Download(ctx, CAKeys); err != nil || r.Resumed != row.want {
			t.Errorf("%s: %+v %v", row.name, r, err)
		}
		s.drafts[CAKeys] = kept
	}
	h.keys = h.keys[1:]
	if r, err := downloader(h, s).Download(ctx, CAKeys); err != nil || r.Resumed != 0 || r.Items != 4 {
		t.Errorf("another list: %+v %v", r, err)
	}
}

// No answer of a host empties a list.
func TestAHostThatHasNoneChangesNothing(t *testing.T) {
	for _, what := range All() {
		h, s := newHost(), newShelf()
		if _, err := downloader(h, s).Download(ctx, what); err != nil {
			t.Fatal(err)
		}
		h.keys, h.apps, h.pages, h.whole = nil, nil, nil, nil
		r, err := downloader(h, s).Download(ctx, what)
		if err != nil || !r.None || s.lists[what].Version != 1 {
			t.Errorf("%v: %+v %v, version %d", what, r, err, s.lists[what].Version)
		}
	}
}

func TestWhatAHostMayNotSend(t *testing.T) {
	endless := 0
	rows := []struct {
		name, want string
		what       What
		answer     func(function uint16, data []byte) []byte
		err        error
	}{
		{"no digit", "does not begin with a digit", CAKeys, func(uint16, []byte) []byte { return []byte("9") }, ErrFormat},
		{"more, and nothing", "without a name", CAKeys, func(uint16, []byte) []byte { return []byte("2") }, ErrFormat},
		{"the same again and again", "named twice", Applications, func(f uint16, _ []byte) []byte {
			return appendAIDName([]byte("2"), testApplication().AID)
		}, ErrFormat},
		{"names without end", "99", Applications, func(f uint16, _ []byte) []byte {
			if f != 382 {
				return nil
			}
			endless++
			return appendAIDName([]byte("2"), fmt.Appendf(nil, "AID%05d", endless))
		}, ErrLimit},
		{"pages without end", "three digits", TableB, func(f uint16, data []byte) []byte {
			var from int
			fmt.Sscanf(string(data), "%03d", &from)
			return Page{from, strings.Fields(strings.Repeat("627700 ", PageSize))}.Append([]byte("2"))
		}, ErrLimit},
		{"another page", "asked for 15", TableB, func(_ uint16, data []byte) []byte {
			return Page{0, strings.Fields(strings.Repeat("627700 ", PageSize))}.Append([]byte("2"))
		}, ErrFormat},
		{"another key than was asked for", "asked for", CAKeys, func(f uint16, _ []byte) []byte {
			if f != 370 {
				return nil
			}
			return testKey(9).Append([]byte("1"))
		}, ErrFormat},
		{"a key that it named and has not", "has it not", CAKeys, func(f uint16, _ []byte) []byte {
			if f != 370 {
				return nil
			}
			return []byte("0")
		}, ErrFormat},
	}
	for _, row := range rows {
		h, s := newHost(), newShelf()
		h.answer = row.answer
		_, err := downloader(h, s).Download(ctx, row.what)
		if !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.want) || len(s.lists) != 0 {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
		if h.calls > MaxNamed+2 {
			t.Errorf("%s: %d messages", row.name, h.calls)
		}
	}
	h := newHost()
	h.code = "40"
	if _, err := downloader(h, newShelf()).Download(ctx, CAKeys); !errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
}

// A key with a wrong checksum stops the download; the keys in force stay.
func TestAKeyWithAWrongChecksumIsNotTaken(t *testing.T) {
	h, s := newHost(), newShelf()
	if _, err := downloader(h, s).Download(ctx, CAKeys); err != nil {
		t.Fatal(err)
	}
	h.keys[3].Modulus[0] ^= 1
	if _, err := downloader(h, s).Download(ctx, CAKeys); err == nil || s.lists[CAKeys].Version != 1 {
		t.Errorf("%v, version %d", err, s.lists[CAKeys].Version)
	}
}

// A list that cannot be read counts as not there, and the others are read.
func TestLoadNamesTheListThatItCannotRead(t *testing.T) {
	h, s := newHost(), newShelf()
	for _, what := range All() {
		if _, err := downloader(h, s).Download(ctx, what); err != nil {
			t.Fatal(err)
		}
	}
	l := s.lists[CAKeys]
	l.Items = slices.Clone(l.Items)
	l.Items[4].Value = []byte{0x9F}
	s.lists[CAKeys] = l
	set, err := Load(ctx, s)
	if err == nil || !strings.Contains(err.Error(), "CA keys") || len(set.CAKeys) != 0 || len(set.Applications) != 5 {
		t.Errorf("%v, %d keys, %d applications", err, len(set.CAKeys), len(set.Applications))
	}
}
