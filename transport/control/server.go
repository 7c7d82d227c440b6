package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Config is what a server needs; every field but Gate is required.
type Config struct {
	Path    string // of the socket; its directory exists
	Backend Backend
	Log     *slog.Logger // gets operations and errors, never what they carry
	// Gate refuses operations by their name before anything else happens; nil for none.
	Gate func(op string) error
}

// Server serves one agent on one socket.
type Server struct {
	cfg      Config
	listener *net.UnixListener
	file     os.FileInfo // the socket as we made it
	paying   chan struct{}
	slots    chan struct{}
}

// New takes the socket, with mode 0600. A socket file that nobody serves any more is
// replaced; one that answers is ErrSocketInUse. Clients that connect before Run wait.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Path == "":
		return nil, errors.New("control: config: Path is missing")
	case cfg.Backend == nil:
		return nil, errors.New("control: config: Backend is missing")
	case cfg.Log == nil:
		return nil, errors.New("control: config: Log is missing")
	}
	listener, info, err := listen(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("control: listen on %s: %w", cfg.Path, err)
	}
	return &Server{
		cfg: cfg, listener: listener, file: info,
		paying: make(chan struct{}, 1), slots: make(chan struct{}, maxConns),
	}, nil
}

// Run serves until ctx ends; then it takes no more requests, waits for those under
// way (ctx tells them to end) and removes the socket. It returns nil for that.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		conn, err := s.listener.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("control: accept on %s: %w", s.cfg.Path, err)
		}
		conns.Go(func() { s.serve(ctx, conn) })
	}
}

// Close gives the socket back; Run does it too. The file goes only if it is still ours.
func (s *Server) Close() error {
	err := s.listener.Close()
	if now, statErr := os.Lstat(s.cfg.Path); statErr == nil && os.SameFile(now, s.file) {
		os.Remove(s.cfg.Path)
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// serve answers one connection, a line at a time.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		s.write(conn, formatAnswer(nil, fmt.Errorf("control: %d connections are open already: try again", maxConns)))
		return
	}
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		conn.SetReadDeadline(time.Now().Add(arriveWithin))
		if ctx.Err() != nil { // it ended before the line above, which undid its deadline
			return
		}
		line, err := readLine(in, maxRequest)
		if err != nil {
			s.refuseLine(conn, err)
			return
		}
		if !s.write(conn, s.handle(ctx, line)) {
			return
		}
	}
}

// refuseLine tells why reading ended, where somebody may still listen.
func (s *Server) refuseLine(conn net.Conn, err error) {
	if errors.Is(err, errLineTooLong) {
		s.write(conn, formatAnswer(nil, fmt.Errorf("control: request above %d bytes: %w", maxRequest, ErrInvalid)))
		return
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.cfg.Log.Debug("control: read request", "error", err)
	}
}

func (s *Server) write(conn net.Conn, line []byte) bool {
	conn.SetWriteDeadline(time.Now().Add(takeWithin))
	if _, err := conn.Write(line); err != nil {
		s.cfg.Log.Info("control: client left before its answer", "error", err)
		return false
	}
	return true
}

// handle does what one line asks and returns the answer's line.
func (s *Server) handle(ctx context.Context, line []byte) []byte {
	req, err := parseRequest(line)
	if err != nil {
		return formatAnswer(nil, err)
	}
	began := time.Now()
	result, err := s.do(ctx, req)
	if err != nil {
		s.cfg.Log.Warn("control: request failed", "op", req.Op, "error", err)
	} else {
		s.cfg.Log.Debug("control: request", "op", req.Op, "took", time.Since(began))
	}
	return formatAnswer(result, err)
}

func (s *Server) do(ctx context.Context, req request) (any, error) {
	op, ok := operations[req.Op]
	switch {
	case !ok:
		return nil, fmt.Errorf("control: operation %.40q: unknown: %w", req.Op, ErrInvalid)
	case s.cfg.Gate != nil && s.cfg.Gate(req.Op) != nil:
		return nil, s.cfg.Gate(req.Op)
	case op.alone:
		return s.alone(ctx, op, req)
	}
	ctx, cancel := context.WithTimeout(ctx, opWithin)
	defer cancel()
	return op.do(ctx, s.cfg.Backend, req)
}

// alone runs one operation on the life of the agent, not of the connection, and no other
// such beside it.
func (s *Server) alone(ctx context.Context, op operation, req request) (any, error) {
	if err := op.check(req); err != nil {
		return nil, err
	}
	select {
	case s.paying <- struct{}{}:
		defer func() { <-s.paying }()
	default:
		return nil, fmt.Errorf("control: %s: %w", req.Op, ErrBusy)
	}
	return op.do(ctx, s.cfg.Backend, req)
}

// listen binds beside the path, sets the mode, and then moves the socket into place,
// so that nobody ever sees it with another mode, or no socket where a stale one was.
func listen(path string) (*net.UnixListener, os.FileInfo, error) {
	if err := free(path); err != nil {
		return nil, nil, err
	}
	beside := path + ".new"
	os.Remove(beside) // of an agent that died right here
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	info, err := place(beside, path)
	if err != nil {
		os.Remove(beside)
		l.Close()
		return nil, nil, err
	}
	return l, info, nil
}

func place(beside, path string) (os.FileInfo, error) {
	if err := os.Chmod(beside, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(beside, path); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// free tells whether the path can be taken: nothing there, or a socket that nobody
// serves.
func free(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return errors.New("a file that is no socket is in the way: remove it or choose another path")
	}
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err == nil {
		conn.Close()
		return ErrSocketInUse
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
