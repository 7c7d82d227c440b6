package acquirer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"posd/emv/tag"
	"posd/emv/tlv"
	"posd/host-sim/db"
	"posd/transport/iso8583"
)

// Lists that a terminal downloads.
const (
	ListParameters   = "parameters"   // 360: name is the tag, content its characters
	ListCAKeys       = "ca keys"      // 370: name is RID and index in hexadecimal, content the key's objects
	ListApplications = "applications" // 380: name is the AID in hexadecimal, content its objects
	ListBlack        = "black list"   // 390: content is a card number; the name is not used
	ListQPS          = "qps"          // 394: name is FF80xx, content its characters
	ListTableB       = "table b"      // 396: content is a BIN
	ListTableC       = "table c"      // 398: content is a BIN
)

// Item is one entry of a list.
type Item struct {
	Name    string
	Content []byte
}

// Jobs that an answer can order, field 处理要求 of the header. Public sources have 4, 5 and
// 9; the others are not confirmed by one.
const (
	OrderParameters   = 1
	OrderStatus       = 2
	OrderSignOn       = 3
	OrderCAKeys       = 4
	OrderApplications = 5
	OrderUpdate       = 6
	OrderQPS          = 9
)

// download is how a list goes to a terminal.
type download struct {
	list string
	job  uint8 // that orders it; 0 for none
	// page answers a question; asked says that the terminal begins anew.
	page  func(items []Item, ask []byte) (answer []byte, asked bool, err error)
	whole bool // one message is all: there is no end
}

// downloads by the function of the question.
var downloads = map[iso8583.Function]download{
	iso8583.Parameters: {ListParameters, OrderParameters, pageParameters, true},
	iso8583.CAKeyList:  {ListCAKeys, OrderCAKeys, pageKeyNames, false},
	iso8583.CAKeys:     {ListCAKeys, OrderCAKeys, oneKey, false},
	iso8583.AIDList:    {ListApplications, OrderApplications, pageAIDNames, false},
	iso8583.AIDs:       {ListApplications, OrderApplications, oneAID, false},
	iso8583.Blacklist:  {ListBlack, 0, pageNumbers, false},
	iso8583.QPS:        {ListQPS, OrderQPS, pageQPS, false},
	iso8583.BINTableB:  {ListTableB, OrderQPS, pageNumbers, false},
	iso8583.BINTableC:  {ListTableC, OrderQPS, pageNumbers, false},
}

// ends are the lists by the function that says the terminal has them.
var ends = map[iso8583.Function]string{
	iso8583.CAKeysEnd: ListCAKeys, iso8583.AIDsEnd: ListApplications, iso8583.BlacklistEnd: ListBlack,
	iso8583.QPSEnd: ListQPS, iso8583.BINTableBEnd: ListTableB, iso8583.BINTableCEnd: ListTableC,
}

// Digits with which an answer begins.
const (
	digitNone = '0'
	digitAll  = '1'
	digitMore = '2'
	digitLast = '3'
)

// Entries of one answer: names of keys and applications, numbers of a page.
const (
	namesPerPage   = 10
	numbersPerPage = 15
)

// list answers a question for a list, or takes the end of one.
func (d *Desk) list(ctx context.Context, tx db.Tx, v *visit, m *iso8583.NetworkRequest) (answer []byte, err error) {
	if list, ok := ends[m.Function]; ok {
		return nil, d.told(ctx, tx, v.terminal.TID, list)
	}
	plan := downloads[m.Function]
	items, err := d.items(ctx, tx, plan.list, v.terminal.TID)
	if err != nil {
		return nil, err
	}
	answer, first, err := plan.page(items, m.Data)
	if err == nil && first {
		err = asked(ctx, tx, v.terminal.TID, plan.list)
	}
	if err == nil && plan.whole {
		err = d.told(ctx, tx, v.terminal.TID, plan.list)
	}
	return answer, err
}

