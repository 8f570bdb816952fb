package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

// DefaultTimeout leaves room for one repetition of a lost SYN, which Linux makes
// after one second.
const DefaultTimeout = 2500 * time.Millisecond

// Prober makes half-open probes: SYN, SYN-ACK, RST (requirement: "The TCP monitor
// must finish connection after SYN - ACK with RST, not with FIN"). The node's
// accept() never sees them.
//
// It lets the kernel connect, with the ACK delayed, and resets at once. A kernel
// delays an ACK by 200 ms at most, and acknowledges a repeated SYN-ACK at once: so
// a guard rule of the packet filter has to drop outgoing bare ACKs with Mark, and
// probes must not be tracked. Package dataplane installs both.
type Prober struct {
	// Mark is the SO_MARK of probes; 0 sets none.
	Mark uint32
	// Source picks the box's own address to probe a node from; never a virtual
	// address, which may move away. An invalid address means that there is none:
	// no route. Nil leaves the choice to the kernel.
	Source func(node netip.Addr) netip.Addr
	// Departs is told from where a probe is about to leave, before its SYN does; nil
	// for nobody. Without a Source the port is not known yet and 0.
	Departs func(from, to netip.AddrPort)
	// Now is the clock of Probe.Time.
	Now func() time.Time
}

// Probe probes target until ctx ends, or for DefaultTimeout if ctx has no deadline.
// A ctx that is cancelled gives Failed: nothing was learned.
func (p *Prober) Probe(ctx context.Context, target netip.AddrPort) api.Probe {
	if _, ok := ctx.Deadline(); !ok {
		limited, cancel := context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
		ctx = limited
	}
	result := api.Probe{Time: p.Now()}
	p.probe(ctx, target, &result)
	if result.Outcome == api.TimedOut && Absent(target.Addr()) {
		result.Outcome = api.Absent
	}
	return result
}

func (p *Prober) probe(ctx context.Context, target netip.AddrPort, result *api.Probe) {
	target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	var source netip.Addr
	if p.Source != nil {
		if source = p.Source(target.Addr()); !source.IsValid() {
			result.Outcome, result.Detail = api.NoRoute, "this box has no address to probe from"
			return
		}
	}
	fd, err := p.socket(target.Addr(), source)
	if err != nil {
		result.Outcome, result.Detail = api.Failed, err.Error()
		return
	}
	if p.Departs != nil {
		p.Departs(local(fd), target)
	}
	begin := time.Now()
	err = unix.Connect(fd, sockaddr(target))
	result.SourcePort = local(fd).Port()
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		result.Outcome, result.Detail, result.RTT = atOnce(err)
		return
	}
	f := os.NewFile(uintptr(fd), "probe")
	defer f.Close()
	if deadline, ok := ctx.Deadline(); ok {
		f.SetWriteDeadline(deadline)
	}
	release := context.AfterFunc(ctx, func() { f.SetWriteDeadline(time.Unix(1, 0)) })
	defer release()
	result.Outcome, result.Detail, result.RTT = await(ctx, f, begin, target.Addr().Is4())
}

// socket makes a socket whose ACK is late and whose end is a RST.
func (p *Prober) socket(node, source netip.Addr) (int, error) {
	family := unix.AF_INET6
	if node.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	if err := p.prepare(fd, node, source); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func (p *Prober) prepare(fd int, node, source netip.Addr) error {
	recverrLevel, recverr := unix.SOL_IPV6, unix.IPV6_RECVERR
	if node.Is4() {
		recverrLevel, recverr = unix.SOL_IP, unix.IP_RECVERR
	}
	for _, set := range []struct {
		name  string
		apply func() error
	}{
		{"TCP_QUICKACK", func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) }},
		{"SO_LINGER", func() error {
			return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		}},
		{"IP_RECVERR", func() error { return unix.SetsockoptInt(fd, recverrLevel, recverr, 1) }},
		{"SO_MARK", func() error {
			if p.Mark == 0 {
				return nil
			}
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark))
		}},
		{"bind to " + source.String(), func() error {
			if !source.IsValid() {
				return nil
			}
			return unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0)))
		}},
	} {
		if err := set.apply(); err != nil {
			return fmt.Errorf("%s: %w", set.name, err)
		}
	}
	return nil
}

// await waits for the connect under way on f to end.
func await(ctx context.Context, f *os.File, begin time.Time, ip4 bool) (outcome api.Outcome, detail string, rtt api.Duration) {
	raw, err := f.SyscallConn()
	if err != nil {
		return api.Failed, err.Error(), 0
	}
	err = raw.Write(func(s uintptr) bool {
		fd := int(s)
		if errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
			outcome, detail = failure(fd, syscall.Errno(errno), ip4)
			return true
		}
		if _, err := unix.Getpeername(fd); err != nil {
			return false
		}
		outcome, detail, rtt = opened(fd, time.Since(begin))
		return true
	})
	switch {
	case err == nil:
		return outcome, detail, rtt
	case errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(ctx.Err(), context.Canceled):
		return api.TimedOut, "", 0
	case ctx.Err() != nil:
		return api.Failed, "the probe was called off", 0
	}
	return api.Failed, err.Error(), 0
}

func opened(fd int, elapsed time.Duration) (api.Outcome, string, api.Duration) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return api.Open, "", api.Duration(elapsed)
	}
	detail := ""
	if info.Total_retrans > 0 {
		detail = "the SYN had to be repeated"
	} else if info.Rtt > 0 {
		elapsed = time.Duration(info.Rtt) * time.Microsecond
	}
	return api.Open, detail, api.Duration(elapsed)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if i, err := net.InterfaceByName(a.Addr().Zone()); a.Addr().Zone() != "" && err == nil {
		sa.ZoneId = uint32(i.Index)
	}
	return sa
}
