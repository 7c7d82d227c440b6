package control

import (
	"context"
	"fmt"
)

// operation is one thing that a client may ask for.
type operation struct {
	// alone: it takes as long as it takes, on the life of the agent, and no other such
	// operation runs beside it.
	alone bool
	// check refuses a request before anything is waited for; nil for none.
	refuse func(req request) error
	do     func(ctx context.Context, b Backend, req request) (any, error)
}

func (o operation) check(req request) error {
	if o.refuse == nil {
		return nil
	}
	return o.refuse(req)
}

// operations are all there are, by their name on the wire.
var operations = map[string]operation{
	"snapshot": {do: func(ctx context.Context, b Backend, _ request) (any, error) { return b.Snapshot(ctx), nil }},
	"journal": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		if r.Limit < 1 || r.Limit > MaxJournal {
			return nil, fmt.Errorf("control: journal: limit %d: 1 to %d wanted: %w", r.Limit, MaxJournal, ErrInvalid)
		}
		return b.Journal(ctx, r.Limit)
	}},
	"search": {do: func(ctx context.Context, b Backend, r request) (any, error) { return b.Search(ctx, r.Search) }},
	"receipt": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return named(r, func() (any, error) { return b.Receipt(ctx, r.ID) })
	}},
	"reprint": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return named(r, func() (any, error) { return nil, b.Reprint(ctx, r.ID) })
	}},
	"pay": {
		alone:  true,
		refuse: mustPay,
		do:     func(ctx context.Context, b Backend, r request) (any, error) { return b.Pay(ctx, *r.Pay) },
	},
	"settle": {alone: true, do: func(ctx context.Context, b Backend, r request) (any, error) { return b.Settle(ctx, r.Who) }},
	"settlement": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return b.LastSettlement(ctx, r.Print)
	}},
	"forward": {alone: true, do: func(ctx context.Context, b Backend, _ request) (any, error) { return b.Forward(ctx) }},
	"download": {alone: true, do: func(ctx context.Context, b Backend, r request) (any, error) {
		return b.Download(ctx, r.List)
	}},
	"store-check": {alone: true, do: func(ctx context.Context, b Backend, _ request) (any, error) { return b.StoreCheck(ctx) }},
	"store-export": {alone: true, do: func(ctx context.Context, b Backend, r request) (any, error) {
		return b.StoreExport(ctx, r.Path, r.Password)
	}},
	"sign-on":  {do: func(ctx context.Context, b Backend, _ request) (any, error) { return nil, b.SignOn(ctx) }},
	"sign-off": {do: func(ctx context.Context, b Backend, r request) (any, error) { return nil, b.SignOff(ctx, r.Who) }},
	"resolve":  {do: resolve},
	"load-key": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		if r.Block == "" {
			return nil, fmt.Errorf("control: load-key: block is missing: %w", ErrInvalid)
		}
		return b.LoadKey(ctx, r.Block)
	}},
	"load-component": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return b.LoadComponent(ctx, r.Who, r.Part)
	}},
	"operators": {do: func(ctx context.Context, b Backend, _ request) (any, error) { return b.Operators(ctx) }},
	"set-up":    {do: func(ctx context.Context, b Backend, r request) (any, error) { return nil, b.SetUp(ctx, r.Who, r.Other) }},
	"change-password": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return nil, b.ChangePassword(ctx, r.Who, r.Password)
	}},
	"add-operator": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return nil, b.AddOperator(ctx, r.Who, r.Other)
	}},
	"reset-operator": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return nil, b.ResetOperator(ctx, r.Who, r.Other)
	}},
	"remove-operator": {do: func(ctx context.Context, b Backend, r request) (any, error) {
		return nil, b.RemoveOperator(ctx, r.Who, r.Other.Number)
	}},
	"enrol-terminal": {alone: true, refuse: mustActivate, do: func(ctx context.Context, b Backend, r request) (any, error) {
		return b.EnrolTerminal(ctx, *r.Activation)
	}},
	"enrol":  {do: func(ctx context.Context, b Backend, r request) (any, error) { return two(ctx, r, b.Enrol) }},
	"unlock": {do: func(ctx context.Context, b Backend, r request) (any, error) { return two(ctx, r, b.Unlock) }},
}

// named is an operation that wants a payment's ID.
func named(r request, do func() (any, error)) (any, error) {
	if r.ID == "" {
		return nil, fmt.Errorf("control: %s: id is missing: %w", r.Op, ErrInvalid)
	}
	return do()
}

// two is an operation that wants two technicians.
func two(ctx context.Context, req request, do func(ctx context.Context, a, b Technician) error) (any, error) {
	if len(req.Technicians) != 2 {
		return nil, fmt.Errorf("control: %s: %d technicians, 2 wanted: %w", req.Op, len(req.Technicians), ErrInvalid)
	}
	return nil, do(ctx, req.Technicians[0], req.Technicians[1])
}

func mustPay(req request) error {
	if req.Pay == nil || req.Pay.Amount == "" && req.Pay.Original == (OriginalRef{}) && req.Pay.Kind != "balance" {
		return fmt.Errorf("control: pay: amount is missing: %w", ErrInvalid)
	}
	return nil
}

func resolve(ctx context.Context, b Backend, req request) (any, error) {
	switch {
	case req.ID == "":
		return nil, fmt.Errorf("control: resolve: id is missing: %w", ErrInvalid)
	case len(req.Operator) != 2:
		return nil, fmt.Errorf("control: resolve: operator %.10q: two digits wanted: %w", req.Operator, ErrInvalid)
	case req.Reason == "" || len(req.Reason) > maxReason:
		return nil, fmt.Errorf("control: resolve: a reason of 1 to %d bytes is wanted: %w", maxReason, ErrInvalid)
	}
	return nil, b.Resolve(ctx, req.ID, req.Operator, req.Reason)
}
