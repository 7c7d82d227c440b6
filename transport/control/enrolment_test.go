package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// gated serves a fake whose gate lets one operation through.
func gated(t *testing.T) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	gate := func(op string) error {
		if op == "enrol-terminal" {
			return nil
		}
		return fmt.Errorf("not enrolled: %w", ErrNotReady)
	}
	server, err := New(Config{Path: path, Backend: &fake{}, Log: slog.New(slog.DiscardHandler), Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return At(path)
}

func TestGate(t *testing.T) {
	c := gated(t)
	if _, err := c.Journal(t.Context(), 1); !errors.Is(err, ErrNotReady) {
		t.Errorf("behind the gate: %v", err)
	}
	out, err := c.EnrolTerminal(t.Context(), Activation{Code: "ABCDE-FGHJK", Address: "h:1"})
	if err != nil || out.Terminal != "10000001" || out.Address != "h:1" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestActivationIsChecked(t *testing.T) {
	c := gated(t)
	for _, a := range []Activation{
		{},
		{Code: "AB/CD"},
		{Code: strings.Repeat("A", maxCode+1)},
		{Code: "A", Address: "h"},
		{Code: "A", Authority: "5A"},
		{Code: "WRONG"},
	} {
		if _, err := c.EnrolTerminal(t.Context(), a); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v, want invalid", a, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", Activation{Code: "SECRET"}, Activation{Code: "SECRET"}, Activation{Code: "SECRET"}); strings.Contains(text, "SECRET") {
		t.Errorf("the code prints: %s", text)
	}
}
