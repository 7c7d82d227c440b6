package params

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"posd/emv/params"
	"posd/store"
)

// Shelf is a params.Shelf.
var _ params.Shelf = (*Shelf)(nil)

// ErrNoDraft says that no download of the list is under way.
var ErrNoDraft = errors.New("no draft")

// Shelf keeps lists. Its methods may be called by several goroutines; each list has one
// download at a time.
type Shelf struct{ db *store.DB }

// New returns the shelf in a store; it reads and writes nothing.
func New(db *store.DB) (*Shelf, error) {
	if db == nil {
		return nil, errors.New("params: the store is missing")
	}
	return &Shelf{db}, nil
}

// A head's key is the list's number; an item's is list, slot and place, the place in two
// bytes, big-endian.
const bucket = "params"

func headKey(what params.What) []byte { return []byte{byte(what)} }

func itemKey(what params.What, slot uint8, at int) []byte {
	return binary.BigEndian.AppendUint16([]byte{byte(what), slot}, uint16(at))
}

// head is the stored form of what is known of a list. Items of the list are in Slot, those
// of the draft in the other.
type head struct {
	Format  int       `json:"format"` // 1
	Version uint32    `json:"version,omitempty"`
	Slot    uint8     `json:"slot"`
	Time    time.Time `json:"time,omitzero"`
	Items   int       `json:"items,omitempty"`
	Draft   *draft    `json:"draft,omitempty"`
}

type draft struct {
	Time  time.Time `json:"time,omitzero"`
	Items int       `json:"items"`
}

func (h head) other() uint8 { return 1 - h.Slot }

const format = 1

// stored is the stored form of an item; Value is nil while it is to come.
type stored struct {
	Key   []byte `json:"key,omitempty"`
	Value []byte `json:"value"`
}

func readHead(tx *store.Tx, what params.What) (head, error) {
	value, err := tx.Get(bucket, headKey(what))
	if errors.Is(err, store.ErrNotFound) {
		return head{Format: format}, nil
	}
	if err != nil {
		return head{}, err
	}
	var h head
	if err := json.Unmarshal(value, &h); err != nil {
		return head{}, fmt.Errorf("head: %w: %w", store.ErrDamaged, err)
	}
	if h.Format != format || h.Slot > 1 || h.Items < 0 || h.Items > params.MaxPages || (h.Draft != nil && (h.Draft.Items < 0 || h.Draft.Items > params.MaxPages)) {
		return head{}, fmt.Errorf("head of format %d, slot %d, %d items: %w", h.Format, h.Slot, h.Items, store.ErrDamaged)
	}
	return h, nil
}

func writeHead(tx *store.Tx, what params.What, h head) error {
	value, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	return tx.PutBare(bucket, headKey(what), value)
}

func readItems(tx *store.Tx, what params.What, slot uint8, n int) ([]params.Item, error) {
	out := make([]params.Item, 0, n)
	for i := range n {
		value, err := tx.Get(bucket, itemKey(what, slot, i))
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("item %d is missing: %w", i, store.ErrDamaged)
		}
		if err != nil {
			return nil, err
		}
		var s stored
		if err := json.Unmarshal(value, &s); err != nil {
			return nil, fmt.Errorf("item %d: %w: %w", i, store.ErrDamaged, err)
		}
		out = append(out, params.Item(s))
	}
	return out, nil
}

func writeItem(tx *store.Tx, what params.What, slot uint8, at int, it params.Item) error {
	value, err := json.Marshal(stored(it))
	if err != nil {
		return fmt.Errorf("item %d: %w", at, err)
	}
	return tx.PutBare(bucket, itemKey(what, slot, at), value)
}

// List implements params.Shelf.
func (s *Shelf) List(_ context.Context, what params.What) (params.List, error) {
	l := params.List{What: what}
	err := s.view(what, func(tx *store.Tx, h head) (err error) {
		l.Version, l.Time, l.Complete = h.Version, h.Time, h.Version > 0
		l.Items, err = readItems(tx, what, h.Slot, h.Items)
		return err
	})
	if err != nil {
		return params.List{}, fmt.Errorf("params: list %v: %w", what, err)
	}
	return l, nil
}

// Draft implements params.Shelf.
func (s *Shelf) Draft(_ context.Context, what params.What) (*params.List, error) {
	var l *params.List
	err := s.view(what, func(tx *store.Tx, h head) error {
		if h.Draft == nil {
			return nil
		}
		items, err := readItems(tx, what, h.other(), h.Draft.Items)
		l = &params.List{What: what, Version: h.Version + 1, Time: h.Draft.Time, Items: items}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("params: draft of %v: %w", what, err)
	}
	return l, nil
}

// Begin implements params.Shelf. What a damaged draft left behind goes with it.
func (s *Shelf) Begin(_ context.Context, l params.List) error {
	return s.update("begin", l.What, func(tx *store.Tx, h *head) error {
		if len(l.Items) > params.MaxPages {
			return fmt.Errorf("%d items, at most %d", len(l.Items), params.MaxPages)
		}
		if err := clearSlot(tx, l.What, h.other(), h.Draft); err != nil {
			return err
		}
		for i, it := range l.Items {
			if err := writeItem(tx, l.What, h.other(), i, it); err != nil {
				return err
			}
		}
		h.Draft = &draft{l.Time, len(l.Items)}
		return nil
	})
}

func clearSlot(tx *store.Tx, what params.What, slot uint8, d *draft) error {
	if d == nil {
		return nil
	}
	return remove(tx, what, slot, d.Items)
}

func remove(tx *store.Tx, what params.What, slot uint8, n int) error {
	for i := range n {
		if err := tx.Delete(bucket, itemKey(what, slot, i)); err != nil {
			return err
		}
	}
	return nil
}

// Put implements params.Shelf.
func (s *Shelf) Put(_ context.Context, what params.What, at int, item params.Item) error {
	return s.update("put", what, func(tx *store.Tx, h *head) error {
		switch {
		case h.Draft == nil:
			return ErrNoDraft
		case at < 0 || at > h.Draft.Items || at >= params.MaxPages:
			return fmt.Errorf("item %d of a draft of %d", at, h.Draft.Items)
		}
		h.Draft.Items = max(h.Draft.Items, at+1)
		return writeItem(tx, what, h.other(), at, item)
	})
}

// Switch implements params.Shelf: one commit, in which the old list goes.
func (s *Shelf) Switch(_ context.Context, what params.What, at time.Time) error {
	return s.update("switch", what, func(tx *store.Tx, h *head) error {
		if h.Draft == nil {
			return ErrNoDraft
		}
		items, err := readItems(tx, what, h.other(), h.Draft.Items)
		if err != nil {
			return err
		}
		if l := (&params.List{Items: items}); l.Missing() > 0 {
			return fmt.Errorf("%d items of the draft are missing", l.Missing())
		}
		if err := remove(tx, what, h.Slot, h.Items); err != nil {
			return err
		}
		*h = head{Format: format, Version: h.Version + 1, Slot: h.other(), Time: at, Items: h.Draft.Items}
		return nil
	})
}

func (s *Shelf) view(what params.What, fn func(*store.Tx, head) error) error {
	return s.db.View(func(tx *store.Tx) error {
		h, err := readHead(tx, what)
		if err != nil {
			return err
		}
		return fn(tx, h)
	})
}

// update changes a list in one commit. Its error may mean unknown, see store.ErrUnknown.
func (s *Shelf) update(verb string, what params.What, fn func(*store.Tx, *head) error) error {
	if !what.Valid() {
		return fmt.Errorf("params: %s: there is no %v", verb, what)
	}
	err := s.db.Update(func(tx *store.Tx) error {
		h, err := readHead(tx, what)
		if err == nil {
			err = fn(tx, &h)
		}
		if err != nil {
			return err
		}
		return writeHead(tx, what, h)
	})
	if err != nil {
		return fmt.Errorf("params: %s %v: %w", verb, what, err)
	}
	return nil
}
