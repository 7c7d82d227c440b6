package main

import (
	"context"
	"fmt"

	"posd/transport/control"
)

// errNotYet is what a method says whose part is not connected.
func errNotYet(what string) error { return fmt.Errorf("%s: %w", what, control.ErrNotReady) }

func (b backend) Settle(context.Context, control.Person) (control.Settled, error) {
	return control.Settled{}, errNotYet("settle")
}

func (b backend) LastSettlement(context.Context, bool) (control.Settled, error) {
	return control.Settled{}, errNotYet("settlement")
}

func (b backend) Forward(context.Context) (int, error) { return 0, errNotYet("forward") }

func (b backend) Download(context.Context, string) ([]control.Downloaded, error) {
	return nil, errNotYet("download")
}

func (b backend) Search(context.Context, control.Search) ([]control.Entry, error) {
	return nil, errNotYet("search")
}

func (b backend) Reprint(context.Context, string) error { return errNotYet("reprint") }

func (b backend) SignOn(context.Context) error {
	b.a.link.SignOn()
	return nil
}

func (b backend) SignOff(context.Context, control.Person) error { return errNotYet("sign off") }

func (b backend) Operators(context.Context) ([]control.OperatorEntry, error) {
	return nil, errNotYet("operators")
}

func (b backend) SetUp(context.Context, control.Person, control.Person) error {
	return errNotYet("set up")
}

func (b backend) ChangePassword(context.Context, control.Person, string) error {
	return errNotYet("change password")
}

func (b backend) AddOperator(context.Context, control.Person, control.Person) error {
	return errNotYet("add operator")
}

func (b backend) ResetOperator(context.Context, control.Person, control.Person) error {
	return errNotYet("reset operator")
}

func (b backend) RemoveOperator(context.Context, control.Person, string) error {
	return errNotYet("remove operator")
}

func (b backend) LoadComponent(context.Context, control.Person, control.Component) (string, error) {
	return "", errNotYet("load component")
}
