package acquirer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/emv/payment"
	"posd/transport/iso8583"
)

func TestAnswerTimeOutAndLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = func(c *hostConn, m iso8583.Message) bool {
			if _, ok := m.(*iso8583.FinancialRequest); !ok {
				return false
			}
			late := c.frame(good(m))
			h.work.Go(func() {
				<-time.After(70 * time.Second)
				c.send(late)
			})
			return true
		}
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		began := time.Now()
		_, err := r.Authorize(t.Context(), sale(t, 1))
		if !errors.Is(err, payment.ErrNoAnswer) || errors.Is(err, payment.ErrNotSent) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("gave up after %v", took)
		}
		advance(time.Second) // the silence is looked into at once
		if got := h.functions(); !strings.HasPrefix(got, "004 301") {
			t.Errorf("functions %s", got)
		}
		advance(20 * time.Second)
		if s := r.Status(); s.Late != 1 || s.Dropped != 1 || s.State != Up {
			t.Errorf("status %+v", s)
		}
	})
}

func TestCancelledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = func(_ *hostConn, m iso8583.Message) bool {
			_, ok := m.(*iso8583.FinancialRequest)
			return ok
		}
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := r.Authorize(ctx, sale(t, 1)); !errors.Is(err, payment.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPaymentWaitsForTheLinkWithinLimits(t *testing.T) {
	t.Run("comes up in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHost()
			h.refuse = func(int) error { <-time.After(5 * time.Second); return nil }
			r := start(t, h, nil)
			defer r.stop()
			if _, err := r.Authorize(t.Context(), sale(t, 1)); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("attempt fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHost()
			h.refuse = func(int) error { <-time.After(2 * time.Second); return errors.New("connection refused") }
			r := start(t, h, nil)
			defer r.stop()
			advance(2500 * time.Millisecond) // backing off: the payment does not wait for that
			began := time.Now()
			_, err := r.Authorize(t.Context(), sale(t, 1))
			if !errors.Is(err, payment.ErrNotSent) || !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 2500*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("sign-on hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHost()
			h.script = func(*hostConn, iso8583.Message) bool { return true }
			r := start(t, h, nil)
			defer r.stop()
			_, err := r.Authorize(t.Context(), sale(t, 1))
			want := "acquirer: authorize 000001/000001: not sent: link is down: still signing on after 10s"
			if err == nil || err.Error() != want {
				t.Errorf("\n got %v\nwant %s", err, want)
			}
		})
	})
}

func TestManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = func(_ *hostConn, m iso8583.Message) bool {
			_, ok := m.(*iso8583.FinancialRequest)
			return ok
		}
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		errs := make(chan error, maxPending)
		for i := range maxPending {
			go func() {
				_, err := r.Authorize(t.Context(), sale(t, uint32(i+1)))
				errs <- err
			}()
		}
		synctest.Wait()
		for name, stan := range map[string]uint32{"one too many": 99} {
			if _, err := r.Authorize(t.Context(), sale(t, stan)); !errors.Is(err, payment.ErrNotSent) || !errors.Is(err, errBusy) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range maxPending {
			if err := <-errs; !errors.Is(err, payment.ErrNoAnswer) {
				t.Error(err)
			}
		}
	})
}

func TestSamePaymentTwiceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = func(_ *hostConn, m iso8583.Message) bool {
			_, ok := m.(*iso8583.FinancialRequest)
			return ok
		}
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		first := make(chan error, 1)
		go func() {
			_, err := r.Authorize(t.Context(), sale(t, 1))
			first <- err
		}()
		synctest.Wait()
		if _, err := r.Authorize(t.Context(), sale(t, 1)); !errors.Is(err, errBusy) || !errors.Is(err, payment.ErrNotSent) {
			t.Errorf("second: %v", err)
		}
		if err := <-first; !errors.Is(err, payment.ErrNoAnswer) {
			t.Errorf("first: %v", err)
		}
	})
}

func TestWaitUpEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.refuse = func(int) error { return errors.New("connection refused") }
		r := start(t, h, nil)
		defer r.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.WaitUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
