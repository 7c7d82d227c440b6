package acquirer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"posd/emv/payment"
	"posd/emv/payment/batch"
	"posd/transport/iso8583"
)

// exchange is one of the things that a link does for others.
type exchange struct {
	name string
	run  func(ctx context.Context, t *testing.T, l *Link) (code string, err error)
	// bare says that its answers need no MAC.
	bare bool
}

func exchanges() []exchange {
	code := func(a payment.Answer, err error) (string, error) { return a.Code, err }
	uploadOf := func(u batch.UploadKind) func(context.Context, *testing.T, *Link) (string, error) {
		return func(ctx context.Context, t *testing.T, l *Link) (string, error) {
			return l.UploadOne(ctx, 1, batch.Upload{Kind: u, Record: noticed(t)})
		}
	}
	return []exchange{
		{"forward", func(ctx context.Context, t *testing.T, l *Link) (string, error) {
			return code(l.Forward(ctx, record(t, payment.OfflineSale)))
		}, false},
		{"reverse", func(ctx context.Context, t *testing.T, l *Link) (string, error) {
			return code(l.Reverse(ctx, owed(t, payment.Void)))
		}, false},
		{"notify", func(ctx context.Context, t *testing.T, l *Link) (string, error) {
			return code(l.Notify(ctx, noticed(t)))
		}, false},
		{"settle", func(ctx context.Context, _ *testing.T, l *Link) (string, error) {
			a, err := l.Settle(ctx, settlement())
			return a.Code, err
		}, false},
		{"group", func(ctx context.Context, t *testing.T, l *Link) (string, error) {
			return l.UploadGroup(ctx, 1, []*payment.Record{record(t, payment.Sale)})
		}, false},
		{"upload of a notice", uploadOf(batch.UploadNotice), false},
		{"upload of an offline payment", uploadOf(batch.UploadOffline), false},
		{"upload of a TC", uploadOf(batch.UploadTC), false},
		{"upload of a failure", uploadOf(batch.UploadBadARPC), false},
		{"end", func(ctx context.Context, _ *testing.T, l *Link) (string, error) { return l.End(ctx, 1, true, 3) }, false},
		{"download", func(ctx context.Context, _ *testing.T, l *Link) (string, error) {
			code, _, err := l.Manage(ctx, uint16(iso8583.CAKeys), unhex("9F0605A0000003339F220102"))
			return code, err
		}, true},
		{"status", func(ctx context.Context, _ *testing.T, l *Link) (string, error) {
			code, _, err := l.Manage(ctx, uint16(iso8583.Status), []byte("0"))
			return code, err
		}, true},
		{"sign-off", func(ctx context.Context, _ *testing.T, l *Link) (string, error) {
			return "00", l.SignOff(ctx)
		}, true},
	}
}

// record is a payment of a kind with everything that it may have.
func record(t *testing.T, k payment.Kind) *payment.Record {
	rec := sale(t, 42).Record
	rec.Kind, rec.Masked, rec.Final = k, rec.PAN.Masked(), unhex("9F2701409F360200019505008004E800")
	if k.Rules().Original != payment.NoOriginal {
		rec.Original = &payment.Original{ID: payment.ID{Batch: 1, STAN: 7}, RRN: "112300000007", AuthCode: "Z9Y8X7", Date: "1122"}
	}
	return rec
}

func owed(t *testing.T, k payment.Kind) *payment.Record {
	rec := record(t, k)
	rec.Reversal = &payment.Debt{Reason: payment.NoAnswer, ICC: unhex("9505008004E800")}
	return rec
}

func noticed(t *testing.T) *payment.Record {
	rec := record(t, payment.Sale)
	rec.Time = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	rec.Answer = &payment.Answer{Code: "00", AuthCode: "A1B2C3", RRN: "112308010200", Time: "1123080102"}
	rec.Script = &payment.Notice{ICC: unhex("DF31052000000000")}
	return rec
}

