//go:build !planted

package payment

import "context"

// The hooks for planted bugs, which prove that a simulation finds them: hook_planted.go.
// A program that is shipped has none.

func (a *attempt) plantedAsk(context.Context, shown) (done bool, answer Answer, err error) {
	return false, Answer{}, nil
}

func (a *attempt) plantedRetry(_ context.Context, _ shown, cause error) (Answer, error) {
	return Answer{}, cause
}

func plantedDrop(*Record) bool { return false }
