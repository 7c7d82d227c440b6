package acquirer

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posd/emv/payment"
	"posd/transport/iso8583"
)

// spoiled answers the sale with STAN 1 by fault, and all else well.
func spoiled(fault func(c *hostConn, m *iso8583.FinancialRequest)) func(*hostConn, iso8583.Message) bool {
	return func(c *hostConn, m iso8583.Message) bool {
		sale, ok := m.(*iso8583.FinancialRequest)
		if !ok || sale.STAN != 1 {
			return false
		}
		fault(c, sale)
		return true
	}
}

// changed is the good answer with a change, sealed after it.
func changed(c *hostConn, m *iso8583.FinancialRequest, change func(m *iso8583.FinancialResponse)) []byte {
	out := good(m).(*iso8583.FinancialResponse)
	change(out)
	return c.frame(out)
}

// flipped is the good answer with a bit turned after it was sealed.
func flipped(c *hostConn, m *iso8583.FinancialRequest, at int) []byte {
	frame := c.frame(good(m))
	frame[(at+len(frame))%len(frame)] ^= 0x01
	return frame
}

// TestFaults: what the payment sees of each fault of the line or the host, how long it
// takes, and what the status says. Afterwards the next payment must work.
//
// Offsets count the two length bytes: message type at 13, card number at 23, amount at 35.
func TestFaults(t *testing.T) {
	const atOnce = 0
	for _, row := range []struct {
		name  string
		fault func(c *hostConn, m *iso8583.FinancialRequest)
		want  error         // nil: the answer came
		took  time.Duration // until the payment knew
		check func(s Status) bool
	}{
		{
			"delay", func(c *hostConn, m *iso8583.FinancialRequest) { <-time.After(30 * time.Second); c.reply(m) },
			nil, 30 * time.Second, func(s Status) bool { return s.Dropped == 0 },
		},
		{
			"duplicate", func(c *hostConn, m *iso8583.FinancialRequest) { c.reply(m); c.reply(m); c.reply(m) },
			nil, atOnce, func(s Status) bool { return s.Duplicates == 2 && s.Reconnects == 0 },
		},
		{"answer byte by byte", func(c *hostConn, m *iso8583.FinancialRequest) {
			for _, b := range c.frame(good(m)) {
				<-time.After(time.Millisecond)
				c.send([]byte{b})
			}
		}, nil, -1, func(s Status) bool { return s.Dropped == 0 }},
		{
			"answer, then close", func(c *hostConn, m *iso8583.FinancialRequest) { c.reply(m); c.Close() },
			nil, atOnce, func(s Status) bool { return s.Reconnects == 1 },
		},
		{"others' answers first", func(c *hostConn, m *iso8583.FinancialRequest) {
			c.send(changed(c, m, func(m *iso8583.FinancialResponse) { m.STAN = 77 }))
			c.send(changed(c, m, func(m *iso8583.FinancialResponse) { m.Terminal = "00000002" }))
			c.send(changed(c, m, func(m *iso8583.FinancialResponse) { m.Private.Batch = 9 }))
			c.send(changed(c, m, func(m *iso8583.FinancialResponse) { m.Type = iso8583.Void }))
			c.reply(m)
		}, nil, atOnce, func(s Status) bool { return s.Foreign == 4 && s.Dropped == 4 }},
		{"batch left out", func(c *hostConn, m *iso8583.FinancialRequest) {
			c.send(changed(c, m, func(m *iso8583.FinancialResponse) { m.Private.Batch = 0 }))
		}, nil, atOnce, func(s Status) bool { return s.Dropped == 0 }},

		{
			"silence", func(*hostConn, *iso8583.FinancialRequest) {},
			payment.ErrNoAnswer, time.Minute, func(s Status) bool { return s.Dropped == 0 && s.Reconnects == 0 },
		},
		{
			"cut", func(c *hostConn, _ *iso8583.FinancialRequest) { c.Close() },
			payment.ErrNoAnswer, atOnce, func(s Status) bool { return s.Reconnects == 1 && strings.Contains(s.LastError, "EOF") },
		},
		{
			"half a length, then close", func(c *hostConn, _ *iso8583.FinancialRequest) { c.send([]byte{0}); c.Close() },
			payment.ErrNoAnswer, atOnce, func(s Status) bool { return strings.Contains(s.LastError, "1 of 2 bytes: frame truncated") },
		},
		{
			"half a frame, then close", func(c *hostConn, m *iso8583.FinancialRequest) { c.send(c.frame(good(m))[:60]); c.Close() },
			payment.ErrNoAnswer, atOnce, func(s Status) bool { return strings.Contains(s.LastError, "58 of") },
		},
		{
			"oversized frame", func(c *hostConn, _ *iso8583.FinancialRequest) { c.send([]byte{0xFF, 0xFF, 0x60}) },
			payment.ErrNoAnswer, atOnce, func(s Status) bool {
				return strings.Contains(s.LastError, "65535 bytes, at most 2048: frame too long") && s.Reconnects == 1
			},
		},
		{
			"empty frame", func(c *hostConn, _ *iso8583.FinancialRequest) { c.send([]byte{0, 0}) },
			payment.ErrNoAnswer, time.Minute, func(s Status) bool { return s.Unreadable == 1 && s.Reconnects == 0 },
		},
		{
			"garbled message type", func(c *hostConn, m *iso8583.FinancialRequest) { c.send(flipped(c, m, 13)) },
			payment.ErrNoAnswer, time.Minute, func(s Status) bool { return s.Unreadable == 1 && s.Reconnects == 0 },
		},
		{
			"request for an answer", func(c *hostConn, m *iso8583.FinancialRequest) { c.send(c.frame(m)) },
			payment.ErrNoAnswer, time.Minute, func(s Status) bool { return s.Foreign == 1 },
		},

		{
			"garbled amount", func(c *hostConn, m *iso8583.FinancialRequest) { c.send(flipped(c, m, 38)) },
			payment.ErrBadMAC, atOnce, func(s Status) bool { return s.SignOns == 2 && s.Reconnects == 0 },
		},
		{
			"wrong MAC", func(c *hostConn, m *iso8583.FinancialRequest) { c.send(flipped(c, m, -1)) },
			payment.ErrBadMAC, atOnce, func(s Status) bool { return s.SignOns == 2 && s.Answers == 4 },
		},
		{"decline with a wrong MAC", func(c *hostConn, m *iso8583.FinancialRequest) {
			frame := changed(c, m, func(m *iso8583.FinancialResponse) { m.Code = "51" })
			frame[len(frame)-1] ^= 1
			c.send(frame)
		}, payment.ErrBadMAC, atOnce, func(s Status) bool { return s.SignOns == 2 }},
		{"no MAC", func(c *hostConn, m *iso8583.FinancialRequest) {
			frame, err := c.host.dialect.Append([]byte{0, 0}, c.header, good(m))
			if err != nil {
				panic(err)
			}
			frame[0], frame[1] = byte((len(frame)-2)>>8), byte(len(frame)-2)
			c.send(frame)
		}, payment.ErrBadMAC, atOnce, func(s Status) bool { return s.SignOns == 2 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				h.script = spoiled(row.fault)
				r := start(t, h, nil)
				defer r.stop()
				r.up(t)
				began := time.Now()
				answer, err := r.Authorize(t.Context(), sale(t, 1))
				took := time.Since(began)
				if !errors.Is(err, row.want) || row.want == nil && answer.Code != "00" {
					t.Errorf("got %+v, %v; want %v", answer, err, row.want)
				}
				if row.want != nil && errors.Is(err, payment.ErrNotSent) {
					t.Errorf("%v, but the host has heard", err)
				}
				if s := r.Status(); row.want == nil && s.RoundTrip != took {
					t.Errorf("round trip %v, took %v", s.RoundTrip, took)
				}
				if row.took >= 0 && took != row.took {
					t.Errorf("took %v, want %v", took, row.took)
				}
				next := sale(t, 2)
				next.PINBlock = nil // it may go over a line of its own: see Authorize
				if _, err := r.Authorize(t.Context(), next); err != nil {
					t.Errorf("the next payment: %v", err)
				}
				synctest.Wait()
				if s := r.Status(); !row.check(s) || s.State != Up {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// TestHalfAFrameAndSilence: the line looks alive and is not. The echo finds out.
func TestHalfAFrameAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = spoiled(func(c *hostConn, m *iso8583.FinancialRequest) { c.send(c.frame(good(m))[:60]) })
		h.script = func(inner func(*hostConn, iso8583.Message) bool) func(*hostConn, iso8583.Message) bool {
			return func(c *hostConn, m iso8583.Message) bool {
				n, ok := m.(*iso8583.NetworkRequest)
				return ok && n.Function == iso8583.Echo || inner(c, m) // a host that hangs answers no echo
			}
		}(h.script)
		r := start(t, h, nil)
		defer r.stop()
		if _, err := r.Authorize(t.Context(), sale(t, 1)); !errors.Is(err, payment.ErrNoAnswer) {
			t.Errorf("got %v", err)
		}
		advance(62 * time.Second)
		if s := r.Status(); s.Reconnects != 1 || s.State != Up {
			t.Errorf("status %+v", s)
		}
	})
}

// writeFault is a connection whose writes after the first fail after some bytes.
type writeFault struct {
	net.Conn
	writes int
	bytes  int
}

var errWrite = errors.New("line cut")

func (c *writeFault) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 1 { // the sign-on
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:min(c.bytes, len(p))])
	return n, errors.Join(errWrite, err)
}

