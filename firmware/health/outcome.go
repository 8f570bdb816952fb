package health

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

// atOnce tells what a connect that failed without a packet means.
func atOnce(err error) (api.Outcome, string, api.Duration) {
	switch err {
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.ENETDOWN:
		return api.NoRoute, err.Error(), 0
	case unix.ECONNREFUSED: // a node on the box itself, as in tests over loopback
		return api.Refused, "", 0
	}
	return api.Failed, err.Error(), 0
}

// failure tells what a connect that failed later means. A RST and the ICMP error
// "port unreachable" give the same errno: only the error queue of the socket tells
// them apart.
func failure(fd int, errno syscall.Errno, ip4 bool) (api.Outcome, string) {
	if kind, from, ok := icmpError(fd, ip4); ok {
		if from.IsValid() {
			return api.Unreachable, fmt.Sprintf("%s, says %s", kind, from)
		}
		return api.Absent, ""
	}
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET:
		return api.Refused, ""
	case unix.ETIMEDOUT:
		return api.TimedOut, ""
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOPROTOOPT, unix.EHOSTDOWN:
		return api.Unreachable, errno.Error()
	case unix.ENETDOWN, unix.EADDRNOTAVAIL:
		return api.NoRoute, errno.Error()
	}
	return api.Failed, errno.Error()
}

// icmpError takes the ICMP error that ended a connect from the socket's error
// queue: its kind and who sent it. from is invalid when it was this box, which
// found no answer to ARP or neighbour discovery.
func icmpError(fd int, ip4 bool) (kind string, from netip.Addr, ok bool) {
	control := make([]byte, 512)
	_, n, _, _, err := unix.Recvmsg(fd, nil, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return "", from, false
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return "", from, false
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !v4 && !v6 || len(m.Data) < 16 {
			continue
		}
		// struct sock_extended_err: errno, origin, type, code, pad, info, data;
		// behind it the address of the sender.
		origin, code := m.Data[4], m.Data[6]
		sender := m.Data[16:]
		switch {
		case origin == unix.SO_EE_ORIGIN_ICMP && ip4:
			if len(sender) >= 8 && binary.NativeEndian.Uint16(sender) == unix.AF_INET {
				from = netip.AddrFrom4([4]byte(sender[4:8]))
			}
			kind = icmp4[code]
		case origin == unix.SO_EE_ORIGIN_ICMP6:
			if len(sender) >= 24 && binary.NativeEndian.Uint16(sender) == unix.AF_INET6 {
				from = netip.AddrFrom16([16]byte(sender[8:24]))
			}
			kind = icmp6[code]
		default:
			continue
		}
		if kind == "" {
			kind = fmt.Sprintf("ICMP error, code %d", code)
		}
		if ours(fd, from) {
			return "", netip.Addr{}, true
		}
		return kind, from, true
	}
	return "", from, false
}

// ours reports whether a is the address that fd is bound to.
func ours(fd int, a netip.Addr) bool { return a.IsValid() && a == local(fd).Addr() }

// local is the end of fd on this box; zero if that is not known.
func local(fd int) netip.AddrPort {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// Codes of ICMP destination unreachable, RFC 792 and RFC 1812 section 5.2.7.1.
var icmp4 = map[byte]string{
	0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
	4: "fragmentation needed", 5: "source route failed", 6: "network unknown", 7: "host unknown",
	8: "source isolated", 9: "network prohibited", 10: "host prohibited", 11: "network unreachable for this service",
	12: "host unreachable for this service", 13: "prohibited by a firewall", 14: "host precedence violation", 15: "precedence too low",
}

// Codes of ICMPv6 destination unreachable, RFC 4443 section 3.1.
var icmp6 = map[byte]string{
	0: "no route to it", 1: "prohibited by a firewall", 2: "beyond the scope of the source", 3: "host unreachable",
	4: "port unreachable", 5: "source address refused", 6: "route rejected",
}
