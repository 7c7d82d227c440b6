package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"posd/host-sim/acquirer"
	"posd/host-sim/fault"
	"posd/host-sim/hosttest"
	"posd/transport/iso8583"
)

// Sizes of a sale and of its answer, as package transport/iso8583 packs them.
const (
	askBytes    = 330
	answerBytes = 250
)

// server is TLS as the host has it, with a certificate of the shop's authority.
func (s *shop) server() (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.terminals[0].id.CA) {
		return nil, errors.New("no CA certificate")
	}
	return &tls.Config{Certificates: []tls.Certificate{s.cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}, nil
}

// bare answers frames with nothing between it and TLS.
func bare(ctx context.Context, o options, s *shop) (figures, error) {
	cfg, err := s.server()
	if err != nil {
		return figures{}, err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		return figures{}, err
	}
	var conns sync.WaitGroup
	defer conns.Wait()
	defer ln.Close()
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				answer, buf := make([]byte, answerBytes+2), make([]byte, askBytes+2)
				answer[0], answer[1] = answerBytes>>8, answerBytes&0xFF
				for {
					if _, err := io.ReadFull(c, buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			})
		}
	})
	return s.pingPong(ctx, o, ln.Addr().String())
}

// echoing is a desk that only answers.
type echoing struct{}

var echoAnswer = make([]byte, answerBytes)

func (echoing) Answer(context.Context, acquirer.Peer, []byte) (acquirer.Reply, error) {
	return acquirer.Reply{Frame: echoAnswer}, nil
}

// echoed is the host's listener over a desk that only answers.
func echoed(ctx context.Context, o options, s *shop) (figures, error) {
	cfg, err := s.server()
	if err != nil {
		return figures{}, err
	}
	l, err := acquirer.NewListener(acquirer.Config{
		TLS: cfg, Desk: echoing{}, Faults: new(fault.Script), Log: slog.New(slog.DiscardHandler),
		Limits: acquirer.Limits{PerSecond: 1 << 20},
	})
	if err != nil {
		return figures{}, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return figures{}, err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(serving, ln) }()
	f, err := s.pingPong(ctx, o, ln.Addr().String())
	stop()
	return f, errors.Join(err, <-ended)
}

func (s *shop) pingPong(ctx context.Context, o options, address string) (figures, error) {
	lines, err := s.dial(ctx, o.terminals, address)
	if err != nil {
		return figures{}, err
	}
	defer hangUp(lines)
	ask := make([]byte, askBytes)
	return measure(ctx, o.terminals, 0, o.lasting, func(w int) error {
		_, err := lines[w].Exchange(ask)
		return err
	})
}

// dial connects the first n terminals, to the addresses in turn, a few at a time.
func (s *shop) dial(ctx context.Context, n int, addresses ...string) ([]*hosttest.Conn, error) {
	const atOnce = 16
	lines, errs := make([]*hosttest.Conn, n), make([]error, n)
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			t := s.terminals[i%len(s.terminals)]
			lines[i], errs[i] = hosttest.Dial(ctx, addresses[i%len(addresses)], t.id, nil)
			if errs[i] == nil {
				errs[i] = lines[i].SetDeadline(noDeadline)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		hangUp(lines)
		return nil, fmt.Errorf("connect %d lines: %w", n, err)
	}
	return lines, nil
}

func hangUp(lines []*hosttest.Conn) {
	for _, c := range lines {
		if c != nil {
			c.NetConn().Close()
		}
	}
}

// signOn gets working keys for each terminal.
func (s *shop) signOn(n int, lines []*hosttest.Conn) error {
	for i := range n {
		resp, err := s.terminals[i].speak.Manage(lines[i], iso8583.SignOnDouble)
		if err != nil || resp.Code != "00" {
			return fmt.Errorf("sign-on of terminal %d: %+v, %w", i, resp, err)
		}
	}
	return nil
}