// told notes that a terminal has a list as it was when it asked for it, and that nobody
// needs to order it any more.
func (d *Desk) told(ctx context.Context, tx db.Tx, tid, list string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE terminal_list SET told = asked WHERE tid = $1 AND list = $2`, tid, list); err != nil {
		return fmt.Errorf("acquirer: list %s of %s: %w", list, tid, err)
	}
	for _, plan := range downloads {
		if plan.list == list && plan.job != 0 && list != ListTableB && list != ListTableC {
			return ClearOrder(ctx, tx, tid, plan.job)
		}
	}
	return nil
}

// errQuestion says that field 62 of a question cannot be read.
var errQuestion = errors.New("field 62 is no question for a list")

// span cuts a part out of a list of n, from a place on, and says with which digit the
// answer begins.
func span(n, from, size int) (to int, digit byte) {
	switch to = min(n, from+size); {
	case from >= n:
		return n, digitNone
	case to < n:
		return to, digitMore
	case from == 0:
		return to, digitAll
	}
	return to, digitLast
}

// place reads the digits of a question: how many entries the terminal has.
func place(ask []byte, digits int) (int, error) {
	n, err := strconv.Atoi(string(ask))
	if err != nil || len(ask) != digits || n < 0 {
		return 0, errQuestion
	}
	return n, nil
}

func pageParameters(items []Item, _ []byte) (out []byte, first bool, err error) {
	for _, it := range items {
		out = append(append(out, it.Name...), it.Content...)
	}
	return out, true, nil
}

func pageQPS(items []Item, _ []byte) (out []byte, first bool, err error) {
	for _, it := range items {
		out = fmt.Appendf(out, "%s%03d%s", it.Name, len(it.Content), it.Content)
	}
	return out, true, nil
}

// pageNumbers answers with the place in three digits and up to 15 numbers, each with its
// length in two digits before it: that form is ours, no public source settles it.
func pageNumbers(items []Item, ask []byte) ([]byte, bool, error) {
	from, err := place(ask, 3)
	if err != nil {
		return nil, false, err
	}
	to, digit := span(len(items), from, numbersPerPage)
	if digit == digitNone {
		return []byte{digitNone}, from == 0, nil
	}
	out := fmt.Appendf([]byte{digit}, "%03d", from)
	for _, it := range items[from:to] {
		out = fmt.Appendf(out, "%02d%s", len(it.Content), it.Content)
	}
	return out, from == 0, nil
}

// pageNames answers with the names from the place that the question gives: "1" and how
// many the terminal has, two digits.
func pageNames(items []Item, ask []byte, appendName func([]byte, Item) []byte) ([]byte, bool, error) {
	if len(ask) != 3 || ask[0] != '1' {
		return nil, false, errQuestion
	}
	from, err := place(ask[1:], 2)
	if err != nil {
		return nil, false, err
	}
	to, digit := span(len(items), from, namesPerPage)
	out := []byte{digit}
	if digit != digitNone {
		for _, it := range items[from:to] {
			out = appendName(out, it)
		}
	}
	return out, from == 0, nil
}

func pageKeyNames(items []Item, ask []byte) ([]byte, bool, error) {
	return pageNames(items, ask, func(out []byte, it Item) []byte {
		for _, t := range []tlv.Tag{tag.AIDTerminal, tag.CAPublicKeyIndexTerminal, tag.CAPublicKeyExpiry} {
			value, _ := tlv.Find(it.Content, t)
			out = tlv.Append(out, t, value)
		}
		return out
	})
}

func pageAIDNames(items []Item, ask []byte) ([]byte, bool, error) {
	return pageNames(items, ask, func(out []byte, it Item) []byte {
		aid, _ := tlv.Find(it.Content, tag.AIDTerminal)
		return tlv.Append(out, tag.AIDTerminal, aid)
	})
}

func oneKey(items []Item, ask []byte) ([]byte, bool, error) {
	rid, _ := tlv.Find(ask, tag.AIDTerminal)
	index, _ := tlv.Find(ask, tag.CAPublicKeyIndexTerminal)
	return one(items, append(slices.Clone(rid), index...))
}

func oneAID(items []Item, ask []byte) ([]byte, bool, error) {
	aid, _ := tlv.Find(ask, tag.AIDTerminal)
	return one(items, aid)
}

// one answers with the entry of a name.
func one(items []Item, name []byte) ([]byte, bool, error) {
	for _, it := range items {
		if len(name) > 0 && strings.EqualFold(it.Name, hex.EncodeToString(name)) {
			return append([]byte{digitAll}, it.Content...), false, nil
		}
	}
	return []byte{digitNone}, false, nil
}
