package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
)

// socketMode lets the owner and the group of a socket made by Listen connect.
const socketMode = 0o660

// Inherited returns the listening sockets that were handed over at start, by
// the names that the supervisor gave them. It is empty when there are none, and
// at the second call: the environment that announces them is read once.
func Inherited() (map[string]net.Listener, error) {
	sockets := map[string]net.Listener{}
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f)
		name := f.Name()
		f.Close()
		if err == nil && sockets[name] != nil {
			err = errors.New("two sockets have this name")
		}
		if err != nil {
			return nil, fmt.Errorf("inherited socket %q: %w", name, err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			// The path belongs to the supervisor, which hands the same socket to
			// the next run.
			u.SetUnlinkOnClose(false)
		}
		sockets[name] = l
	}
	return sockets, nil
}

// Listen returns the one socket that was handed over at start; when there is
// none, a Unix socket that it makes at path. A socket that a dead process left
// at path is replaced; one that somebody answers on is an error.
func Listen(path string) (net.Listener, error) {
	inherited, err := Inherited()
	if err != nil {
		return nil, err
	}
	if len(inherited) > 1 {
		return nil, fmt.Errorf("%d sockets were handed over, and this daemon serves one", len(inherited))
	}
	for _, l := range inherited {
		return l, nil
	}
	if path == "" {
		return nil, fmt.Errorf("%w: no socket was handed over: name one with -socket PATH", ErrUsage)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("socket %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket %s: there is a file of this name that is no socket: remove it or choose another -socket", path)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fmt.Errorf("socket %s: another process serves it: stop that one first or choose another -socket", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("socket %s: %w", path, err)
	}
	return nil
}
