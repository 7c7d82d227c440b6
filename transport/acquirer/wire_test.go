package acquirer

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"posd/emv"
	"posd/emv/binding"
	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/transport/iso8583"
)

// TestEveryKindOnTheWire: the message type of each kind, and what names its original.
func TestEveryKindOnTheWire(t *testing.T) {
	for _, row := range []struct {
		kind payment.Kind
		want iso8583.TransactionType
	}{
		{payment.Sale, iso8583.Sale},
		{payment.Void, iso8583.Void},
		{payment.Refund, iso8583.Refund},
		{payment.Preauth, iso8583.Preauth},
		{payment.PreauthVoid, iso8583.PreauthVoid},
		{payment.Completion, iso8583.PreauthCompletion},
		{payment.CompletionAdvice, iso8583.PreauthAdvice},
		{payment.CompletionVoid, iso8583.PreauthCompletionVoid},
		{payment.Balance, iso8583.Balance},
		{payment.OfflineSale, iso8583.OfflineSale},
		{payment.OfflineAdjust, iso8583.OfflineAdjust},
		{payment.TipAdjust, iso8583.TipAdjust},
		{payment.OfflineChip, iso8583.OfflineChip},
	} {
		t.Run(row.kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, newHost(), nil)
				defer r.stop()
				rec := record(t, row.kind)
				rec.Before = emv.Amount{Minor: 1000, Currency: emv.CNY}
				if a, err := r.Forward(t.Context(), rec); err != nil || a.Code != "00" {
					t.Fatalf("%+v, %v", a, err)
				}
				m := requests[*iso8583.FinancialRequest](r.host)[0]
				if m.Type != row.want || m.PAN != rec.PAN || m.Amount != 1200 || m.STAN != 42 || m.Private.Batch != 1 {
					t.Errorf("got %+v", m)
				}
				named := m.RRN == "112300000007" && m.AuthCode == "Z9Y8X7" && m.Original == iso8583.Original{Batch: 1, STAN: 7, Date: "1122"}
				if named != (rec.Original != nil) {
					t.Errorf("original: %s, %s, %+v", m.RRN, m.AuthCode, m.Original)
				}
				if (m.Tip == 200) != (row.kind == payment.TipAdjust) || (m.Scheme == "CUP") != (row.kind == payment.Refund) {
					t.Errorf("tip %d, scheme %q", m.Tip, m.Scheme)
				}
				if !m.Sealed.IsZero() || !m.Track2.IsZero() || len(m.PINBlock) > 0 {
					t.Errorf("a forwarded payment has a track or a PIN: %+v", m)
				}
			})
		})
	}
	if n := len(transactionTypes); n != len(payment.Kinds()) {
		t.Errorf("%d of %d kinds have a message", n, len(payment.Kinds()))
	}
}

// TestRepeatIsWordForWord: a refund whose answer was lost goes out again as it went first.
func TestRepeatIsWordForWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = first(func(*hostConn, iso8583.Message) {})
		r := start(t, h, nil)
		defer r.stop()
		req := sale(t, 42)
		req.Record, req.PINBlock = record(t, payment.Refund), nil
		if _, err := r.Authorize(t.Context(), req); !errors.Is(err, payment.ErrNoAnswer) {
			t.Fatalf("got %v", err)
		}
		if _, err := r.Forward(t.Context(), req.Record); err != nil {
			t.Fatal(err)
		}
		got := requests[*iso8583.FinancialRequest](h)
		if len(got) != 2 || !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("\n got %+v\nthen %+v", got[0], got[1])
		}
	})
}

// TestFallbackOnTheWire: field 22 and 60.5 of a stripe that was read after the chip failed.
func TestFallbackOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		req := sale(t, 42)
		req.Record.EntryMode, req.Record.Fallback, req.Record.PANSequence, req.Record.Request = "021", true, -1, nil
		if _, err := r.Authorize(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		m := requests[*iso8583.FinancialRequest](r.host)[0]
		if m.EntryMode != "021" || m.Private.Condition != 2 || m.Private.Capability != 5 || m.Sealed.IsZero() {
			t.Errorf("got %+v", m)
		}
	})
}

