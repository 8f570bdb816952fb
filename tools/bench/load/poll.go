// Package load is both ends of the traffic that the benchmark sends: clients that
// connect, ask and go, and a server that answers. Each end is one thread around
// epoll and costs as little as it can, so that what lies between them shows.
package load

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// poller waits for sockets.
type poller struct {
	fd     int
	events []unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	return &poller{fd: fd, events: make([]unix.EpollEvent, 256)}, nil
}

func (p *poller) close() error { return unix.Close(p.fd) }

func (p *poller) add(fd int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (p *poller) change(fd int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (p *poller) remove(fd int) error { return unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// wait returns what is ready, after at most so many milliseconds.
func (p *poller) wait(timeout int) ([]unix.EpollEvent, error) {
	n, err := unix.EpollWait(p.fd, p.events, timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, fmt.Errorf("wait for sockets: %w", err)
	}
	return p.events[:max(n, 0)], nil
}

func socket() (int, error) {
	return unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func name(a netip.AddrPort) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}

// begin begins to connect from an address; the port is chosen by the kernel when
// both ends are known, so that each address has all of them for each target.
func begin(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	if fd, err = socket(); err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, name(netip.AddrPortFrom(from, 0))); err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, name(to)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, err
	}
	return fd, nil
}

// failed is the error that a socket has met.
func failed(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code != 0 {
		return unix.Errno(code)
	}
	return nil
}

// Client is the address of the i-th client, from 0; there are 65,536.
func Client(i int) netip.Addr {
	at := uint32(198)<<24 | 18<<16 | 128<<8 + uint32(i)
	return netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)})
}

// Clients is how many addresses clients can have.
const Clients = 1 << 16
