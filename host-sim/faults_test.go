package hostsim

import (
	"testing"

	"posd/host-sim/fault"
	"posd/transport/iso8583"
)

// TestAnswersOvertake: the first answer comes after the second, and both are whole.
func TestAnswersOvertake(t *testing.T) {
	r := boot(t)
	c := r.signedOn()
	f, err := fault.Parse("reorder-response:+1@0200")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.AddFault(f); err != nil {
		t.Fatal(err)
	}
	first, second := r.term.Sale(r.rich, 100), r.term.Sale(r.rich, 200)
	for _, m := range []iso8583.Message{first, second} {
		if err := c.Put(r.term.Seal(m)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []uint32{second.STAN, first.STAN} {
		frame, err := c.Get()
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.term.Open(frame)
		if err != nil || m.Key().STAN != want {
			t.Errorf("answer to %d, %v; want that to %d", m.Key().STAN, err, want)
		}
	}
}

// TestFaultsOfSettlement: the whole settlement over the wire, with the first answer of each
// message lost, and asked for again.
func TestFaultsOfSettlement(t *testing.T) {
	r := boot(t)
	c := r.signedOn()
	r.want(c, r.term.Sale(r.rich, 1200), "00")
	for _, s := range []string{"drop-response:1@0500/201", "garble-response:1@0320/201", "wrong-mac:1@0320/202"} {
		f, err := fault.Parse(s)
		if err == nil {
			err = r.AddFault(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	group := r.term.Upload(iso8583.UploadGroup)
	group.Group = []iso8583.Detail{{Side: iso8583.DebitSide, STAN: 2, PAN: r.rich.PAN, Amount: 1200}}
	end := r.term.Upload(iso8583.EndUnbalanced)
	end.Count = 1
	for _, m := range []iso8583.Message{r.term.Settlement(iso8583.Totals{}, iso8583.Totals{}), group, end} {
		frame := r.term.Seal(m)
		if _, lost := m.(*iso8583.SettlementRequest); lost {
			if err := c.Put(frame); err != nil {
				t.Fatal(err)
			}
		} else if answer, err := c.Exchange(frame); err != nil {
			t.Fatal(err)
		} else if _, err := r.term.Open(answer); err == nil {
			t.Errorf("%T: the first answer was whole", m)
		}
		r.want(c, m, "00")
	}
	a, err := r.Audit(t.Context())
	if err != nil || len(a.Settlements) != 1 || a.Settlements[0].State != "closed" || len(a.Differences) != 0 || !a.Payments[0].Settled {
		t.Errorf("audit: %+v, %v", a, err)
	}
}

// BenchmarkSimulatedSale is the price of a sale at a simulated host.
func BenchmarkSimulatedSale(b *testing.B) {
	dir := memory(b)
	benchmarkSale(b, newTemplate(b, dir), dir)
}
