package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Listen opens a TCP listener inside the namespace.
func (n *Namespace) Listen(at netip.AddrPort) (*net.TCPListener, error) {
	var l *net.TCPListener
	err := n.Do(func() error {
		var err error
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", at, err)
	}
	return l, nil
}

// Dial opens a TCP connection from inside the namespace, from an address of
// the caller's choice; it gives up after five seconds.
func (n *Namespace) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	var conn *net.TCPConn
	err := n.Do(func() error {
		d := net.Dialer{Timeout: 5 * time.Second}
		var err error
		conn, err = d.DialTCP(ctx, "tcp", netip.AddrPortFrom(from, 0), to)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", from, err)
	}
	return conn, nil
}

// DialAll begins a connection to each target in the same moment, from as many
// CPUs as there are: the sockets are made before the first one connects. A
// connection that is refused says so at its first use.
func (n *Namespace) DialAll(from netip.Addr, to []netip.AddrPort) (_ []*net.TCPConn, err error) {
	var sockets []int
	conns := make([]*net.TCPConn, 0, len(to))
	defer func() {
		for _, fd := range sockets[len(conns):] {
			unix.Close(fd)
		}
		if err != nil {
			for _, c := range conns {
				c.Close()
			}
			err = fmt.Errorf("dial from %s: %w", from, err)
		}
	}()
	err = n.Do(func() error {
		for range to {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			sockets = append(sockets, fd)
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(to))
	start := make(chan struct{})
	var begun sync.WaitGroup
	for i, at := range to {
		begun.Go(func() {
			<-start
			err := unix.Connect(sockets[i], &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
			if err != nil && !errors.Is(err, unix.EINPROGRESS) {
				errs[i] = err
			}
		})
	}
	close(start)
	begun.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, fd := range sockets {
		c, err := adopt(fd)
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// adopt makes a connection of a socket and closes the socket's own descriptor.
func adopt(fd int) (*net.TCPConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c.(*net.TCPConn), nil
}
