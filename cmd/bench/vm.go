package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"posd/cmd/internal/rig"
)

// inVM measures the agent in an emulated terminal. script is a program that takes a
// folder and a linux/arm binary, boots, runs the binary as the only program and shows
// its output; the host's loopback must be at 10.0.2.2 for it.
func inVM(script string) ([]row, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "posd-vm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := rig.Start(ctx, rig.Config{Dir: dir, Posd: beside("posd")})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	probe, err := makeProbe(ctx, r, dir)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "bash", script, filepath.Join(os.TempDir(), "posd-armvm"), probe).CombinedOutput()
	rows := figures(string(out))
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: %v; it printed:\n%s", script, err, out)
	}
	return rows, nil
}

// beside is a program in the folder of this one.
func beside(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(self), name)
}

// makeProbe signs the agent on once here, so that its store has the keys, and packs it
// with its files, moved to where the emulated terminal has them.
func makeProbe(ctx context.Context, r *rig.Rig, dir string) (string, error) {
	if err := r.Boot(ctx); err != nil {
		return "", err
	}
	if err := r.Agent.Stop(ctx); err != nil {
		return "", err
	}
	if err := moveConfig(r); err != nil {
		return "", err
	}
	arm := []string{"GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0"}
	agent := filepath.Dir(r.ConfigPath())
	if _, err := build(arm, "-trimpath", "-ldflags=-s -w", "-tags=nethttpomithttp2", "-o", filepath.Join(agent, "posd"), "./cmd/posd"); err != nil {
		return "", err
	}
	probe := filepath.Join(dir, "probe")
	if _, err := build(arm, "-trimpath", "-ldflags=-s -w", "-o", probe, "./cmd/bench/probe"); err != nil {
		return "", err
	}
	return probe, appendTar(probe, agent)
}

var deviceLine = regexp.MustCompile(`(reader|pinpad|printer): ".*"`)

// moveConfig rewrites the paths, takes the devices away and points to the host.
func moveConfig(r *rig.Rig) error {
	data, err := os.ReadFile(r.ConfigPath())
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(r.Host.Addr().String())
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(data), filepath.Dir(r.ConfigPath()), "/tmp/agent")
	text = strings.Replace(text, r.Host.Addr().String()+`"`, "10.0.2.2:"+port+"\"\n  server_name: 127.0.0.1", 1)
	text = deviceLine.ReplaceAllString(text, `$1: "none:"`)
	return os.WriteFile(r.ConfigPath(), []byte(text), 0o600)
}

// appendTar appends the files of a folder as an archive, and its length.
func appendTar(path, folder string) error {
	var buf bytes.Buffer
	archive := tar.NewWriter(&buf)
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		if err := addFile(archive, filepath.Join(folder, f.Name())); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	length := binary.BigEndian.AppendUint64(nil, uint64(buf.Len()))
	out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, io.MultiReader(&buf, bytes.NewReader(length)))
	return err
}

func addFile(archive *tar.Writer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(data)
	return err
}

// figures picks the probe's lines out of the console.
func figures(console string) []row {
	names := map[string]row{
		"msg=recovered":   {"emulated Cortex-A7: exec to journal recovered", "", ""},
		`msg="signed on"`: {"emulated Cortex-A7: exec to signed on", "", ""},
		"VmRSS:":          {"emulated Cortex-A7: posd idle, resident memory", "", "under 12 MB"},
		"VmHWM:":          {"emulated Cortex-A7: posd, most resident memory", "", ""},
	}
	var rows []row
	for line := range strings.Lines(console) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "probe: ")
		if !ok {
			continue
		}
		for mark, r := range names {
			if figure, ok := strings.CutPrefix(text, mark); ok {
				r.figure = strings.TrimSpace(figure)
				rows = append(rows, r)
			}
		}
	}
	return rows
}
