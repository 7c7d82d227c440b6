package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestTheOfficeCrossesTheSocket(t *testing.T) {
	ctx, agent := context.Background(), &fake{}
	c, _ := serve(t, agent)
	boss, cashier := Person{"00", "boss's own"}, Person{"07", "first one"}
	if s, err := c.Settle(ctx, boss); err != nil || s.Batch != 7 || agent.resolved[1] != "00boss's own" {
		t.Errorf("Settle: %+v, %v, %v", s, err, agent.resolved)
	}
	if s, err := c.LastSettlement(ctx, true); err != nil || s.Batch != 8 || s.Uploaded != 1 {
		t.Errorf("LastSettlement: %+v, %v", s, err)
	}
	if left, err := c.Forward(ctx); err != nil || left != 3 {
		t.Errorf("Forward: %d, %v", left, err)
	}
	if list, err := c.Download(ctx, "aids"); err != nil || list[0].List != "aids" {
		t.Errorf("Download: %+v, %v", list, err)
	}
	if found, err := c.Search(ctx, Search{LastFour: "0017"}); err != nil || found[0].Card != "0017" {
		t.Errorf("Search: %+v, %v", found, err)
	}
	if kcv, err := c.LoadComponent(ctx, boss, Component{Part: "AB", KCV: "08D7B4"}); err != nil || kcv != "08D7B4" || agent.resolved[0] != "component AB" {
		t.Errorf("LoadComponent: %q, %v, %v", kcv, err, agent.resolved)
	}
	if list, err := c.Operators(ctx); err != nil || list[0].Number != "01" {
		t.Errorf("Operators: %+v, %v", list, err)
	}
	if r, err := c.StoreCheck(ctx); err != nil || r.Payments != 5 || len(r.Faults) != 1 {
		t.Errorf("StoreCheck: %+v, %v", r, err)
	}
	if n, err := c.StoreExport(ctx, "/tmp/copy", "a long phrase"); err != nil || n != 9 || agent.resolved[0] != "export /tmp/copy a long phrase" {
		t.Errorf("StoreExport: %d, %v, %v", n, err, agent.resolved)
	}
	for want, do := range map[string]func() error{
		"set up 00boss's own 07first one": func() error { return c.SetUp(ctx, boss, cashier) },
		"reprint 000001/000042":           func() error { return c.Reprint(ctx, "000001/000042") },
		"sign on":                         func() error { return c.SignOn(ctx) },
		"sign off 00boss's own":           func() error { return c.SignOff(ctx, boss) },
		"change new 07first one":          func() error { return c.ChangePassword(ctx, cashier, "new") },
		"add 00boss's own 07first one":    func() error { return c.AddOperator(ctx, boss, cashier) },
		"reset 00boss's own 07first one":  func() error { return c.ResetOperator(ctx, boss, cashier) },
		"remove 07 00boss's own":          func() error { return c.RemoveOperator(ctx, boss, "07") },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if got := strings.TrimSpace(strings.Join(agent.resolved[:], " ")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAWrongPasswordKeepsItsIdentity(t *testing.T) {
	agent := &fake{err: fmt.Errorf("operator 07: %w", ErrPassword)}
	c, _ := serve(t, agent)
	if _, err := c.Settle(context.Background(), Person{Number: "07"}); !errors.Is(err, ErrPassword) {
		t.Errorf("got %v", err)
	}
}

func TestPeopleAndPartsPrintWithoutTheirSecrets(t *testing.T) {
	words := fmt.Sprintf("%v %+v %#v %s %v %+v", Person{"07", "hush"}, Person{"07", "hush"}, Person{"07", "hush"},
		Component{Part: "hush"}, TypedCard{Number: "hush"}, PayRequest{Who: Person{"07", "hush"}, Card: TypedCard{Number: "hush"}})
	if strings.Contains(words, "hush") {
		t.Error(words)
	}
}