func settlement() *batch.Settlement {
	return &batch.Settlement{
		Batch: 1, STAN: 60, Operator: "01",
		Domestic: batch.Totals{Debit: batch.Count{Amount: 12000, Number: 10}, Credit: batch.Count{Amount: 1000, Number: 1}},
		Foreign:  batch.Totals{Debit: batch.Count{Amount: 990, Number: 1}},
	}
}

// first answers the first message that is no sign-on and no echo by fault, and all else well.
func first(fault func(c *hostConn, m iso8583.Message)) func(*hostConn, iso8583.Message) bool {
	done := false
	return func(c *hostConn, m iso8583.Message) bool {
		n, ok := m.(*iso8583.NetworkRequest)
		if done || ok && (isSignOn(n.Function) || n.Function == iso8583.Echo) {
			return false
		}
		done = true
		fault(c, m)
		return true
	}
}

// other is a good answer to another message of the same kind.
func other(m iso8583.Message) iso8583.Message {
	switch a := good(m).(type) {
	case *iso8583.FinancialResponse:
		a.STAN++
		return a
	case *iso8583.ReversalResponse:
		a.STAN++
		return a
	case *iso8583.ScriptResponse:
		a.STAN++
		return a
	case *iso8583.SettlementResponse:
		a.Batch++
		return a
	case *iso8583.UploadResponse:
		a.Private.Batch++
		return a
	case *iso8583.NetworkResponse:
		a.Terminal = "00000002"
		return a
	}
	panic("no such answer")
}

// sealedFrame is the good answer with a MAC, whatever its class.
func sealedFrame(c *hostConn, m iso8583.Message) []byte {
	frame, err := c.host.dialect.Seal(nil, c.header, good(m), c.host.key())
	if err != nil {
		panic(err)
	}
	out, err := iso8583.AppendFrame(nil, frame)
	if err != nil {
		panic(err)
	}
	return out
}

// TestFaultsOfEveryExchange: what is heard of each fault of the line or the host, for each
// exchange. Afterwards the same exchange must work.
func TestFaultsOfEveryExchange(t *testing.T) {
	flip := func(frame []byte, at int) []byte {
		frame[(at+len(frame))%len(frame)] ^= 1
		return frame
	}
	for _, fault := range []struct {
		name  string
		fault func(c *hostConn, m iso8583.Message)
		want  error // nil: the answer came
		check func(s Status) bool
	}{
		{"none", func(c *hostConn, m iso8583.Message) { c.reply(m) }, nil, func(s Status) bool { return s.Dropped == 0 }},
		{"delay", func(c *hostConn, m iso8583.Message) { <-time.After(50 * time.Second); c.reply(m) }, nil, func(s Status) bool { return s.Dropped == 0 }},
		{"duplicate", func(c *hostConn, m iso8583.Message) { c.reply(m); c.reply(m) }, nil, func(s Status) bool { return s.Duplicates == 1 }},
		{
			"answer of another request first", func(c *hostConn, m iso8583.Message) { c.send(c.frame(other(m))); c.reply(m) },
			nil, func(s Status) bool { return s.Foreign == 1 && s.Dropped == 1 },
		},
		{"answer, then disconnect", func(c *hostConn, m iso8583.Message) { c.reply(m); c.Close() }, nil, func(s Status) bool { return s.Reconnects == 1 }},
		{"drop", func(*hostConn, iso8583.Message) {}, payment.ErrNoAnswer, func(s Status) bool { return s.Reconnects == 0 }},
		{
			"delay beyond the time-out", func(c *hostConn, m iso8583.Message) {
				frame := c.frame(good(m))
				c.host.work.Go(func() { <-time.After(61 * time.Second); c.send(frame) })
			},
			payment.ErrNoAnswer, func(s Status) bool { return s.Late+s.Duplicates == 1 && s.Dropped == 1 },
		},
		{"disconnect", func(c *hostConn, _ iso8583.Message) { c.Close() }, payment.ErrNoAnswer, func(s Status) bool { return s.Reconnects == 1 }},
		{
			"half an answer, then disconnect", func(c *hostConn, m iso8583.Message) { c.send(c.frame(good(m))[:30]); c.Close() },
			payment.ErrNoAnswer, func(s Status) bool { return s.Reconnects == 1 },
		},
		{
			"only the answer of another", func(c *hostConn, m iso8583.Message) { c.send(c.frame(other(m))) },
			payment.ErrNoAnswer, func(s Status) bool { return s.Foreign == 1 },
		},
		{
			"garbled message type", func(c *hostConn, m iso8583.Message) { c.send(flip(c.frame(good(m)), 13)) },
			payment.ErrNoAnswer, func(s Status) bool { return s.Unreadable == 1 },
		},
		{
			"wrong MAC", func(c *hostConn, m iso8583.Message) { c.send(flip(sealedFrame(c, m), -1)) },
			payment.ErrBadMAC, func(s Status) bool { return s.Dropped == 0 },
		},
	} {
		for _, x := range exchanges() {
			t.Run(x.name+": "+fault.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost()
					h.script = first(fault.fault)
					r := start(t, h, nil)
					defer r.stop()
					r.up(t)
					code, err := x.run(t.Context(), t, r.Link)
					if !errors.Is(err, fault.want) || fault.want == nil && (err != nil || code != "00") {
						t.Errorf("got %s, %v; want %v", code, err, fault.want)
					}
					if errors.Is(err, payment.ErrNotSent) {
						t.Errorf("%v, but the host has heard", err)
					}
					advance(2 * time.Second)
					if s := r.Status(); !fault.check(s) || s.State != Up {
						t.Errorf("status %+v", s)
					}
					if code, err := x.run(t.Context(), t, r.Link); err != nil || code != "00" {
						t.Errorf("again: %s, %v", code, err)
					}
				})
			})
		}
	}
}

// TestAnswersWithoutMAC: nobody settles, uploads or reverses on the word of a stranger.
func TestAnswersWithoutMAC(t *testing.T) {
	for _, x := range exchanges() {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				h.script = first(func(c *hostConn, m iso8583.Message) {
					frame, err := c.host.dialect.Append(nil, c.header, good(m))
					if err != nil {
						panic(err)
					}
					out, _ := iso8583.AppendFrame(nil, frame)
					c.send(out)
				})
				r := start(t, h, nil)
				defer r.stop()
				_, err := x.run(t.Context(), t, r.Link)
				if x.bare && err != nil || !x.bare && !errors.Is(err, payment.ErrBadMAC) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestNothingIsSentWithoutALine: each exchange says that nothing left.
func TestNothingIsSentWithoutALine(t *testing.T) {
	for _, x := range exchanges() {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				h.refuse = func(int) error { return errors.New("connection refused") }
				r := start(t, h, nil)
				defer r.stop()
				if _, err := x.run(t.Context(), t, r.Link); !errors.Is(err, payment.ErrNotSent) || !errors.Is(err, ErrDown) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestReorderedAnswers: a reversal and an upload wait at one time, and the host answers
// them the other way round.
func TestReorderedAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		var held iso8583.Message
		h.script = func(c *hostConn, m iso8583.Message) bool {
			switch m.(type) {
			case *iso8583.ReversalRequest:
				held = m
				return true
			case *iso8583.UploadRequest:
				c.reply(m)
				c.reply(held)
				return true
			}
			return false
		}
		r := start(t, h, nil)
		defer r.stop()
		r.up(t)
		result := make(chan error, 1)
		go func() {
			_, err := r.Reverse(t.Context(), owed(t, payment.Sale))
			result <- err
		}()
		synctest.Wait()
		if code, err := r.End(t.Context(), 1, false, 0); err != nil || code != "00" {
			t.Errorf("end: %s, %v", code, err)
		}
		if err := <-result; err != nil {
			t.Errorf("reversal: %v", err)
		}
		if s := r.Status(); s.Dropped != 0 {
			t.Errorf("status %+v", s)
		}
	})
}
