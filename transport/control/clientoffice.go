package control

import "context"

// Settle settles the current batch and waits for the end, as Pay does.
func (c *Client) Settle(ctx context.Context, who Person) (Settled, error) {
	var out Settled
	err := c.ask(ctx, 0, request{Op: "settle", Who: who}, &out)
	return out, err
}

// LastSettlement returns the settlement that is under way or was the last; print has its
// slip printed again.
func (c *Client) LastSettlement(ctx context.Context, print bool) (Settled, error) {
	var out Settled
	err := c.ask(ctx, opWithin, request{Op: "settlement", Print: print}, &out)
	return out, err
}

// Forward sends stored payments up and returns how many still wait.
func (c *Client) Forward(ctx context.Context) (left int, err error) {
	err = c.ask(ctx, 0, request{Op: "forward"}, &left)
	return left, err
}

// Download fetches a list of parameters, or "all".
func (c *Client) Download(ctx context.Context, list string) ([]Downloaded, error) {
	var out []Downloaded
	err := c.ask(ctx, 0, request{Op: "download", List: list}, &out)
	return out, err
}

// Search looks for payments in the journal and in the archive.
func (c *Client) Search(ctx context.Context, s Search) ([]Entry, error) {
	var out []Entry
	err := c.ask(ctx, opWithin, request{Op: "search", Search: s}, &out)
	return out, err
}

// Reprint prints the slip of a payment again. id is batch/STAN.
func (c *Client) Reprint(ctx context.Context, id string) error {
	return c.ask(ctx, opWithin, request{Op: "reprint", ID: id}, nil)
}

// SignOn asks the host for new working keys; it does not wait for them.
func (c *Client) SignOn(ctx context.Context) error {
	return c.ask(ctx, opWithin, request{Op: "sign-on"}, nil)
}

// SignOff ends the day.
func (c *Client) SignOff(ctx context.Context, who Person) error {
	return c.ask(ctx, opWithin, request{Op: "sign-off", Who: who}, nil)
}

// LoadComponent hands one part of a master key over; kcv is that of the whole key once
// both parts are there.
func (c *Client) LoadComponent(ctx context.Context, who Person, part Component) (kcv string, err error) {
	err = c.ask(ctx, opWithin, request{Op: "load-component", Who: who, Part: part}, &kcv)
	return kcv, err
}

// Operators lists the staff.
func (c *Client) Operators(ctx context.Context) ([]OperatorEntry, error) {
	var out []OperatorEntry
	err := c.ask(ctx, opWithin, request{Op: "operators"}, &out)
	return out, err
}

// SetUp makes administrator and supervisor known.
func (c *Client) SetUp(ctx context.Context, administrator, supervisor Person) error {
	return c.ask(ctx, opWithin, request{Op: "set-up", Who: administrator, Other: supervisor}, nil)
}

// ChangePassword gives a person another password.
func (c *Client) ChangePassword(ctx context.Context, who Person, next string) error {
	return c.ask(ctx, opWithin, request{Op: "change-password", Who: who, Password: next}, nil)
}

// AddOperator makes an operator known, with a first password.
func (c *Client) AddOperator(ctx context.Context, by, next Person) error {
	return c.ask(ctx, opWithin, request{Op: "add-operator", Who: by, Other: next}, nil)
}

// ResetOperator gives an operator a first password again.
func (c *Client) ResetOperator(ctx context.Context, by, next Person) error {
	return c.ask(ctx, opWithin, request{Op: "reset-operator", Who: by, Other: next}, nil)
}

// RemoveOperator forgets an operator.
func (c *Client) RemoveOperator(ctx context.Context, by Person, number string) error {
	return c.ask(ctx, opWithin, request{Op: "remove-operator", Who: by, Other: Person{Number: number}}, nil)
}

// StoreCheck has the agent prove what it keeps on disk.
func (c *Client) StoreCheck(ctx context.Context) (StoreReport, error) {
	var out StoreReport
	err := c.ask(ctx, 0, request{Op: "store-check"}, &out)
	return out, err
}

// StoreExport has the agent write an encrypted copy to a new file.
func (c *Client) StoreExport(ctx context.Context, path, passphrase string) (records int, err error) {
	err = c.ask(ctx, 0, request{Op: "store-export", Path: path, Password: passphrase}, &records)
	return records, err
}
