package winservice

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

// wire is the connection of a session. It remembers what broke it, which the
// library replaces by words of its own.
type wire struct {
	net.Conn
	used bool

	mu     sync.Mutex
	frames frames
	broken error
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err == nil {
		w.mu.Lock()
		if err = w.frames.read(b[:n]); err != nil {
			n = 0 // a reader that has all it wanted would not look at the error
		}
		w.mu.Unlock()
	}
	w.note(err)
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.note(err)
	return n, err
}

func (w *wire) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.broken == nil && !errors.Is(err, net.ErrClosed) {
		w.broken = err
	}
}

func (w *wire) fault() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// silent reports whether the server has said nothing yet.
func (w *wire) silent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames.seen == 0
}

// until ends all waiting at the deadline of ctx, and free lets an idle session be.
func (w *wire) until(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = w.SetDeadline(deadline) // fails on a closed connection only, as the next read does
	}
}

func (w *wire) free() { _ = w.SetDeadline(time.Time{}) }

// judge gives an error of the library its word.
func (w *wire) judge(err error) error {
	var ours *Failure
	switch fault := w.fault(); {
	case fault == nil:
		return judge(err)
	case errors.As(fault, &ours):
		return ours
	case errors.Is(fault, os.ErrDeadlineExceeded):
		return &Failure{api.WindowsTimedOut, "connected to port " + port + ", and then no answer"}
	case security(err):
		return judge(err)
	}
	if w.silent() {
		return &Failure{api.WindowsProtocolError, "the node ended the connection at the first word, as one does that speaks SMB 1 only"}
	}
	return &Failure{api.WindowsProtocolError, "the node ended the connection"}
}

// dial connects to the server.
func (s *Session) dial(ctx context.Context) (*wire, error) {
	var d net.Dialer
	if s.way.Source != nil {
		source := s.way.Source(s.node)
		if !source.IsValid() {
			return nil, &Failure{api.WindowsNoRoute, "this box has no address to ask from"}
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	dial := s.way.Dial
	if dial == nil {
		dial = func(ctx context.Context, d *net.Dialer, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}
	}
	c, err := dial(ctx, &d, net.JoinHostPort(s.node.String(), port))
	if err != nil {
		return nil, s.undialled(ctx, err)
	}
	return &wire{Conn: c}, nil
}

func (s *Session) undialled(ctx context.Context, err error) error {
	absent := s.way.Absent != nil && s.way.Absent(s.node)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, unix.ECONNREFUSED):
		return &Failure{State: api.WindowsRefused}
	case absent:
		return &Failure{State: api.WindowsHostDown}
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.ENETDOWN):
		return &Failure{api.WindowsNoRoute, cause(err)}
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EHOSTDOWN), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return &Failure{api.WindowsUnreachable, cause(err)}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		return &Failure{State: api.WindowsTimedOut}
	}
	return &Failure{api.WindowsProtocolError, cause(err)}
}

// cause is the innermost words of an error: the outer ones repeat the address.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
