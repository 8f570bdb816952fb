package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// atOnce is how many ports are tried at the same moment: the queue of a
	// virtual machine's interface holds 256 packets, and what does not fit is lost.
	atOnce = 64
	// silence is how long a port may take to answer; a lost SYN is repeated after a second.
	silence = 3500 * time.Millisecond
)

// Scan tries every TCP port of an address, from an address of the namespace. It
// returns the ports that accept and those that do not answer; all others refuse.
// Ports that are silent cost 3.5 s for each 64.
func (n *Namespace) Scan(from, to netip.Addr) (accept, silent []uint16, err error) {
	err = n.Do(func() error {
		for first := 1; first < 1<<16; first += atOnce {
			if err := tryAll(from, to, first, min(first+atOnce, 1<<16), func(port uint16, answered bool) {
				if answered {
					accept = append(accept, port)
				} else {
					silent = append(silent, port)
				}
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return accept, silent, err
}

// tryAll connects to the ports from first to before last and resets at once.
// It tells of those that do not refuse.
func tryAll(from, to netip.Addr, first, last int, tell func(port uint16, answered bool)) (err error) {
	var waiting []unix.PollFd
	ports := map[int32]uint16{}
	defer func() {
		for fd := range ports {
			unix.Close(int(fd))
		}
	}()
	for port := first; port < last; port++ {
		fd, err := begin(from, netip.AddrPortFrom(to, uint16(port)))
		if fd > 0 {
			ports[int32(fd)] = uint16(port)
		}
		switch {
		case errors.Is(err, unix.EINPROGRESS):
			waiting = append(waiting, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
		case err == nil:
			tell(uint16(port), true)
		case !errors.Is(err, unix.ECONNREFUSED):
			return fmt.Errorf("scan port %d of %s: %w", port, to, err)
		}
	}
	for end := time.Now().Add(silence); len(waiting) > 0 && time.Now().Before(end); {
		// Signals interrupt a poll.
		if _, err := unix.Poll(waiting, int(time.Until(end).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		left := waiting[:0]
		for _, w := range waiting {
			if w.Revents == 0 {
				left = append(left, w)
				continue
			}
			code, err := unix.GetsockoptInt(int(w.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
			switch {
			case err != nil:
				return err
			case code == 0:
				tell(ports[w.Fd], true)
			case unix.Errno(code) != unix.ECONNREFUSED:
				return fmt.Errorf("scan port %d of %s: %w", ports[w.Fd], to, unix.Errno(code))
			}
		}
		waiting = left
	}
	for _, w := range waiting {
		tell(ports[w.Fd], false)
	}
	return nil
}

func begin(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return fd, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
		return fd, err
	}
	return fd, unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
}
