package payment

import (
	"context"
	"fmt"
	"time"

	"posd/emv/tag"
	"posd/emv/tlv"
)

// noticeTags is field 55 of a script notice in the cup dialect.
var noticeTags = []tlv.Tag{
	tag.TerminalCapabilities, tag.TVR, tag.UnpredictableNumber, tag.IFDSerialNumber, tag.IssuerApplicationData,
	tag.ApplicationCryptogram, tag.ATC, tag.AIP, tag.IssuerScriptResults, tag.TerminalCountryCode, tag.TransactionDate,
}

// noteScripts puts the results of issuer scripts into the record: what is stored next
// carries them.
func noteScripts(rec *Record, results []byte, now func() time.Time) {
	if len(results) == 0 {
		return
	}
	rec.Script = &Notice{ICC: tlv.Append(nil, tag.IssuerScriptResults, results), Since: now()}
	rec.Script.ICC = chipData(rec, noticeTags)
}

// NotifyScripts tells the host of issuer scripts that ran, oldest first, and returns how
// many it does not know of yet. One that is not answered now is sent again before the next
// request, and the next; it holds no payment up.
func (t *Terminal) NotifyScripts(ctx context.Context) (left int, err error) {
	owed, err := t.Journal.Notices(ctx)
	if err != nil {
		return 0, fmt.Errorf("payment: script notices: %w", err)
	}
	return drain(ctx, owed, t.notify)
}

// notify sends one notice. Whatever the host answers, it knows then, unless it could not
// look at it.
func (t *Terminal) notify(ctx context.Context, rec *Record) (sent, error) {
	rec.Script.Tries = max(rec.Script.Tries, t.notices[rec.ID]) + 1
	t.notices[rec.ID] = rec.Script.Tries
	answer, err := t.Host.Notify(ctx, rec)
	if err != nil || VerdictOf(answer.Code) == NotNow || len(answer.Code) != 2 {
		t.Log.Warn("script notice not answered", "payment", rec.ID, "try", rec.Script.Tries, "code", answer.Code, "error", err)
		return sent{}, t.saveTry(ctx, rec, rec.Script.Tries)
	}
	t.At(AfterNotice)
	rec.Script.Answer = &answer
	if err := t.save(ctx, rec); err != nil {
		return sent{}, err
	}
	delete(t.notices, rec.ID)
	return sent{true, true}, nil
}
