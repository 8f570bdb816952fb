package flight

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// headLength is as much of a packet as is kept: the headers of IPv6 and TCP with
// all options, or an ICMPv6 error with both headers of the probe that it is about.
const headLength = 128

// Where things stand in a packet that begins with its IP header.
const (
	ip4Protocol, ip4From, ip4To, ip4Header = 9, 12, 16, 20
	ip6Next, ip6From, ip6To, ip6Header     = 6, 8, 24, 40
	// An ICMP error has 8 bytes of its own and then the packet that it is about: a
	// probe's, whose IP header has no options.
	icmpProbe = 8
)

// packet is one that came or left.
type packet struct {
	at     int64 // Unix time in nanoseconds
	length int   // of the whole packet
	head   []byte
}

// segment is what a packet says: a TCP segment, or an ICMP error about one.
type segment struct {
	from, to netip.AddrPort
	flags    byte
	icmp     bool // from and to are those of an answer to the probe that it is about
}

const (
	fin = 1 << 0
	syn = 1 << 1
	rst = 1 << 2
	ack = 1 << 4
)

// parse reads a packet from its IP header on.
func parse(b []byte) (segment, bool) {
	protocol, from, to, rest, ok := parseIP(b)
	if !ok {
		return segment{}, false
	}
	switch protocol {
	case unix.IPPROTO_TCP:
		if len(rest) < 20 {
			return segment{}, false
		}
		return segment{
			from:  netip.AddrPortFrom(from, binary.BigEndian.Uint16(rest)),
			to:    netip.AddrPortFrom(to, binary.BigEndian.Uint16(rest[2:])),
			flags: rest[13],
		}, true
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		if len(rest) < icmpProbe {
			return segment{}, false
		}
		// RFC 792 promises the ports and the sequence number of the probe, no more.
		about, from, to, ports, ok := parseIP(rest[icmpProbe:])
		if !ok || about != unix.IPPROTO_TCP || len(ports) < 4 {
			return segment{}, false
		}
		return segment{
			from: netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:])),
			to:   netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports)),
			icmp: true,
		}, true
	}
	return segment{}, false
}

// lengthIP is the length that a packet says it has.
func lengthIP(b []byte) (int, bool) {
	switch {
	case len(b) >= ip4Header && b[0]>>4 == 4:
		return int(binary.BigEndian.Uint16(b[2:])), true
	case len(b) >= ip6Header && b[0]>>4 == 6:
		return ip6Header + int(binary.BigEndian.Uint16(b[4:])), true
	}
	return 0, false
}

func parseIP(b []byte) (protocol byte, from, to netip.Addr, rest []byte, ok bool) {
	switch {
	case len(b) >= ip4Header && b[0]>>4 == 4 && len(b) >= int(b[0]&15)*4 && b[0]&15 >= 5:
		return b[ip4Protocol], netip.AddrFrom4([4]byte(b[ip4From:])), netip.AddrFrom4([4]byte(b[ip4To:])), b[int(b[0]&15)*4:], true
	case len(b) >= ip6Header && b[0]>>4 == 6:
		return b[ip6Next], netip.AddrFrom16([16]byte(b[ip6From:])), netip.AddrFrom16([16]byte(b[ip6To:])), b[ip6Header:], true
	}
	return 0, from, to, nil, false
}
