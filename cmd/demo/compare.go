package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"posd/cmd/internal/rig"
	"posd/ui/text"
)

// pad fills a line to a width in columns; a CJK character has two.
func pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-text.Columns(s)))
}

// compare shows what terminal, host and issuer say, and fails if they differ.
func (d *demo) compare(ctx context.Context) error {
	books, err := d.rig.Audit(ctx)
	if err != nil {
		return err
	}
	d.title("The books")
	d.say("payment        card                 amount   terminal's journal    host              ")
	for _, p := range books.Payments {
		d.say("%s  %s  %8s   %s %8s   %s %8s   %s", p.ID, pad(p.Card, 16), p.Amount, pad(p.Journal, 10), fen(p.Minor), pad(p.Host, 10), fen(p.Posted), mark(p.Equal()))
	}
	d.say("\ncard              opening   journal says spent   host says spent   issuer's balance says")
	for _, c := range books.Cards {
		d.say("%s  %9s   %18s   %15s   %21s   %s", pad(c.Card, 16), fen(c.Opening), fen(c.Journal), fen(c.Host), fen(c.Spent), mark(c.Equal()))
	}
	d.say("\nmerchant is owed: %s by the journal, %s by the host   %s", fen(books.Merchant[0]), fen(books.Merchant[1]), mark(books.Merchant[0] == books.Merchant[1]))
	d.say("ledger: %d postings, entries add up to %d   %s", books.Trial.Postings, books.Trial.Sum, mark(books.Trial.OK()))
	return verdict(d, books)
}

func verdict(d *demo, books rig.Books) error {
	if diff := books.Differences(); len(diff) > 0 {
		return errors.New("the books differ:\n  " + strings.Join(diff, "\n  "))
	}
	if len(books.Payments) != 7 || books.Merchant[0] != 13750 {
		return fmt.Errorf("the books agree, but on %d payments and %s instead of 7 and 137.50", len(books.Payments), fen(books.Merchant[0]))
	}
	d.say("\nTerminal, host and issuer agree.")
	return nil
}

func mark(equal bool) string {
	if equal {
		return "="
	}
	return "≠ DIFFERENT"
}

func fen(n int64) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }
