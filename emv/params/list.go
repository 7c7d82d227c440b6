package params

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What names a list. It is persisted by its number: numbers are never reused.
type What uint8

const (
	Parameters   What = 1 // 参数传递
	CAKeys       What = 2 // IC卡公钥
	Applications What = 3 // IC卡参数
	BlackList    What = 4 // 黑名单
	QPS          What = 5 // 非接业务参数 (双免)
	TableB       What = 6 // 免密新增卡BIN(表B)
	TableC       What = 7 // 免密卡BIN黑名单(表C)
)

var names = map[What]string{
	Parameters: "parameters", CAKeys: "CA keys", Applications: "applications", BlackList: "black list",
	QPS: "small amounts", TableB: "BIN table B", TableC: "BIN table C",
}

// All lists every list, in the order in which a new terminal downloads them.
func All() []What {
	return []What{Parameters, Applications, CAKeys, BlackList, QPS, TableB, TableC}
}

// Valid tells whether the number is a list at all.
func (w What) Valid() bool { return names[w] != "" }

// String names the list: "CA keys".
func (w What) String() string {
	if name, ok := names[w]; ok {
		return name
	}
	return fmt.Sprintf("list %d", uint8(w))
}

// Limits of a list. A query counts in two digits, a table in three.
const (
	MaxNamed = 99       // keys, applications
	MaxPages = 999      // of a black list or a table
	MaxItem  = 1 << 10  // bytes of an item: field 62 has fewer
	MaxBytes = 64 << 10 // of a list, all told
	// DraftAge is how old a draft may be that a download goes on with: the host may have
	// another list by then.
	DraftAge = time.Hour
)

// List is one downloaded list.
type List struct {
	What    What
	Version uint32 // counts the downloads, from 1; 0 for none
	// Time is when the list came into force; that of a draft, when its download began.
	Time     time.Time
	Complete bool
	Items    []Item
}

// Item is one entry. Key is how the host names it: RID and index, AID; empty for a page.
// Value is what the host sent, without the digit before it; nil while it is to come.
type Item struct{ Key, Value []byte }

// Missing counts the items that are named and not there.
func (l *List) Missing() int {
	n := 0
	for _, it := range l.Items {
		if it.Value == nil {
			n++
		}
	}
	return n
}

// Shelf keeps lists over power loss: of each the one in force and a draft. Every method
// that writes returns only when the disk has it. An error of a write means "unknown": the
// download is begun again, and finds what is there.
type Shelf interface {
	// List returns the list in force; one of version 0 without items where there is none.
	List(ctx context.Context, what What) (List, error)
	// Draft returns the list that is being downloaded, or nil.
	Draft(ctx context.Context, what What) (*List, error)
	// Begin makes l the draft, in place of one that is there.
	Begin(ctx context.Context, l List) error
	// Put stores an item of the draft in its place, or as its next.
	Put(ctx context.Context, what What, at int, item Item) error
	// Switch puts the draft in the list's place, complete and with the next version, in one
	// step; the time is that of the step.
	Switch(ctx context.Context, what What, at time.Time) error
}

// Errors on which a caller acts.
var (
	// ErrFormat says that what the host sent cannot be read.
	ErrFormat = errors.New("not understood")
	// ErrLimit says that a list has more entries than it may.
	ErrLimit = errors.New("limit exceeded")
	// ErrRefused says that the host answered a download with a refusal.
	ErrRefused = errors.New("the host refused")
)
