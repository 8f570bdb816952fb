package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Scan tries every TCP port of an address, from an address of the namespace. It
// returns the ports that accept and those that do not answer within a second;
// all others refuse.
func (n *Namespace) Scan(from, to netip.Addr) (accept, silent []uint16, err error) {
	err = n.Do(func() error {
		for port := 1; port < 1<<16; port++ {
			switch err := try(from, netip.AddrPortFrom(to, uint16(port))); {
			case err == nil:
				accept = append(accept, uint16(port))
			case errors.Is(err, unix.EINPROGRESS):
				silent = append(silent, uint16(port))
			case !errors.Is(err, unix.ECONNREFUSED):
				return fmt.Errorf("scan port %d of %s: %w", port, to, err)
			}
		}
		return nil
	})
	return accept, silent, err
}

// try connects and resets at once; EINPROGRESS is a connect without an answer.
func try(from netip.Addr, to netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end); { // signals interrupt a poll
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err != nil || code == 0 {
				return err
			}
			return unix.Errno(code)
		}
	}
	return unix.EINPROGRESS
}
