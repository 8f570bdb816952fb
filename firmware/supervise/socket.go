package supervise

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// open listens as the socket says and returns the descriptor to pass on.
func (s Socket) open(uid uint32) (*os.File, error) {
	var file interface{ File() (*os.File, error) }
	switch s.Network {
	case "unix":
		l, err := s.openUnix(uid)
		if err != nil {
			return nil, fmt.Errorf("socket %s: %w", s.Name, err)
		}
		defer l.Close()
		file = l
	case "tcp":
		config := net.ListenConfig{Control: s.bindToDevice}
		l, err := config.Listen(context.Background(), "tcp", s.Address)
		if err != nil {
			return nil, fmt.Errorf("socket %s: %w", s.Name, err)
		}
		defer l.Close()
		file = l.(*net.TCPListener)
	default:
		return nil, fmt.Errorf("socket %s: network %q is neither unix nor tcp", s.Name, s.Network)
	}
	f, err := file.File()
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", s.Name, err)
	}
	return f, nil
}

func (s Socket) openUnix(uid uint32) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(s.Address), 0o755); err != nil {
		return nil, err
	}
	// A file of the supervisor's previous life; nobody else may write here.
	if err := os.Remove(s.Address); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Address, Net: "unix"})
	if err != nil {
		return nil, err
	}
	// Only our copy is closed: the file stays, the service listens on it.
	l.SetUnlinkOnClose(false)
	if err := os.Chown(s.Address, int(uid), int(s.GID)); err != nil {
		l.Close()
		return nil, err
	}
	if err := os.Chmod(s.Address, s.Mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (s Socket) bindToDevice(_, _ string, c syscall.RawConn) error {
	if s.Device == "" {
		return nil
	}
	var err error
	if cerr := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), s.Device) }); cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("bind to interface %s: %w", s.Device, err)
	}
	return nil
}
