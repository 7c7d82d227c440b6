package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"posd/host-sim/fault"
	"posd/transport/control"
)

// scene is one payment and what is done to it.
type scene struct {
	title string
	play  func(d *demo, ctx context.Context) error
}

var scenes = []scene{
	{"A chip sale of 128.50 with online PIN: approved", (*demo).approved},
	{"A sale of 88.00 on a card with 5.00 behind it: the issuer declines", (*demo).declined},
	{"A sale of 45.60 whose answer the host swallows: reversed", (*demo).swallowed},
	{"A sale of 66.00 during which the agent is killed: reversed after its restart", (*demo).killed},
	{"A sale of 30.00, and its void by the supervisor", (*demo).voided},
	{"A sale of 9.00 authorised by telephone, which goes up later", (*demo).telephone},
}

func (d *demo) approved(ctx context.Context) error {
	return d.sell(ctx, "union-rich", "128.50", "approved", "00")
}

func (d *demo) declined(ctx context.Context) error {
	return d.sell(ctx, "union-poor", "88.00", "declined", "51")
}

// sell pays, checks how it ended, and shows the slips.
func (d *demo) sell(ctx context.Context, card, amount, outcome, code string) error {
	paper := d.rig.Paper()
	res, err := d.rig.Pay(ctx, card, amount)
	if err != nil {
		return err
	}
	d.say("%s: %s (%s) %s", res.Entry.ID, res.Outcome, res.Entry.Code, res.Message)
	if res.Outcome != outcome || res.Entry.Code != code {
		return fmt.Errorf("it was %s with code %s, want %s with %s; agent's log:\n%s", res.Outcome, res.Entry.Code, outcome, code, d.rig.Agent.Log())
	}
	d.show(d.rig.Paper()[len(paper):])
	return nil
}

// swallowed has the host keep its answer to itself.
func (d *demo) swallowed(ctx context.Context) error {
	faults, err := fault.Parse("drop-response:+1")
	if err != nil {
		return err
	}
	if err := d.rig.Host.AddFault(faults); err != nil {
		return err
	}
	d.say("The host posts the sale and swallows its answer; the terminal waits %v, then reverses.", "2 s")
	if err := d.sell(ctx, "union-rich", "45.60", "declined", "T1"); err != nil {
		return err
	}
	return d.owesNothing(ctx)
}

// killed kills the agent when the host has posted its request and not yet answered.
func (d *demo) killed(ctx context.Context) error {
	paper := d.rig.Paper()
	var once sync.Once
	d.rig.OnRequest(func(mti uint16, _ uint32, _ string) {
		if mti == 0x0200 {
			once.Do(d.rig.Agent.Kill)
		}
	})
	_, err := d.rig.Pay(ctx, "union-rich", "66.00")
	d.rig.OnRequest(nil)
	if !errors.Is(err, control.ErrLost) {
		return fmt.Errorf("the agent was to be killed in the middle, but the order ended with: %v", err)
	}
	d.say("posd was killed (SIGKILL) after its request was sent; the host has posted it. posd starts again:")
	d.rig.Reader.Remove()
	if err := d.rig.Boot(ctx); err != nil {
		return err
	}
	if err := d.rig.Agent.Await(ctx, "msg=reversed"); err != nil {
		return err
	}
	d.say("process %d found the request on disk and reversed it.", d.rig.Agent.PID())
	if err := d.owesNothing(ctx); err != nil {
		return err
	}
	d.show(d.rig.Paper()[len(paper):])
	return nil
}

// voided takes a sale back.
func (d *demo) voided(ctx context.Context) error {
	d.rig.Insert("union-rich")
	paper := d.rig.Paper()
	sale, err := d.rig.Pay(ctx, "union-rich", "30.00")
	if err != nil {
		return err
	}
	return d.order(ctx, len(paper), control.PayRequest{Kind: "void", Original: control.OriginalRef{ID: sale.Entry.ID}})
}

// telephone stores a sale that somebody authorised by telephone, and sends it.
func (d *demo) telephone(ctx context.Context) error {
	if err := d.order(ctx, len(d.rig.Paper()), control.PayRequest{Kind: "offline_sale", Amount: "9.00", AuthCode: "123456"}); err != nil {
		return err
	}
	left, err := d.rig.Client().Forward(ctx)
	if err == nil && left > 0 {
		err = fmt.Errorf("%d stored payments still wait", left)
	}
	d.say("Stored at the till, and with the host now.")
	return err
}

// order sends an order in the names of cashier and supervisor, and shows the slips since
// the last of them.
func (d *demo) order(ctx context.Context, paper int, req control.PayRequest) error {
	d.rig.Insert("union-rich")
	req.Who, req.Supervisor, req.Lang = control.Person{Number: "01"}, control.Person{Number: "00"}, d.cfg.Lang
	res, err := d.rig.Client().Pay(ctx, req)
	if err != nil {
		return err
	}
	d.say("%s: %s (%s) %s", res.Entry.ID, res.Outcome, res.Entry.Code, res.Message)
	if res.Outcome != "approved" {
		return fmt.Errorf("%s was %s; agent's log:\n%s", req.Kind, res.Outcome, d.rig.Agent.Log())
	}
	d.show(d.rig.Paper()[paper:])
	return nil
}

// settle ends the day: terminal and host compare their totals, and the next batch begins.
func (d *demo) settle(ctx context.Context) error {
	d.title("The settlement")
	paper := len(d.rig.Paper())
	s, err := d.rig.Client().Settle(ctx, control.Person{Number: "00"})
	if err != nil {
		return err
	}
	d.show(d.rig.Paper()[paper:])
	if s.Phase != "closed" || s.Domestic.Verdict != "balanced" {
		return fmt.Errorf("the batch is %s and %s; agent's log:\n%s", s.Phase, s.Domestic.Verdict, d.rig.Agent.Log())
	}
	d.say("\nBatch %06d is balanced, closed and in the archive (posctl find looks there too).", s.Batch)
	return nil
}

func (d *demo) owesNothing(ctx context.Context) error {
	s, err := d.rig.Client().Snapshot(ctx)
	if err != nil {
		return err
	}
	if len(s.Owed) > 0 {
		return fmt.Errorf("%d reversals are still owed: %+v", len(s.Owed), s.Owed)
	}
	return nil
}

// show prints slips as they came out of the printer.
func (d *demo) show(slips []string) {
	for _, slip := range slips {
		d.say("\n  ┌%s┐", strings.Repeat("─", 34))
		for _, line := range strings.Split(strings.TrimRight(slip, "\n"), "\n") {
			d.say("  │ %s │", pad(line, 32))
		}
		d.say("  └%s┘", strings.Repeat("─", 34))
	}
}