func TestNotSentMeansNotAByte(t *testing.T) {
	for _, row := range []struct {
		name  string
		bytes int
		want  error
	}{
		{"none", 0, payment.ErrNotSent},
		{"one", 1, payment.ErrNoAnswer},
		{"half", 80, payment.ErrNoAnswer},
		{"all, and an error nevertheless", 4096, payment.ErrNoAnswer},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				h.script = func(_ *hostConn, m iso8583.Message) bool {
					_, ok := m.(*iso8583.FinancialRequest)
					return ok
				}
				r := start(t, h, func(c *Config) {
					c.Dial = func(ctx context.Context) (net.Conn, error) {
						conn, err := h.dial(ctx)
						return &writeFault{Conn: conn, bytes: row.bytes}, err
					}
				})
				defer r.stop()
				r.up(t)
				_, err := r.Authorize(t.Context(), sale(t, 1))
				if !errors.Is(err, row.want) || errors.Is(err, payment.ErrNotSent) && errors.Is(err, payment.ErrNoAnswer) {
					t.Errorf("got %v, want %v", err, row.want)
				}
			})
		})
	}
}

// TestHostThatDoesNotRead: the writer must not be held for ever, and what it never took
// was never sent.
func TestHostThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		stuck := make(chan struct{})
		h.script = spoiled(func(*hostConn, *iso8583.FinancialRequest) { <-stuck })
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		errs := make([]chan error, 3)
		for i := range errs {
			errs[i] = make(chan error, 1)
			go func() {
				_, err := r.Authorize(t.Context(), sale(t, uint32(i+1)))
				errs[i] <- err
			}()
			synctest.Wait()
		}
		advance(11 * time.Second)
		close(stuck)
		for i, want := range []error{payment.ErrNoAnswer, payment.ErrNotSent, payment.ErrNotSent} {
			if err := <-errs[i]; !errors.Is(err, want) {
				t.Errorf("request %d: got %v, want %v", i+1, err, want)
			}
		}
	})
}

