package acquirer

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/emv"
	"posd/emv/payment"
	"posd/transport/iso8583"
)

func TestSaleOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		req := sale(t, 42)
		answer, err := r.Authorize(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		want := payment.Answer{
			Code: "00", AuthCode: "A1B2C3", RRN: "112308010200", Time: "1123080102", SettleDate: "1124",
			Acquirer: "48021000", Issuer: "01020000", Text: "交易成功", ICC: unhex("910A11223344556677883030"), Amount: 1200,
		}
		if !reflect.DeepEqual(answer, want) {
			t.Errorf("answer\n got %+v\nwant %+v", answer, want)
		}
		got := requests[*iso8583.FinancialRequest](r.host)[0]
		track, err := got.Sealed.Open(tdes(trackKey))
		if err != nil || track != req.Track2 {
			t.Errorf("track: %v, %v", track, err)
		}
		got.Sealed, got.MAC = iso8583.SealedTrack{}, [8]byte{}
		sent := &iso8583.FinancialRequest{
			Type: iso8583.Sale, PAN: req.Record.PAN, Amount: 1200, STAN: 42, Expiry: "3012", EntryMode: "051",
			PANSequence: 1, PINCapture: 12, Terminal: "00000001", Merchant: "123456789012345", Currency: emv.CNY,
			PINBlock: unhex("0102030405060708"), Security: "2610000000000000", ICC: req.Record.Request,
			Private: iso8583.Private{Type: 22, Batch: 1, Capability: 5},
		}
		if !reflect.DeepEqual(got, sent) {
			t.Errorf("request\n got %+v\nwant %+v", got, sent)
		}
	})
}

// A PIN that was entered before the last sign-on would be a wrong PIN under the new key:
// the request is not sent, and no PIN try is lost.
func TestPINOfAnOldKeyIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		req := sale(t, 42)
		req.PINKey[0]++
		_, err := r.Authorize(t.Context(), req)
		if !errors.Is(err, payment.ErrNotSent) || !errors.Is(err, errOldPIN) {
			t.Errorf("got %v, want not sent for the old PIN key", err)
		}
		if sent := requests[*iso8583.FinancialRequest](r.host); len(sent) != 0 {
			t.Errorf("%d requests were sent", len(sent))
		}
	})
}

func TestSaleWithoutPINOrTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		req := sale(t, 42)
		req.Track2, req.PINBlock = emv.Track2{}, nil
		if _, err := r.Authorize(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		got := requests[*iso8583.FinancialRequest](r.host)[0]
		if got.PINCapture != 0 || got.PINBlock != nil || got.Security != "" || !got.Sealed.IsZero() || !got.Track2.IsZero() {
			t.Errorf("fields 26, 35, 52 or 53 without a PIN and a track: %+v", got)
		}
	})
}

func TestTrackGoesInClearOnlyWithoutTrackKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), func(c *Config) { c.SignOn = iso8583.SignOnDouble })
		defer r.stop()
		req := sale(t, 42)
		if _, err := r.Authorize(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		got := requests[*iso8583.FinancialRequest](r.host)[0]
		if got.Track2 != req.Track2 || got.Security != "2600000000000000" {
			t.Errorf("got %v, security %s", got.Track2, got.Security)
		}
	})
}

func TestReversalOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		rec := sale(t, 42).Record
		rec.Answer = &payment.Answer{Code: "00", AuthCode: "A1B2C3", RRN: "112308010200"}
		rec.Reversal = &payment.Debt{Reason: payment.CardFailed, ICC: unhex("9505008004E8009F36020001")}
		answer, err := r.Reverse(t.Context(), rec)
		if err != nil || answer.Code != "00" || answer.RRN != "112308010300" {
			t.Fatalf("got %+v, %v", answer, err)
		}
		got := requests[*iso8583.ReversalRequest](r.host)[0]
		got.MAC = [8]byte{}
		want := &iso8583.ReversalRequest{
			Type: iso8583.Sale, PAN: rec.PAN, Amount: 1200, STAN: 42, Expiry: "3012", EntryMode: "051", PANSequence: 1,
			AuthCode: "A1B2C3", Code: "06", Terminal: "00000001", Merchant: "123456789012345", Currency: emv.CNY,
			ICC: rec.Reversal.ICC, Private: iso8583.Private{Type: 22, Batch: 1, Capability: 5},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestWhatHasNoMessageIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		r.up(t)
		unknown := sale(t, 1)
		unknown.Record.Kind = 99
		tooLong := sale(t, 2)
		tooLong.Record.Terminal = "123456789"
		for name, req := range map[string]payment.AuthRequest{"kind": unknown, "terminal": tooLong} {
			if _, err := r.Authorize(t.Context(), req); !errors.Is(err, payment.ErrNotSent) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := r.Reverse(t.Context(), sale(t, 3).Record); !errors.Is(err, payment.ErrNotSent) {
			t.Errorf("no reversal owed: %v", err)
		}
		if n := len(requests[*iso8583.FinancialRequest](r.host)); n != 0 {
			t.Errorf("%d requests went out", n)
		}
	})
}

func TestSignOnTellsBatchAndClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batch uint32
		var clock string
		var state State
		linked := make(chan *Link, 1)
		h := newHost()
		r := start(t, h, func(c *Config) {
			c.OnSignOn = func(b uint32, hostTime string) { batch, clock, state = b, hostTime, (<-linked).Status().State }
		})
		linked <- r.Link
		defer r.stop()
		r.up(t)
		if batch != 7 || clock != "1123080000" || state != SigningOn {
			t.Errorf("got batch %d, time %s, in state %v", batch, clock, state)
		}
		got := requests[*iso8583.NetworkRequest](h)[0]
		if got.Function != iso8583.SignOnTrackKey || got.Operator != "01" || got.Batch != 1 || string(got.Data) != "Sequence No12306000000000" {
			t.Errorf("sign-on %+v", got)
		}
	})
}

func TestEchoWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		r.up(t)
		advance(59 * time.Second)
		if got := r.host.functions(); got != "004" {
			t.Fatalf("after 59 s: %s", got)
		}
		advance(2 * time.Second)
		if got := r.host.functions(); got != "004 301" {
			t.Fatalf("after 61 s: %s", got)
		}
		if echo := r.Status().LastEcho; time.Since(echo) > 2*time.Second {
			t.Errorf("last echo %v ago", time.Since(echo))
		}
		// A payment is as good as an echo.
		advance(40 * time.Second)
		if _, err := r.Authorize(t.Context(), sale(t, 1)); err != nil {
			t.Fatal(err)
		}
		advance(40 * time.Second)
		if got := r.host.functions(); got != "004 301" {
			t.Errorf("40 s after a payment: %s", got)
		}
	})
}

// advance lets d pass in the bubble, and everybody come to rest.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestEchoWithoutAnswerBringsANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = func(_ *hostConn, m iso8583.Message) bool {
			n, ok := m.(*iso8583.NetworkRequest)
			return ok && n.Function == iso8583.Echo
		}
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		advance(121 * time.Second)
		s := r.Status()
		if !strings.Contains(s.LastError, "acquirer: echo: no answer: context deadline exceeded") {
			t.Errorf("last error %q", s.LastError)
		}
		advance(time.Second)
		if s = r.Status(); s.State != Up || s.Reconnects != 1 {
			t.Errorf("got %v after %d reconnects", s.State, s.Reconnects)
		}
	})
}

func TestBackOffGrowsAndIsShaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.refuse = func(int) error { return errors.New("connection refused") }
		r := start(t, h, nil)
		advance(10 * time.Minute)
		r.stop()
		limit := time.Second
		shaken := false
		for i := 1; i < len(h.dials); i++ {
			gap := h.dials[i].Sub(h.dials[i-1])
			if gap < limit/2 || gap > limit {
				t.Errorf("wait %d: %v, want %v to %v", i, gap, limit/2, limit)
			}
			shaken = shaken || gap != limit
			limit = min(2*limit, time.Minute)
		}
		if len(h.dials) < 12 || !shaken {
			t.Errorf("%d dials in 10 minutes, shaken %v", len(h.dials), shaken)
		}
		if got := r.Status(); got.LastError != "acquirer: connect: connection refused" || got.State != Down {
			t.Errorf("status %+v", got)
		}
	})
}

func TestKickEndsTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.refuse = func(n int) error {
			if n <= 8 {
				return errors.New("connection refused")
			}
			return nil
		}
		r := start(t, h, nil)
		defer r.stop()
		advance(90 * time.Second) // in the middle of a long one
		if got := r.Status().State; got != Down {
			t.Fatalf("state %v", got)
		}
		h.refuse = nil
		r.Kick()
		synctest.Wait()
		if got := r.Status().State; got != Up {
			t.Errorf("state %v after the kick", got)
		}
	})
}

func TestKickSignsOnAnewWhenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), nil)
		defer r.stop()
		r.up(t)
		r.Kick()
		synctest.Wait()
		if s := r.Status(); r.host.functions() != "004 004" || s.SignOns != 2 || s.State != Up || s.Reconnects != 0 {
			t.Errorf("functions %s, status %+v", r.host.functions(), s)
		}
	})
}

func TestNoMasterKeyYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newHost(), func(c *Config) { c.Keys.(*testKeys).load("") })
		defer r.stop()
		advance(5 * time.Minute)
		if s := r.Status(); s.State != Down || s.LastError != "acquirer: sign on: install keys: keys: TMK: no such key" {
			t.Fatalf("status %+v", s)
		}
		if _, err := r.Authorize(t.Context(), sale(t, 1)); !errors.Is(err, payment.ErrNotSent) || !errors.Is(err, ErrDown) {
			t.Errorf("a payment: %v", err)
		}
		r.keys.load(masterKey)
		r.Kick()
		synctest.Wait()
		if got := r.Status().State; got != Up {
			t.Errorf("state %v after the key was loaded", got)
		}
	})
}

func TestSignOnsThatFail(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(m *iso8583.NetworkResponse)
		want   string
	}{
		{"refused", func(m *iso8583.NetworkResponse) { m.Code, m.Data = "03", nil }, "acquirer: sign on: host answered 03"},
		{"no keys", func(m *iso8583.NetworkResponse) { m.Data = nil }, "acquirer: sign on: field 62: iso8583: sign-on keys of 0 bytes have not form 004: bad value"},
		{"wrong check value", func(m *iso8583.NetworkResponse) { m.Data[36] ^= 1 }, "acquirer: sign on: install keys: keyblock:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				h.script = func(c *hostConn, m iso8583.Message) bool {
					answer := good(m).(*iso8583.NetworkResponse)
					row.change(answer)
					c.send(c.frame(answer))
					return true
				}
				r := start(t, h, nil)
				defer r.stop()
				synctest.Wait()
				if s := r.Status(); s.State != Down || !strings.HasPrefix(s.LastError, row.want) {
					t.Errorf("%v, %s", s.State, s.LastError)
				}
			})
		})
	}
}

func TestCodesThatAskForANewSignOn(t *testing.T) {
	for _, code := range []string{"A0", "99", "77"} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				h.script = func(c *hostConn, m iso8583.Message) bool {
					if m, ok := m.(*iso8583.FinancialRequest); ok && m.STAN == 1 {
						answer := good(m).(*iso8583.FinancialResponse)
						answer.Code = code
						c.send(c.frame(answer))
						return true
					}
					return false
				}
				r := start(t, h, nil)
				defer r.stop()
				answer, err := r.Authorize(t.Context(), sale(t, 1))
				if err != nil || answer.Code != code {
					t.Fatalf("got %+v, %v", answer, err)
				}
				if _, err := r.Authorize(t.Context(), sale(t, 2)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := h.functions(); got != "004 004" {
					t.Errorf("functions %s", got)
				}
			})
		})
	}
}

func TestOrdersOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var orders []byte
		h := newHost()
		h.script = func(c *hostConn, m iso8583.Message) bool {
			if _, ok := m.(*iso8583.FinancialRequest); ok {
				c.header.Order = 4
			}
			return false
		}
		r := start(t, h, func(c *Config) { c.OnOrder = func(order byte) { orders = append(orders, order) } })
		if _, err := r.Authorize(t.Context(), sale(t, 1)); err != nil {
			t.Fatal(err)
		}
		r.stop()
		if string(orders) != "\x00\x04" {
			t.Errorf("orders % X, want those of sign-on and sale", orders)
		}
	})
}
