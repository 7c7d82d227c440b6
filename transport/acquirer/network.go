package acquirer

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"

	"posd/emv/payment"
	"posd/transport/iso8583"
)

// maxSTAN is the highest STAN; 1 follows.
const maxSTAN = 999999

// nextSTAN counts management messages. Its numbers start anew with the process.
func (l *Link) nextSTAN() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stan = l.stan%maxSTAN + 1
	return l.stan
}

// header returns that of a request.
func (l *Link) header() iso8583.Header {
	return iso8583.Header{TPDU: l.cfg.TPDU, Application: 0x60}
}

// signOn asks for working keys, installs them and brings the link up.
func (l *Link) signOn(ctx context.Context, n *line) error {
	data, err := iso8583.AppendSequence(nil, l.cfg.Certificate, l.cfg.Serial)
	if err != nil {
		return fmt.Errorf("acquirer: sign on: %w", err)
	}
	resp, err := l.manage(ctx, n, &iso8583.NetworkRequest{Function: l.cfg.SignOn, Data: data, Operator: l.cfg.Operator})
	if err != nil {
		return fmt.Errorf("acquirer: sign on: %w", err)
	}
	if resp.Code != "00" {
		return fmt.Errorf("acquirer: sign on: host answered %s", resp.Code)
	}
	defer clear(resp.Data)
	keys, err := iso8583.ParseKeys(l.cfg.SignOn, resp.Data)
	if err != nil {
		return fmt.Errorf("acquirer: sign on: field 62: %w", err)
	}
	if err := l.cfg.Keys.Install(keys); err != nil {
		return fmt.Errorf("acquirer: sign on: install keys: %w", err)
	}
	l.cfg.OnSignOn(resp.Batch, resp.Date+resp.Time)
	l.move(signedOn)
	return nil
}

// sendEcho proves that the host is still there. Any answer does, whatever its code.
func (l *Link) sendEcho(ctx context.Context, n *line) error {
	if _, err := l.manage(ctx, n, &iso8583.NetworkRequest{Function: iso8583.Echo}); err != nil {
		return fmt.Errorf("acquirer: echo: %w", err)
	}
	now := l.cfg.Now()
	l.count(func(s *Status) { s.LastEcho = now })
	return nil
}

// manage exchanges a management message that the link itself needs.
func (l *Link) manage(ctx context.Context, n *line, m *iso8583.NetworkRequest) (*iso8583.NetworkResponse, error) {
	r, err := l.management(m, nil)
	if err != nil {
		return nil, err
	}
	a, err := l.exchange(ctx, n, r)
	if err != nil {
		return nil, err
	}
	return l.managed(a)
}

// management builds a management message. Terminal, batch and STAN are filled in here.
func (l *Link) management(m *iso8583.NetworkRequest, mac cipher.Block) (*request, error) {
	m.STAN, m.Terminal, m.Merchant, m.Batch = l.nextSTAN(), l.cfg.Terminal, l.cfg.Merchant, l.cfg.Batch()
	frame, err := l.cfg.Dialect.Append(frameBuffer(), l.header(), m)
	return newRequest(m, frame, mac), err
}

// managed hears what order came with an answer.
func (l *Link) managed(a answer) (*iso8583.NetworkResponse, error) {
	resp, ok := a.message.(*iso8583.NetworkResponse)
	if !ok {
		return nil, errors.New("answer of another class")
	}
	l.cfg.OnOrder(a.header.Order)
	return resp, nil
}

// Manage exchanges a management message for somebody else: downloads, lists, uploads of
// the terminal's status. function is field 60.3, data goes into field 62; the answer is
// fields 39 and 62. It waits for the link to come up for the connection time-out at most.
// Where the answer has a MAC it is verified. Errors wrap payment.ErrNotSent,
// payment.ErrNoAnswer or payment.ErrBadMAC.
//
// Sign-on and sign-off are the link's own business: they are payment.ErrNotSent here.
func (l *Link) Manage(ctx context.Context, function uint16, data []byte) (code string, answer []byte, err error) {
	f := iso8583.Function(function)
	if isSignOn(f) || f == iso8583.SignOff {
		return "", nil, fmt.Errorf("acquirer: manage %v: the link does that itself: %w", f, payment.ErrNotSent)
	}
	resp, err := l.managing(ctx, &iso8583.NetworkRequest{Function: f, Data: data})
	if err != nil {
		return "", nil, fmt.Errorf("acquirer: manage %v: %w", f, err)
	}
	return resp.Code, resp.Data, nil
}

// SignOff tells the host that the terminal ends its day, and signs on anew at once, so
// that the next payment finds the link up, with the batch and the keys of the next day.
func (l *Link) SignOff(ctx context.Context) error {
	resp, err := l.managing(ctx, &iso8583.NetworkRequest{Function: iso8583.SignOff})
	if err != nil {
		return fmt.Errorf("acquirer: sign off: %w", err)
	}
	l.SignOn()
	if resp.Code != "00" {
		return fmt.Errorf("acquirer: sign off: host answered %s", resp.Code)
	}
	return nil
}

func (l *Link) managing(ctx context.Context, m *iso8583.NetworkRequest) (*iso8583.NetworkResponse, error) {
	a, err := l.tryTwice(ctx, func() (*request, error) {
		key, err := l.cfg.Keys.MACKey()
		if err != nil {
			key = nil // then no answer can be held against it
		}
		return l.management(m, key)
	}, true)
	switch {
	case err != nil:
		return nil, err
	case a.err != nil:
		return nil, a.err
	}
	resp, err := l.managed(a)
	if err == nil && signOnCodes[resp.Code] {
		l.SignOn()
	}
	return resp, err
}

// isSignOn tells that the function is a form of sign-on.
func isSignOn(f iso8583.Function) bool {
	switch f {
	case iso8583.SignOnSingle, iso8583.SignOnDouble, iso8583.SignOnTrackKey, iso8583.SignOnSM4, iso8583.SignOnAES:
		return true
	}
	return false
}

// lengthBytes are left free before the frame.
const lengthBytes = 2

// frameBuffer returns a buffer for a request with room for its length in front, and for
// what Seal works in behind.
func frameBuffer() []byte { return make([]byte, lengthBytes, lengthBytes+iso8583.MaxFrame+32) }

// exchange sends a request, whose first two bytes are for its length, over n.
func (l *Link) exchange(ctx context.Context, n *line, r *request) (answer, error) {
	size := len(r.frame) - lengthBytes
	r.frame[0], r.frame[1] = byte(size>>8), byte(size)
	l.count(func(s *Status) { s.Requests++ })
	return n.exchange(ctx, r)
}
