//go:build planted

package payment

import (
	"context"
	"errors"
	"sync/atomic"
)

// PlantedBugs are the names that Planted knows.
const (
	PlantedSendBeforeSave = "send-before-save" // the request leaves before it is on disk
	PlantedDropReversal   = "drop-reversal"    // a reversal is given up after three tries
	PlantedNewSTAN        = "new-stan"         // an unanswered request is sent again under a new number
)

var plantedBug atomic.Value // string

// Planted plants a bug in every Terminal of the process, "" for none. Only programs that
// prove that they find it are built with the tag.
func Planted(name string) { plantedBug.Store(name) }

func planted(name string) bool {
	bug, _ := plantedBug.Load().(string)
	return bug == name
}

func (a *attempt) plantedAsk(ctx context.Context, card shown) (done bool, answer Answer, err error) {
	if !planted(PlantedSendBeforeSave) {
		return false, Answer{}, nil
	}
	id, err := a.t.Journal.Next(ctx)
	if err != nil {
		return true, Answer{}, err
	}
	a.rec = a.record(id, a.order.Kind, Requested, card)
	answer, sendErr := a.send(ctx, card)
	a.t.At(AfterAnswer)
	a.rec = nil
	if err := a.begin(ctx, Requested, a.order.Kind, card); err != nil {
		return true, Answer{}, err
	}
	a.t.At(AfterJournal)
	if sendErr != nil {
		return true, Answer{}, a.unanswered(ctx, sendErr)
	}
	return true, answer, nil
}

func (a *attempt) plantedRetry(ctx context.Context, card shown, cause error) (Answer, error) {
	if !planted(PlantedNewSTAN) || !errors.Is(cause, ErrNoAnswer) {
		return Answer{}, cause
	}
	a.rec.Why = "sent again under another number"
	if err := a.store(ctx, Declined); err != nil {
		return Answer{}, cause
	}
	if err := a.begin(ctx, Requested, a.order.Kind, card); err != nil {
		return Answer{}, cause
	}
	return a.send(ctx, card)
}

func plantedDrop(rec *Record) bool {
	if !planted(PlantedDropReversal) || rec.Reversal.Tries < 3 {
		return false
	}
	rec.State = Reversed
	return true
}
