package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Limits of one mutant: of its tests, and of everything, compiling included.
const (
	testTime   = "60s"
	mutantTime = 4 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	root, err := moduleRoot(ctx)
	if err == nil {
		err = run(ctx, root, wanted(os.Args[1:]))
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// wanted are the mutants whose names have one of the words; all without words.
func wanted(words []string) []mutant {
	if len(words) == 0 {
		return table
	}
	var out []mutant
	for _, m := range table {
		for _, w := range words {
			if strings.Contains(strings.ToLower(m.name), strings.ToLower(w)) {
				out = append(out, m)
				break
			}
		}
	}
	return out
}

// moduleRoot is where go.mod is.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// verdict is what became of a mutant.
type verdict struct {
	mutant
	took time.Duration
	by   string // the test that found it; empty for a survivor
	err  error  // it could not be planted or compiled
}

// run runs the mutants, two at a time, and says what became of each.
func run(ctx context.Context, root string, mutants []mutant) error {
	if len(mutants) == 0 {
		return errors.New("no such mutant")
	}
	for _, dir := range packages(mutants) {
		if by, err := test(ctx, root, dir, ""); err != nil || by != "" {
			return fmt.Errorf("%s fails without any fault: %s %w", dir, by, err)
		}
	}
	verdicts := make([]verdict, len(mutants))
	var wg sync.WaitGroup
	turn := make(chan struct{}, min(2, runtime.NumCPU()))
	var say sync.Mutex
	for i, m := range mutants {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			v := m.try(ctx, root)
			verdicts[i] = v
			say.Lock()
			defer say.Unlock()
			fmt.Println(v)
		})
	}
	wg.Wait()
	return sum(verdicts)
}

// String is one line of the report.
func (v verdict) String() string {
	switch {
	case v.err != nil:
		return fmt.Sprintf("BROKEN    %-58s %v", v.name, v.err)
	case v.by == "":
		return fmt.Sprintf("SURVIVES  %-58s %s", v.name, v.file)
	}
	return fmt.Sprintf("found     %-58s %4.1fs  %s", v.name, v.took.Seconds(), v.by)
}

// sum prints found and planted, and the survivors once more.
func sum(verdicts []verdict) error {
	found := 0
	var left []string
	for _, v := range verdicts {
		if v.err == nil && v.by != "" {
			found++
		} else {
			left = append(left, v.name)
		}
	}
	fmt.Printf("\nfound %d of %d planted\n", found, len(verdicts))
	if len(left) > 0 {
		return fmt.Errorf("not found: %s", strings.Join(left, "; "))
	}
	return nil
}

// packages are the folders that the mutants are in.
func packages(mutants []mutant) (dirs []string) {
	seen := map[string]bool{}
	for _, m := range mutants {
		if dir := filepath.Dir(m.file); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// plant returns the file with the fault in it.
func (m mutant) plant(root string) ([]byte, error) {
	src, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(src), m.old); n != 1 {
		return nil, fmt.Errorf("%s has the text %d times: %q", m.file, n, m.old)
	}
	return []byte(strings.Replace(string(src), m.old, m.new, 1)), nil
}

// try plants the mutant and runs the tests of its package.
func (m mutant) try(ctx context.Context, root string) (v verdict) {
	began := time.Now()
	v = verdict{mutant: m}
	defer func() { v.took = time.Since(began) }()
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		v.err = err
		return v
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover in the temporary folder harms nobody
	overlay, err := m.overlay(root, dir)
	if err != nil {
		v.err = err
		return v
	}
	v.by, v.err = test(ctx, root, filepath.Dir(m.file), overlay)
	return v
}

// overlay writes the changed file, and the list that puts it in place of the real one.
func (m mutant) overlay(root, dir string) (string, error) {
	src, err := m.plant(root)
	if err != nil {
		return "", err
	}
	changed, list := filepath.Join(dir, filepath.Base(m.file)), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): changed}})
	if err != nil {
		return "", err
	}
	return list, errors.Join(os.WriteFile(changed, src, 0o600), os.WriteFile(list, text, 0o600))
}

// test runs a package's tests and returns the name of one that failed, "" for none. An
// error says that it did not come to testing.
func test(ctx context.Context, root, dir, overlay string) (failed string, err error) {
	ctx, stop := context.WithTimeout(ctx, mutantTime)
	defer stop()
	args := []string{"test", "-short", "-vet=off", "-failfast", "-count=1", "-timeout", testTime}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+dir)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	text := string(out)
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return "", fmt.Errorf("does not compile: %s", firstLine(text, ".go:"))
	case strings.Contains(text, "panic: test timed out"):
		return "no end within " + testTime, nil
	case strings.Contains(text, "panic:"):
		return firstLine(text, "panic:"), nil
	}
	return strings.TrimPrefix(firstLine(text, "--- FAIL: "), "--- FAIL: "), nil
}

// firstLine returns the first line that has the text.
func firstLine(text, with string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, with) {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(text)
}
