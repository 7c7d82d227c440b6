package acquirer

import (
	"context"
	"errors"
	"fmt"

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
	keys, err := iso8583.ParseSignOnKeys(resp.Data)
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

// manage exchanges a management message. Terminal, batch and STAN are filled in here.
func (l *Link) manage(ctx context.Context, n *line, m *iso8583.NetworkRequest) (*iso8583.NetworkResponse, error) {
	m.STAN, m.Terminal, m.Merchant, m.Batch = l.nextSTAN(), l.cfg.Terminal, l.cfg.Merchant, l.cfg.Batch()
	frame, err := l.cfg.Dialect.Append(frameBuffer(), l.header(), m)
	if err != nil {
		return nil, err
	}
	a, err := l.exchange(ctx, n, m, frame)
	if err != nil {
		return nil, err
	}
	resp, ok := a.message.(*iso8583.NetworkResponse)
	if !ok {
		return nil, errors.New("answer of another class")
	}
	l.cfg.OnOrder(a.header.Order)
	return resp, nil
}

// lengthBytes are left free before the frame.
const lengthBytes = 2

// frameBuffer returns a buffer for a request with room for its length in front.
func frameBuffer() []byte { return make([]byte, lengthBytes, lengthBytes+iso8583.MaxFrame+16) }

// exchange sends m's frame, whose first two bytes are for its length, over n.
func (l *Link) exchange(ctx context.Context, n *line, m iso8583.Message, frame []byte) (answer, error) {
	size := len(frame) - lengthBytes
	frame[0], frame[1] = byte(size>>8), byte(size)
	l.count(func(s *Status) { s.Requests++ })
	return n.exchange(ctx, &request{
		key: m.Key(), message: m, frame: frame,
		sent: make(chan sent, 1), answer: make(chan answer, 1),
	})
}
