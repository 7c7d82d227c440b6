package tidy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	agent         = "./cmd/posd"
	maxAgentBytes = 10 << 20
)

// TestGateSize: the agent, stripped, for the terminal's processor.
func TestGateSize(t *testing.T) {
	needAgent(t)
	out := filepath.Join(t.TempDir(), "posd")
	build(t, []string{"GOOS=linux", "GOARCH=arm", "GOARM=7"}, "-trimpath", "-ldflags=-s -w", "-tags=nethttpomithttp2", "-o", out)
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s for linux/arm, stripped: %.2f MiB of %d", agent, float64(info.Size())/(1<<20), maxAgentBytes>>20)
	if info.Size() > maxAgentBytes {
		t.Errorf("%d bytes, at most %d: a terminal's flash is small; see go tool nm -size -sort size", info.Size(), maxAgentBytes)
	}
}

// TestGateReflectMethod: nothing in the agent looks methods up by name, which would make
// the linker keep every exported method of every type.
func TestGateReflectMethod(t *testing.T) {
	needAgent(t)
	edges := build(t, nil, "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "posd"))
	found := 0
	for line := range bytes.Lines(edges) {
		if !bytes.Contains(line, []byte("ReflectMethod")) {
			continue
		}
		if found++; found <= 5 {
			t.Errorf("%s", bytes.TrimSpace(line))
		}
	}
	if found > 0 {
		t.Errorf("%d edges to reflect's methods by name: text/template, protobuf and cobra bring them", found)
	}
	if !bytes.Contains(edges, []byte("main.main")) {
		t.Error("the linker gave no dependencies: the gate measures nothing")
	}
}

// needAgent skips while there is no main to build.
func needAgent(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("gate: no go command on this machine: a test binary that runs under qemu cannot build")
	}
	files, err := filepath.Glob(filepath.Join(repository, agent, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte("\nfunc main() {")) {
			return
		}
	}
	t.Skip("gate: " + agent + " has no main yet")
}

// build builds the agent without cgo and returns what the linker said.
func build(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, args...), agent)...)
	cmd.Dir = repository
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(cmd.Args[1:], " "), err, tail(out))
	}
	return out
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }
