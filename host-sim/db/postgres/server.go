package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrMissing says that there is no PostgreSQL on this machine.
var ErrMissing = errors.New("postgres: no PostgreSQL on PATH or in /usr/lib/postgresql")

const (
	starting = 60 * time.Second // for a server to answer
	role     = "posd"
)

// Server is a running PostgreSQL.
type Server struct {
	dir    string // data
	bin    string
	port   int
	user   *syscall.Credential
	remove string    // not empty: the folder goes with the server
	guard  *exec.Cmd // the shell that ends the server when this program is gone
	leash  *os.File
}

// Start makes a new database cluster in dir, which is made where missing, and starts a
// server on it. more are settings, without blanks: "synchronous_commit=on".
func Start(ctx context.Context, dir string, more ...string) (*Server, error) {
	s, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	return s, s.create(ctx, more)
}

// create makes the cluster and starts the server.
func (s *Server) create(ctx context.Context, more []string) error {
	err := s.command(ctx, "initdb", "-D", s.dir, "-U", role, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return fmt.Errorf("postgres: make cluster: %w", err)
	}
	return s.Boot(ctx, more...)
}

// StartTemporary is [Start] in a folder of its own, which goes with the server.
func StartTemporary(ctx context.Context, more ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "posd-pg-")
	if err != nil {
		return nil, fmt.Errorf("postgres: folder: %w", err)
	}
	s, err := prepare(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.remove = "yes"
	return s, s.create(ctx, more)
}

// Standby copies a running server into dir and starts the copy, which follows it under the
// name "standby".
func Standby(ctx context.Context, of *Server, dir string, more ...string) (*Server, error) {
	s, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=%s application_name=standby", of.port, role)
	if err := s.command(ctx, "pg_basebackup", "-D", s.dir, "-d", from, "-R", "-X", "stream", "-c", "fast", "--no-sync"); err != nil {
		return nil, fmt.Errorf("postgres: copy: %w", err)
	}
	return s, s.Boot(ctx, more...)
}

// prepare finds the programs, the user and a port, and makes the folder.
func prepare(dir string) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: filepath.Join(dir, "data"), bin: bin}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("postgres: folder: %w", err)
	}
	if os.Getuid() == 0 {
		if s.user, err = unprivileged(); err != nil {
			return nil, err
		}
		if err := os.Chown(dir, int(s.user.Uid), int(s.user.Gid)); err != nil {
			return nil, fmt.Errorf("postgres: folder: %w", err)
		}
	}
	s.port, err = freePort()
	return s, err
}

// find returns the folder of the server's programs.
func find() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", ErrMissing
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged is who a server runs as: it refuses to be root.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("postgres: no user postgres or nobody to run it as")
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("postgres: port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// guarding runs the server and waits for its own input to end: that is when the program that
// started it has closed the leash, or is gone. $1 program, $2 data, $3 port, $4 log, $5
// settings; $6, where not empty, has the folder removed at the end.
const guarding = `"$1" -D "$2" -p "$3" -c unix_socket_directories= -c listen_addresses=127.0.0.1 $5 </dev/null >>"$4" 2>&1 & pid=$!
cat >/dev/null
kill -INT $pid 2>/dev/null
wait $pid
if [ -n "$6" ]; then rm -rf "$2" "$4"; rmdir "${2%/data}"; fi`

// Boot starts a server that was stopped or killed, and waits until it answers.
func (s *Server) Boot(ctx context.Context, more ...string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("postgres: start: %w", err)
	}
	defer read.Close()
	var settings strings.Builder
	for _, m := range more {
		settings.WriteString(" -c " + m)
	}
	s.guard = exec.Command("/bin/sh", "-c", guarding, "sh", filepath.Join(s.bin, "postgres"), s.dir, strconv.Itoa(s.port),
		filepath.Join(filepath.Dir(s.dir), "log"), settings.String(), s.remove)
	s.guard.Dir, s.guard.Stdin, s.leash = "/", read, write
	s.guard.SysProcAttr = &syscall.SysProcAttr{Credential: s.user, Setpgid: true}
	if err := s.guard.Start(); err != nil {
		return errors.Join(fmt.Errorf("postgres: start: %w", err), write.Close())
	}
	return s.answers(ctx)
}

// answers waits until the server takes connections.
func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	for {
		err := s.command(ctx, "pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", role, "-t", "5")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(filepath.Dir(s.dir), "log"))
			return errors.Join(fmt.Errorf("postgres: the server does not answer: %w: %s", err, log[max(0, len(log)-2000):]), s.Stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// URL is the address of the server's first database; schema, where not empty, is what
// unqualified names mean there.
func (s *Server) URL(schema string) string {
	url := fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", role, s.port)
	if schema != "" {
		url += "&search_path=" + schema
	}
	return url
}

// Promote makes a standby a server that takes writes.
func (s *Server) Promote(ctx context.Context) error {
	return s.command(ctx, "pg_ctl", "promote", "-D", s.dir, "-w")
}

// Kill ends the server as a power cut of the machine's processes would.
func (s *Server) Kill() error {
	err := syscall.Kill(-s.guard.Process.Pid, syscall.SIGKILL)
	s.guard.Wait() //nolint:errcheck // killed
	return errors.Join(err, s.leash.Close())
}

// Stop ends the server in order. Its folder stays.
func (s *Server) Stop() error {
	if s.guard == nil {
		return nil
	}
	err := s.leash.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil // killed before
	}
	s.guard.Wait() //nolint:errcheck // a server that was interrupted says so
	return err
}
