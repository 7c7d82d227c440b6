package acquirer

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"

	"posd/emv/payment"
	"posd/transport/iso8583"
)

// signOnCodes are the codes of field 39 that ask for new working keys: MAC wrong, PIN
// block wrong, batch differs.
var signOnCodes = map[string]bool{"A0": true, "99": true, "77": true}

// builder makes a message once the link is up: a sign-on may just have brought other keys.
type builder func() (iso8583.Message, error)

// money exchanges a message about money: sealed, and its answer verified. Where the line
// turns out to be dead before a byte was written, and again is set, the next one is tried.
func (l *Link) money(ctx context.Context, build builder, again bool) (iso8583.Message, error) {
	a, err := l.tryTwice(ctx, l.sealed(build), again)
	if err == nil && a.err != nil {
		err = a.err
		l.SignOn()
	}
	if err != nil {
		return nil, err
	}
	l.cfg.OnOrder(a.header.Order)
	if code := answerOf(a.message).Code; signOnCodes[code] {
		l.cfg.Log.Warn("acquirer: host wants a new sign-on", "code", code)
		l.SignOn()
	}
	return a.message, nil
}

// tryTwice makes one attempt, and where its line was dead and again is set, a second. After
// silence it has an echo sent.
func (l *Link) tryTwice(ctx context.Context, build func() (*request, error), again bool) (answer, error) {
	a, stale, err := l.attempt(ctx, build)
	if stale && again {
		a, _, err = l.attempt(ctx, build)
	}
	if errors.Is(err, payment.ErrNoAnswer) {
		nudge(l.echo) // is anybody there?
	}
	return a, err
}

// attempt is one exchange; stale says that its line was dead and the message never left.
func (l *Link) attempt(ctx context.Context, build func() (*request, error)) (a answer, stale bool, err error) {
	n, err := l.ready(ctx)
	if err != nil {
		return answer{}, false, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	r, err := build()
	if err != nil {
		return answer{}, false, fmt.Errorf("%w: %w", payment.ErrNotSent, err)
	}
	a, err = l.exchange(ctx, n, r)
	return a, errors.Is(err, payment.ErrNotSent) && n.cause() != nil, err
}

// sealed builds a request with its MAC, and keeps the key for the answer.
func (l *Link) sealed(build builder) func() (*request, error) {
	return func() (*request, error) {
		m, err := build()
		if err != nil {
			return nil, err
		}
		key, err := l.cfg.Keys.MACKey()
		if err != nil {
			return nil, fmt.Errorf("MAC key: %w", err)
		}
		frame, err := l.cfg.Dialect.Seal(frameBuffer(), l.header(), m, key)
		if err != nil {
			return nil, err
		}
		if r, ok := l.cfg.Keys.(Rotation); ok {
			r.Used()
		}
		return newRequest(m, frame, key), nil
	}
}

// answers tells that got belongs to the request, which shares its key: same type or
// function, and same batch. Some hosts leave the batch out of a refusal.
func answers(request, got iso8583.Message) bool {
	switch request := request.(type) {
	case *iso8583.FinancialRequest:
		got, ok := got.(*iso8583.FinancialResponse)
		return ok && got.Type == request.Type && sameBatch(got.Private.Batch, request.Private.Batch)
	case *iso8583.ReversalRequest:
		got, ok := got.(*iso8583.ReversalResponse)
		return ok && got.Type == request.Type && sameBatch(got.Private.Batch, request.Private.Batch)
	case *iso8583.ScriptRequest:
		got, ok := got.(*iso8583.ScriptResponse)
		return ok && got.Type == request.Type && sameBatch(got.Private.Batch, request.Private.Batch)
	case *iso8583.UploadRequest:
		got, ok := got.(*iso8583.UploadResponse)
		return ok && got.Type == request.Type && got.Function == request.Function && sameBatch(got.Private.Batch, request.Private.Batch)
	case *iso8583.SettlementRequest:
		got, ok := got.(*iso8583.SettlementResponse)
		return ok && sameBatch(got.Batch, request.Batch)
	case *iso8583.NetworkRequest:
		got, ok := got.(*iso8583.NetworkResponse)
		return ok && got.Function == request.Function
	}
	return false
}

func sameBatch(answer, request uint32) bool { return answer == 0 || answer == request }

// verify checks the MAC of an answer on the bytes that came: under the key that the
// request was sealed with, or under the one that a sign-on brought since, for the host
// may have answered before or after it. An answer about money must have a MAC; another
// may have one, which must be right if there was a key to make it with.
func (l *Link) verify(frame []byte, r *request, m iso8583.Message) error {
	l.count(func(s *Status) { s.Answers++ })
	if m, ok := m.(*iso8583.NetworkResponse); ok && (m.MAC == [8]byte{} || r.mac == nil) {
		return nil
	}
	err := l.cfg.Dialect.VerifyMAC(frame, r.mac)
	if errors.Is(err, iso8583.ErrMAC) {
		if now, keyErr := l.cfg.Keys.MACKey(); keyErr == nil && l.cfg.Dialect.VerifyMAC(frame, now) == nil {
			return nil
		}
	}
	if err != nil {
		return errors.Join(payment.ErrBadMAC, err)
	}
	return nil
}

// signingOn tells that working keys are on their way.
func (l *Link) signingOn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status.State == SigningOn
}

// resolve decides about an answer that came after the host had new keys and before the
// link had: it waits for the end of the sign-on, or of the line, and looks again.
func (l *Link) resolve(ctx context.Context, n *line, a answer) answer {
	if a.doubtful == nil {
		return a
	}
	defer clear(a.doubtful)
	for {
		l.mu.Lock()
		state, changed := l.status.State, l.changed
		l.mu.Unlock()
		if state != SigningOn {
			break
		}
		select {
		case <-changed:
		case <-n.dead:
			return a
		case <-ctx.Done():
			return a
		}
	}
	if key, err := l.cfg.Keys.MACKey(); err == nil && l.cfg.Dialect.VerifyMAC(a.doubtful, key) == nil {
		a.err = nil
	}
	a.doubtful = nil
	return a
}

// newRequest returns a request that is ready to go. mac is the key that its answer is
// verified with; nil for an answer that nobody has to vouch for.
func newRequest(m iso8583.Message, frame []byte, mac cipher.Block) *request {
	return &request{
		key: m.Key(), message: m, frame: frame, mac: mac,
		sent: make(chan sent, 1), answer: make(chan answer, 1),
	}
}