// TestRunEndsInEveryState: nothing is left behind when the program stops; the bubble
// fails the test for a goroutine that stays.
func TestRunEndsInEveryState(t *testing.T) {
	for name, h := range map[string]*host{
		"down":       {dialect: iso8583.CUP(), tak: tdes(macKey), refuse: func(int) error { return errors.New("connection refused") }},
		"signing on": {dialect: iso8583.CUP(), tak: tdes(macKey), script: func(*hostConn, iso8583.Message) bool { return true }},
		"up":         newHost(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, h, nil)
				synctest.Wait()
				if got := r.Status().State.String(); got != name {
					t.Errorf("state %s, want %s", got, name)
				}
				r.stop()
				if got := r.Status().State; got != Down {
					t.Errorf("state %v after Run", got)
				}
			})
		})
	}
}

// TestStoppedWhileAPaymentWaits: the payment hears of it at once.
func TestStoppedWhileAPaymentWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.script = spoiled(func(*hostConn, *iso8583.FinancialRequest) {})
		r := start(t, h, nil)
		r.up(t)
		result := make(chan error, 1)
		go func() {
			_, err := r.Authorize(context.WithoutCancel(t.Context()), sale(t, 1))
			result <- err
		}()
		synctest.Wait()
		r.stop()
		if err := <-result; !errors.Is(err, payment.ErrNoAnswer) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestLineThatDiedUnnoticed: nothing was written, so the message may go over the next
