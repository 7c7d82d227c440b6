package main

import (
	"archive/tar"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("probe: failed:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := unpack("/tmp/agent"); err != nil {
		return err
	}
	began := time.Now()
	cmd := exec.Command("/tmp/agent/posd", "-config", "/tmp/agent/posd.yaml")
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(log)
	for _, mark := range []string{"msg=recovered", `msg="signed on"`} {
		if err := await(lines, mark); err != nil {
			return err
		}
		fmt.Printf("probe: %s %d ms\n", mark, time.Since(began).Milliseconds())
	}
	time.Sleep(10 * time.Second) // idle is what is measured
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "RssAnon") || strings.HasPrefix(line, "VmHWM") {
			fmt.Print("probe: ", line)
		}
	}
	return cmd.Process.Kill()
}

func await(lines *bufio.Scanner, mark string) error {
	for lines.Scan() {
		fmt.Println("posd:", lines.Text())
		if strings.Contains(lines.Text(), mark) {
			return nil
		}
	}
	return fmt.Errorf("the agent ended before it said %q", mark)
}

// unpack reads the archive at the end of the own executable.
func unpack(dir string) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	size, err := self.Seek(-8, io.SeekEnd)
	if err != nil {
		return err
	}
	var length uint64
	if err := binary.Read(self, binary.BigEndian, &length); err != nil {
		return err
	}
	archive := tar.NewReader(io.NewSectionReader(self, size-int64(length), int64(length)))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = write(filepath.Join(dir, filepath.Base(header.Name)), header.FileInfo().Mode(), archive)
		}
		if err != nil {
			return fmt.Errorf("payload: %w", err)
		}
	}
}

func write(path string, mode os.FileMode, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}