// TestReversalOfAVoid: field 38 of the original where the host gave none, field 61, no 37.
func TestReversalNamesTheOriginal(t *testing.T) {
	for _, k := range []payment.Kind{payment.Void, payment.Completion, payment.PreauthVoid, payment.CompletionVoid} {
		synctest.Test(t, func(t *testing.T) {
			r := start(t, newHost(), nil)
			defer r.stop()
			if _, err := r.Reverse(t.Context(), owed(t, k)); err != nil {
				t.Fatal(err)
			}
			m := requests[*iso8583.ReversalRequest](r.host)[0]
			if m.AuthCode != "Z9Y8X7" || m.Original != (iso8583.Original{Batch: 1, STAN: 7, Date: "1122"}) || m.Code != "98" {
				t.Errorf("%v: %+v", k, m)
			}
		})
	}
}

func TestBalanceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = first(func(c *hostConn, m iso8583.Message) {
			a := good(m).(*iso8583.FinancialResponse)
			a.Balance = iso8583.AccountBalance{Account: 10, Kind: 2, Currency: emv.CNY, Debit: true, Minor: 4200}
			c.send(c.frame(a))
		})
		r := start(t, h, nil)
		defer r.stop()
		rec := record(t, payment.Balance)
		rec.Amount.Minor = 0
		a, err := r.Authorize(t.Context(), payment.AuthRequest{Record: rec})
		if err != nil || a.Balance == nil || *a.Balance != -4200 {
			t.Errorf("got %+v, %v", a, err)
		}
		if a, err = r.Forward(t.Context(), record(t, payment.Sale)); err != nil || a.Balance != nil {
			t.Errorf("a sale: %+v, %v", a, err)
		}
	})
}

func TestNoticeOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		rec := noticed(t)
		if _, err := r.Notify(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		got := requests[*iso8583.ScriptRequest](r.host)[0]
		got.MAC = [8]byte{}
		want := &iso8583.ScriptRequest{
			Type: iso8583.Sale, PAN: rec.PAN, Amount: 1200, STAN: 42, Expiry: "3012", EntryMode: "051", PANSequence: 1,
			RRN: "112308010200", AuthCode: "A1B2C3", Terminal: "00000001", Merchant: "123456789012345", Currency: emv.CNY,
			ICC: rec.Script.ICC, Private: iso8583.Private{Type: 22, Batch: 1, Network: 951, Capability: 5},
			Original: iso8583.Original{Batch: 1, STAN: 42, Date: "1123"},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
		rec.Script = nil
		if _, err := r.Notify(t.Context(), rec); !errors.Is(err, payment.ErrNotSent) {
			t.Errorf("nothing to notify: %v", err)
		}
	})
}

func TestSettlementOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		answer, err := r.Settle(t.Context(), settlement())
		if err != nil || answer.Code != "00" || answer.Domestic != batch.Balanced || answer.Foreign != batch.Unbalanced || answer.Time != "1123220000" {
			t.Fatalf("got %+v, %v", answer, err)
		}
		got := requests[*iso8583.SettlementRequest](r.host)[0]
		got.MAC = [8]byte{}
		want := &iso8583.SettlementRequest{
			STAN: 60, Terminal: "00000001", Merchant: "123456789012345", Currency: emv.CNY, Batch: 1, Operator: "01",
			Domestic: iso8583.Totals{DebitAmount: 12000, DebitCount: 10, CreditAmount: 1000, CreditCount: 1},
			Foreign:  iso8583.Totals{DebitAmount: 990, DebitCount: 1},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestUploadsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		void, kept := record(t, payment.Void), noticed(t)
		void.ID.STAN = 43
		refund := record(t, payment.Refund)
		for _, run := range []func() (string, error){
			func() (string, error) { return r.UploadGroup(t.Context(), 1, []*payment.Record{kept, void}) },
			func() (string, error) { return r.End(t.Context(), 1, false, 2) },
			func() (string, error) { return r.End(t.Context(), 1, true, 0) },
			func() (string, error) {
				return r.UploadOne(t.Context(), 1, batch.Upload{Kind: batch.UploadNotice, Record: refund})
			},
			func() (string, error) {
				return r.UploadOne(t.Context(), 1, batch.Upload{Kind: batch.UploadTC, Balanced: true, Record: kept})
			},
			func() (string, error) {
				return r.UploadOne(t.Context(), 1, batch.Upload{Kind: batch.UploadBadARPC, Record: kept})
			},
		} {
			if code, err := run(); err != nil || code != "00" {
				t.Fatalf("%s, %v", code, err)
			}
		}
		if _, err := r.UploadOne(t.Context(), 1, batch.Upload{Kind: 99, Record: kept}); !errors.Is(err, payment.ErrNotSent) {
			t.Errorf("unknown upload: %v", err)
		}
		got := requests[*iso8583.UploadRequest](r.host)
		if want := []iso8583.Detail{{Side: 0, STAN: 42, PAN: kept.PAN, Amount: 1200}, {Side: 1, STAN: 43, PAN: kept.PAN, Amount: 1200}}; !reflect.DeepEqual(got[0].Group, want) {
			t.Errorf("group %+v", got[0].Group)
		}
		if got[1].Function != iso8583.EndUnbalanced || got[1].Count != 2 || got[2].Function != iso8583.EndBalanced || got[2].Count != 0 {
			t.Errorf("ends %+v, %+v", got[1], got[2])
		}
		if got[1].STAN == got[2].STAN {
			t.Error("two ends share a number")
		}
		if m := got[3]; m.Type != iso8583.Refund || m.Function != 0 || m.Original.STAN != 7 || m.STAN != 42 {
			t.Errorf("notice %+v", m)
		}
		if m := got[4]; m.Function != iso8583.TCBalanced || string(m.Facts) != "6100A1B2C3112308010200" || !reflect.DeepEqual(m.ICC, kept.Final) {
			t.Errorf("TC %+v", m)
		}
		if m := got[5]; m.Function != iso8583.FailedUnbalanced || m.STAN != 42 || m.Type != 0 {
			t.Errorf("failure %+v", m)
		}
	})
}

// TestBindingGoesWithEveryCard: field 59 says which device it is, and reads back.
func TestBindingGoesWithEveryCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := binding.Terminal{Kind: binding.POS, Serial: "SN000001", Proof: "A1B2C3D4", Version: "V1.0"}
		r := start(t, newHost(), func(c *Config) {
			c.Binding = func(pan emv.PAN) (binding.Terminal, error) {
				if pan.IsZero() {
					return binding.Terminal{}, errors.New("no master key")
				}
				device.Factor = binding.Factor(pan)
				return device, nil
			}
		})
		defer r.stop()
		for _, x := range exchanges() {
			if _, err := x.run(t.Context(), t, r.Link); err != nil {
				t.Errorf("%s: %v", x.name, err)
			}
		}
		for _, field := range [][]byte{
			requests[*iso8583.FinancialRequest](r.host)[0].Device, requests[*iso8583.ReversalRequest](r.host)[0].Device,
			requests[*iso8583.ScriptRequest](r.host)[0].Device, requests[*iso8583.UploadRequest](r.host)[1].Device,
		} {
			if got, err := binding.Parse(field); err != nil || got != device {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		bare := record(t, payment.Sale)
		bare.PAN = emv.PAN{}
		if _, err := r.Forward(t.Context(), bare); !errors.Is(err, payment.ErrNotSent) || !strings.Contains(err.Error(), "field 59: no master key") {
			t.Errorf("without a binding: %v", err)
		}
	})
}

func TestManageCarriesFieldsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = func(c *hostConn, m iso8583.Message) bool {
			n, ok := m.(*iso8583.NetworkRequest)
			if !ok || n.Function != iso8583.CAKeyList {
				return false
			}
			a := good(m).(*iso8583.NetworkResponse)
			a.Data, a.STAN = append([]byte("1"), n.Data...), 0 // some hosts leave field 11 out
			c.header.Order = iso8583.OrderAIDs
			c.send(c.frame(a))
			return true
		}
		var orders []iso8583.Order
		r := start(t, h, func(c *Config) { c.OnOrder = func(o iso8583.Order) { orders = append(orders, o) } })
		code, data, err := r.Manage(t.Context(), uint16(iso8583.CAKeyList), []byte("100"))
		if err != nil || code != "00" || string(data) != "1100" {
			t.Errorf("got %s, %q, %v", code, data, err)
		}
		for _, f := range []iso8583.Function{iso8583.SignOnDouble, iso8583.SignOnAES, iso8583.SignOff, 999} {
			if _, _, err := r.Manage(t.Context(), uint16(f), nil); !errors.Is(err, payment.ErrNotSent) {
				t.Errorf("function %v: %v", f, err)
			}
		}
		r.stop()
		if len(orders) != 2 || orders[1] != iso8583.OrderAIDs {
			t.Errorf("orders %v", orders)
		}
	})
}

func TestSignOffSignsOnAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		r.up(t)
		if err := r.SignOff(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.host.functions(); got != "004 002 004" {
			t.Errorf("functions %s", got)
		}
	})
}

// TestAnswersBelong: what shares the key of a request and is not its answer.
func TestAnswersBelong(t *testing.T) {
	p := iso8583.Private{Batch: 7}
	sale, script := &iso8583.FinancialRequest{Type: iso8583.Sale, Private: p}, &iso8583.ScriptRequest{Type: iso8583.Sale, Private: p}
	end, notice := &iso8583.UploadRequest{Function: iso8583.EndBalanced, Private: p}, &iso8583.UploadRequest{Type: iso8583.Refund, Private: p}
	reverse, settle := &iso8583.ReversalRequest{Type: iso8583.Sale, Private: p}, &iso8583.SettlementRequest{Batch: 7}
	for _, row := range []struct {
		name      string
		req, resp iso8583.Message
		want      bool
	}{
		{"sale", sale, &iso8583.FinancialResponse{Type: iso8583.Sale, Private: p}, true},
		{"sale, no batch", sale, &iso8583.FinancialResponse{Type: iso8583.Sale}, true},
		{"sale, another batch", sale, &iso8583.FinancialResponse{Type: iso8583.Sale, Private: iso8583.Private{Batch: 8}}, false},
		{"sale, void", sale, &iso8583.FinancialResponse{Type: iso8583.Void, Private: p}, false},
		{"sale, reversal", sale, &iso8583.ReversalResponse{Type: iso8583.Sale, Private: p}, false},
		{"reversal", reverse, &iso8583.ReversalResponse{Type: iso8583.Sale, Private: p}, true},
		{"reversal, of a void", reverse, &iso8583.ReversalResponse{Type: iso8583.Void, Private: p}, false},
		{"script", script, &iso8583.ScriptResponse{Type: iso8583.Sale, Private: p}, true},
		{"script, another batch", script, &iso8583.ScriptResponse{Type: iso8583.Sale, Private: iso8583.Private{Batch: 8}}, false},
		{"settlement", settle, &iso8583.SettlementResponse{Batch: 7}, true},
		{"settlement, another batch", settle, &iso8583.SettlementResponse{Batch: 8}, false},
		{"end", end, &iso8583.UploadResponse{Function: iso8583.EndBalanced, Private: p}, true},
		{"end, the other end", end, &iso8583.UploadResponse{Function: iso8583.EndUnbalanced, Private: p}, false},
		{"end, a notice", end, &iso8583.UploadResponse{Type: iso8583.Refund, Private: p}, false},
		{"notice", notice, &iso8583.UploadResponse{Type: iso8583.Refund, Private: p}, true},
		{"notice, another kind", notice, &iso8583.UploadResponse{Type: iso8583.OfflineSale, Private: p}, false},
		{"echo", &iso8583.NetworkRequest{Function: iso8583.Echo}, &iso8583.NetworkResponse{Function: iso8583.Echo}, true},
		{"echo, status", &iso8583.NetworkRequest{Function: iso8583.Echo}, &iso8583.NetworkResponse{Function: iso8583.Status}, false},
		{"a request", sale, sale, false},
	} {
		if got := answers(row.req, row.resp); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}