// line; but not with a PIN block, which the new sign-on has made worthless.
func TestLineThatDiedUnnoticed(t *testing.T) {
	for name, withPIN := range map[string]bool{"with PIN": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				dials := 0
				r := start(t, h, func(c *Config) {
					c.Dial = func(ctx context.Context) (net.Conn, error) {
						conn, err := h.dial(ctx)
						if dials++; dials == 1 {
							conn = &writeFault{Conn: conn}
						}
						return conn, err
					}
				})
				defer r.stop()
				r.up(t)
				req := sale(t, 1)
				if !withPIN {
					req.PINBlock = nil
				}
				_, err := r.Authorize(t.Context(), req)
				if withPIN != errors.Is(err, payment.ErrNotSent) || !withPIN && err != nil {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// slowWrite is a connection whose write of a request waits until the line is closed, and
// has then written nothing.
type slowWrite struct {
	net.Conn
	writes int
	taken  chan struct{}
	closed chan struct{}
}

func (c *slowWrite) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 1 { // the sign-on
		return c.Conn.Write(p)
	}
	close(c.taken)
	<-c.closed
	<-time.After(time.Second) // let the payment hear of the loss first
	return 0, net.ErrClosed
}

// TestLineLostWhileTheWriterHasTheRequest: the payment hears of the loss before the
// writer has said that it wrote nothing, and must wait for its word.
func TestLineLostWhileTheWriterHasTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		conns := make(chan *slowWrite, 1)
		var own net.Conn
		r := start(t, h, func(c *Config) {
			c.Dial = func(context.Context) (net.Conn, error) {
				terminal, host := net.Pipe()
				own = host
				h.work.Go(func() { h.serve(host) })
				conn := &slowWrite{Conn: terminal, taken: make(chan struct{}), closed: make(chan struct{})}
				select {
				case conns <- conn:
					return conn, nil
				default:
					return nil, errors.New("one line is enough")
				}
			}
		})
		defer r.stop()
		r.up(t)
		conn, result := <-conns, make(chan error, 1)
		go func() {
			_, err := r.Authorize(t.Context(), sale(t, 1))
			result <- err
		}()
		<-conn.taken
		own.Close()
		synctest.Wait()
		close(conn.closed)
		if err := <-result; !errors.Is(err, payment.ErrNotSent) || errors.Is(err, payment.ErrNoAnswer) {
			t.Errorf("got %v", err)
		}
	})
}
