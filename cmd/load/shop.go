package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	hostsim "posd/host-sim"
	"posd/host-sim/estate"
	"posd/host-sim/hosttest"
)

var noDeadline time.Time

// terminal is one of the shop's, with a card that only it uses.
type terminal struct {
	id    hosttest.Identity
	speak *hosttest.Terminal
	card  *hosttest.Card
}

// shop is a host's data, with terminals, cards and a certificate.
type shop struct {
	dir, url  string
	terminals []terminal
	cert      tls.Certificate
}

const (
	perMerchant = 10 // terminals
	opening     = "1000000.00"
	issuerKey   = "0123456789ABCDEFFEDCBA9876543210"
)

// openShop makes a host's data in dir, or in the database at url, with n terminals.
func openShop(ctx context.Context, dir, url string, n int) (*shop, error) {
	cfg, err := hostsim.InDir(dir)
	if err != nil {
		return nil, err
	}
	if url != "" {
		cfg.DB = url
	}
	cfg.Log, cfg.Now, cfg.Rand = slog.New(slog.DiscardHandler), time.Now, rand.Reader
	h, err := hostsim.New(cfg)
	if err != nil {
		return nil, err
	}
	s := &shop{dir: dir, url: url}
	return s, errors.Join(s.fill(ctx, h, n), h.Close())
}

func (s *shop) fill(ctx context.Context, h *hostsim.Host, n int) error {
	seed := hostsim.Seed{IssuerKeys: []hostsim.SeedIssuerKey{{BIN: "627700", Index: 1, IMK: issuerKey, ARPC: 1}}}
	for i := range n {
		mid := fmt.Sprintf("1044031541%05d", i/perMerchant)
		if i%perMerchant == 0 {
			seed.Merchants = append(seed.Merchants, hostsim.SeedMerchant{MID: mid, Name: "load"})
		}
		seed.Terminals = append(seed.Terminals, hostsim.SeedTerminal{TID: fmt.Sprintf("LOAD%04d", i), MID: mid, SN: fmt.Sprintf("LOADSN%05d", i)})
		seed.Cards = append(seed.Cards, hostsim.SeedCard{PAN: cardNumber(i), PSN: 1, Expiry: "3512", PIN: "123456", Opening: opening})
	}
	fresh, err := h.Apply(ctx, seed)
	if err != nil {
		return err
	}
	for i, e := range fresh {
		s.terminals = append(s.terminals, terminal{
			id:    hosttest.Identity{Cert: e.Cert, Key: e.Key, CA: e.CA},
			speak: &hosttest.Terminal{TID: e.TID, MID: e.MID, TMK: e.TMK},
			card:  hosttest.NewCard(cardNumber(i), "123456"),
		})
	}
	ca, err := estate.OpenCA(filepath.Join(s.dir, "ca"), "posd host CA", time.Now())
	if err != nil {
		return err
	}
	id, err := ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		return err
	}
	s.cert, err = id.TLS()
	return err
}

// cardNumber is the i-th number of the test BIN, with its check digit.
func cardNumber(i int) string {
	body := fmt.Sprintf("627700%09d", 500000000+i)
	sum := 0
	for k := range len(body) {
		d := int(body[len(body)-1-k] - '0')
		if k%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return body + string(rune('0'+(10-sum%10)%10))
}

// sales lets every terminal sell, one sale after another, or all at a rate.
func (s *shop) sales(ctx context.Context, o options, rate int, addresses ...string) (figures, error) {
	lines, err := s.dial(ctx, o.terminals, addresses...)
	if err != nil {
		return figures{}, err
	}
	defer hangUp(lines)
	if err := s.signOn(o.terminals, lines); err != nil {
		return figures{}, err
	}
	return measure(ctx, o.terminals, rate, o.lasting, func(w int) error {
		t := s.terminals[w]
		code, err := t.speak.Code(lines[w], t.speak.Sale(t.card, 100))
		if err == nil && code != "00" {
			err = fmt.Errorf("sale declined: %s", code)
		}
		return err
	})
}

// check holds the books against what was answered.
func (s *shop) check(ctx context.Context, sold int64) error {
	cfg, err := hostsim.InDir(s.dir)
	if err != nil {
		return err
	}
	if s.url != "" {
		cfg.DB = s.url
	}
	cfg.Log, cfg.Now, cfg.Rand = slog.New(slog.DiscardHandler), time.Now, rand.Reader
	h, err := hostsim.New(cfg)
	if err != nil {
		return err
	}
	defer h.Close()
	trial, err := h.TrialBalance(ctx)
	if err != nil || !trial.OK() {
		return fmt.Errorf("the books do not balance: %+v, %w", trial, err)
	}
	merchants, err := h.Merchants(ctx)
	var owed int64
	for _, m := range merchants {
		owed += m.Balance
	}
	if err == nil && owed != sold*100 {
		err = fmt.Errorf("%d sales of 1.00 were answered, merchants have %d.%02d", sold, owed/100, owed%100)
	}
	return err
}
