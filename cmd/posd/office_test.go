package main_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"posd/cmd/internal/rig"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/host-sim/estate"
	"posd/transport/control"
)

// openDesk is a desk whose agent runs.
func openDesk(t *testing.T, ctx context.Context, answer time.Duration) *desk {
	t.Helper()
	d := newDesk(t, ctx, answer)
	if err := d.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

// order sends an order through the control socket, with the card in the slot, and wants it
// approved.
func (d *desk) order(t *testing.T, ctx context.Context, req control.PayRequest) control.Entry {
	t.Helper()
	d.Insert("union-rich")
	if req.Who.Number == "" {
		req.Who.Number = "01"
	}
	res, err := d.Client().Pay(ctx, req)
	if err != nil || res.Outcome != "approved" {
		t.Fatalf("%+v: %+v, %v", req, res, err)
	}
	return res.Entry
}

var boss = control.Person{Number: "00"}

// owedToMerchant is the merchant's balance at the host, in fen.
func (d *desk) owedToMerchant(t *testing.T, ctx context.Context) int64 {
	t.Helper()
	merchants, err := d.Host.Merchants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range merchants {
		if m.MID == rig.MID {
			return m.Balance
		}
	}
	t.Fatal("the host does not know the merchant")
	return 0
}

// A merchant's day: every kind of payment, then the settlement. Host and terminal agree on
// each cent, the batch is in the archive, and the next one begins.
func TestAMerchantsDay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := openDesk(t, ctx, 30*time.Second)
	sale := d.order(t, ctx, control.PayRequest{Amount: "100.00"})
	second := d.order(t, ctx, control.PayRequest{Amount: "50.00"})
	d.order(t, ctx, control.PayRequest{Kind: "void", Original: control.OriginalRef{ID: second.ID}, Supervisor: boss})
	d.order(t, ctx, control.PayRequest{Kind: "refund", Amount: "30.00", Original: control.OriginalRef{ID: sale.ID}, Supervisor: boss})
	hold := d.order(t, ctx, control.PayRequest{Kind: "preauth", Amount: "200.00"})
	done := d.order(t, ctx, control.PayRequest{Kind: "preauth_comp", Amount: "180.00", Original: control.OriginalRef{ID: hold.ID}})
	d.order(t, ctx, control.PayRequest{Kind: "preauth_comp_void", Original: control.OriginalRef{ID: done.ID}, Supervisor: boss})
	d.order(t, ctx, control.PayRequest{Kind: "preauth_adv", Amount: "170.00", Original: control.OriginalRef{ID: hold.ID}})
	tipped := d.order(t, ctx, control.PayRequest{Amount: "40.00"})
	d.order(t, ctx, control.PayRequest{Kind: "tip_adjust", Amount: "44.00", Original: control.OriginalRef{ID: tipped.ID}})
	phone := d.order(t, ctx, control.PayRequest{Kind: "offline_sale", Amount: "9.00", AuthCode: "123456", Supervisor: boss})
	d.order(t, ctx, control.PayRequest{Kind: "offline_adjust", Amount: "8.00", Original: control.OriginalRef{ID: phone.ID}, Supervisor: boss})
	res, err := d.Client().Pay(ctx, control.PayRequest{Kind: "balance", Who: control.Person{Number: "01"}})
	if err != nil || res.Balance == "" {
		t.Errorf("balance inquiry: %+v, %v", res, err)
	}
	if res, err := d.Client().Pay(ctx, control.PayRequest{Kind: "void", Original: control.OriginalRef{ID: second.ID}, Supervisor: boss}); err != nil || res.Entry.Code != payment.CodeUsed {
		t.Errorf("a second void: %+v, %v", res, err)
	}

	if left, err := d.Client().Forward(ctx); err != nil || left != 0 {
		t.Errorf("%d stored payments left, %v", left, err)
	}
	const want = 10000 - 3000 + 17000 + 4400 + 800
	if got := d.owedToMerchant(t, ctx); got != want {
		t.Errorf("the host owes the merchant %d, want %d", got, want)
	}
	s, err := d.Client().Settle(ctx, boss)
	if err != nil || s.Phase != "closed" || s.Domestic.Verdict != "balanced" || s.Domestic.Debit.Amount != "552.00" || s.Domestic.Credit.Amount != "260.00" {
		t.Errorf("settlement: %+v, %v", s, err)
	}
	if got := d.owedToMerchant(t, ctx); got != want {
		t.Errorf("after the settlement the host owes the merchant %d, want %d", got, want)
	}
	if left, err := d.Host.Differences(ctx, true); err != nil || len(left) != 0 {
		t.Errorf("differences: %+v, %v", left, err)
	}
	found, err := d.Client().Search(ctx, control.Search{Amount: "100.00"})
	if err != nil || len(found) != 1 || found[0].ID != sale.ID {
		t.Errorf("the settled sale is not found: %+v, %v", found, err)
	}
	if next := d.order(t, ctx, control.PayRequest{Amount: "1.00"}); next.ID[:6] != "000002" {
		t.Errorf("next sale is %s", next.ID)
	}
	// The original of a refund is in the archive now.
	d.order(t, ctx, control.PayRequest{Kind: "refund", Amount: "70.00", Original: control.OriginalRef{ID: sale.ID}, Supervisor: boss})
	if report, err := d.Client().StoreCheck(ctx); err != nil || len(report.Faults) != 0 || report.Archived == 0 {
		t.Errorf("store check: %+v, %v", report, err)
	}
}

// kill -9 of the agent at each point of a settlement that uploads, for the host counts a
// sale that the terminal does not: after the restart it goes on by itself, the batch is
// closed once, and the next sale is in the next batch.
func TestSettlementKilledAtEveryPoint(t *testing.T) {
	points := batch.Points()
	if testing.Short() {
		points = []batch.Point{batch.AfterBegun, batch.AfterUpload, batch.AfterEnded}
	}
	for _, p := range points {
		t.Run(string(p), func(t *testing.T) { killSettlement(t, p) })
	}
}

func killSettlement(t *testing.T, p batch.Point) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := openDesk(t, ctx, 2*time.Second)
	d.order(t, ctx, control.PayRequest{Amount: "12.00"})
	d.order(t, ctx, control.PayRequest{Amount: "13.00"})
	d.disagree(t, ctx)
	if err := d.Agent.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.Boot(ctx, "POSD_CRASH_AT=settle-"+string(p)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Client().Settle(ctx, boss); !errors.Is(err, control.ErrLost) {
		t.Fatalf("the agent was to be killed: %v", err)
	}
	if err := d.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	s := d.closed(t, ctx, p)
	if s.Domestic.Verdict != "unbalanced" || s.Uploaded != 2 {
		t.Errorf("settlement: %+v", s)
	}
	settlements, err := d.Host.Settlements(ctx, rig.TID)
	if err != nil || len(settlements) != 1 {
		t.Errorf("host: %+v, %v", settlements, err)
	}
	differences, err := d.Host.Differences(ctx, true)
	if err != nil || len(differences) != 1 {
		t.Errorf("the host is to have one difference to work off, the sale that the terminal does not count: %+v, %v", differences, err)
	}
	if next := d.order(t, ctx, control.PayRequest{Amount: "1.00"}); next.ID[:6] != "000002" {
		t.Errorf("next sale is %s", next.ID)
	}
}

// disagree leaves the host with a sale that an operator resolved at the terminal as not
// taken: the agent dies with the debt on disk, and the host lets it talk again only when
// the debt is resolved.
func (d *desk) disagree(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := d.Agent.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.Boot(ctx, "POSD_CRASH_AT="+string(payment.AfterAnswer)); err != nil {
		t.Fatal(err)
	}
	d.Insert("union-rich")
	if _, err := d.Client().Pay(ctx, control.PayRequest{Amount: "99.00", Who: control.Person{Number: "01"}}); !errors.Is(err, control.ErrLost) {
		t.Fatalf("the agent was to be killed after the host's answer: %v", err)
	}
	if err := d.Host.SetTerminalStatus(ctx, rig.TID, estate.Suspended); err != nil {
		t.Fatal(err)
	}
	if err := d.Launch(); err != nil {
		t.Fatal(err)
	}
	if err := d.Agent.Await(ctx, "recovered"); err != nil {
		t.Fatal(err)
	}
	snap, err := d.Client().Snapshot(ctx)
	if err != nil || len(snap.Owed) != 1 {
		t.Fatalf("%d owed, %v", len(snap.Owed), err)
	}
	if err := d.Client().Resolve(ctx, snap.Owed[0].ID, "00", "settled by telephone"); err != nil {
		t.Fatal(err)
	}
	if err := d.Host.SetTerminalStatus(ctx, rig.TID, estate.Active); err != nil {
		t.Fatal(err)
	}
	if err := d.Agent.Await(ctx, "signed on"); err != nil {
		t.Fatal(err)
	}
}

// closed waits until the settlement is over.
func (d *desk) closed(t *testing.T, ctx context.Context, p batch.Point) control.Settled {
	t.Helper()
	switch p {
	case batch.Flushed: // nothing was on disk: it is asked for again
		s, err := d.Client().Settle(ctx, boss)
		if err != nil {
			t.Fatal(err)
		}
		return s
	case batch.AfterClose: // it was over already
	default:
		if err := d.Agent.Await(ctx, "msg=settled"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := d.Client().LastSettlement(ctx, false)
	if err != nil || s.Phase != "closed" {
		t.Fatalf("%+v, %v", s, err)
	}
	return s
}

// A store that is damaged beyond reading is set aside, whole, and the terminal goes on with
// a new one within seconds; what it owed comes back from the second copy.
func TestADamagedStoreIsSetAside(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := openDesk(t, ctx, 2*time.Second)
	d.order(t, ctx, control.PayRequest{Amount: "12.00"})
	if err := d.Agent.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.Boot(ctx, "POSD_CRASH_AT="+string(payment.AfterAnswer)); err != nil {
		t.Fatal(err)
	}
	d.Insert("union-rich")
	if _, err := d.Client().Pay(ctx, control.PayRequest{Amount: "45.00", Who: control.Person{Number: "01"}}); !errors.Is(err, control.ErrLost) {
		t.Fatalf("the agent was to be killed: %v", err)
	}
	file, err := os.OpenFile(d.StorePath(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	garbage := make([]byte, 64<<10)
	for i := range garbage {
		garbage[i] = byte(i * 7)
	}
	if _, err := file.WriteAt(garbage, 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := d.Launch(); err != nil {
		t.Fatal(err)
	}
	if err := d.Agent.Await(ctx, "msg=started"); err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %v", time.Since(began))
	snap, err := d.Client().Snapshot(ctx)
	if err != nil || !standing(snap, "store-aside") || !standing(snap, "no-master-key") {
		t.Fatalf("findings: %+v, %v", snap.Findings, err)
	}
	if len(snap.Owed) != 1 || snap.Owed[0].Amount != "45.00" {
		t.Fatalf("the debt did not come back: %+v", snap.Owed)
	}
	if err := d.LoadKey(ctx); err != nil { // the keys were in the file that is aside
		t.Fatal(err)
	}
	if err := d.Agent.Await(ctx, "msg=reversed"); err != nil {
		t.Fatal(err)
	}
	d.order(t, ctx, control.PayRequest{Amount: "7.00"})
	if got := d.owedToMerchant(t, ctx); got != 1200+700 {
		t.Errorf("the host owes the merchant %d, want 19.00", got)
	}
}

func standing(s control.Snapshot, code string) bool {
	for _, f := range s.Findings {
		if string(f.Code) == code {
			return true
		}
	}
	return false
}
