package flight

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// forgetAfter is how long after the last probe from an address, or to a port, its
// packets are still let through. Probes are a minute apart at most, and a node
// repeats its SYN-ACK for about a minute. An address that the box has given up
// may come back as a virtual one: then its packets are those of MFDs.
const forgetAfter = 150 * time.Second

// watched is whose packets the recorder wants: those between one of the addresses
// that the box probes from and a port that it probes.
type watched struct {
	sources map[netip.Addr]time.Time // last probe
	ports   map[uint16]time.Time
	looked  time.Time
}

func newWatched() watched {
	return watched{sources: map[netip.Addr]time.Time{}, ports: map[uint16]time.Time{}}
}

// add notes a probe, and reports whether the filter has to be replaced.
func (w *watched) add(source netip.Addr, port uint16, now time.Time) (changed bool) {
	before := len(w.sources) + len(w.ports)
	w.sources[source.Unmap()], w.ports[port] = now, now
	changed = len(w.sources)+len(w.ports) != before
	if age := now.Sub(w.looked); age >= 0 && age < forgetAfter/10 {
		return changed
	}
	w.looked = now
	before = len(w.sources) + len(w.ports)
	maps.DeleteFunc(w.sources, func(_ netip.Addr, last time.Time) bool { return now.Sub(last) > forgetAfter })
	maps.DeleteFunc(w.ports, func(_ uint16, last time.Time) bool { return now.Sub(last) > forgetAfter })
	return changed || len(w.sources)+len(w.ports) != before
}

// headLength is as much of a packet as is kept: the headers of IPv6 and TCP with
// all options, or an ICMPv6 error with both headers of the probe that it is about.
const headLength = 128

// Where things stand in a packet that begins with its IP header.
const (
	ip4Fragment, ip4Protocol, ip4From, ip4To = 6, 9, 12, 16
	ip6Next, ip6From, ip6To, ip6Header       = 6, 8, 24, 40
	tcpFrom, tcpTo                           = 0, 2
	// An ICMP error has 8 bytes of its own and then the packet that it is about: a
	// probe's, whose IP header has no options.
	icmpProbe = 8
	ip4Header = 20
)

type program = []bpf.Instruction

var errTooLong = errors.New("too many ports and addresses are probed for one packet filter")

// filter is the program that the kernel runs over every packet of the box.
func (w *watched) filter() ([]bpf.RawInstruction, error) {
	var own4 []uint32
	var own6 []netip.Addr
	for a := range w.sources {
		if a.Is4() {
			b := a.As4()
			own4 = append(own4, uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))
		} else {
			own6 = append(own6, a)
		}
	}
	slices.Sort(own4)
	slices.SortFunc(own6, netip.Addr.Compare)
	var ports []uint32
	for _, p := range slices.Sorted(maps.Keys(w.ports)) {
		ports = append(ports, uint32(p))
	}
	p := slices.Concat(
		program{bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4}},
		when([]uint32{4}, only4(own4, ports)),
		when([]uint32{6}, only6(own6, ports)),
		program{bpf.RetConstant{Val: 0}})
	if len(p) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("%w: %d ports, %d addresses", errTooLong, len(ports), len(w.sources))
	}
	return bpf.Assemble(p)
}

func only4(own, ports []uint32) program {
	load := func(at int) program { return program{bpf.LoadAbsolute{Off: uint32(at), Size: 4}} }
	port := func(at int) program {
		return append(program{bpf.LoadIndirect{Off: uint32(at), Size: 2}}, accept(ports)...)
	}
	return slices.Concat(
		program{bpf.LoadAbsolute{Off: ip4Fragment, Size: 2}, bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x1fff, SkipTrue: 1},
			bpf.RetConstant{Val: 0}, bpf.LoadMemShift{Off: 0}, bpf.LoadAbsolute{Off: ip4Protocol, Size: 1}},
		when([]uint32{unix.IPPROTO_TCP}, slices.Concat(
			load(ip4From), when(own, port(tcpTo)),
			load(ip4To), when(own, port(tcpFrom)))),
		when([]uint32{unix.IPPROTO_ICMP}, slices.Concat(
			load(ip4To), when(own, port(icmpProbe+ip4Header+tcpTo)))),
		program{bpf.RetConstant{Val: 0}})
}

func only6(own []netip.Addr, ports []uint32) program {
	at := func(address int, port int) (out program) {
		for _, a := range own {
			then := append(program{bpf.LoadAbsolute{Off: uint32(port), Size: 2}}, accept(ports)...)
			b := a.As16()
			for i := 12; i >= 0; i -= 4 {
				word := uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3])
				then = append(program{bpf.LoadAbsolute{Off: uint32(address + i), Size: 4}}, when([]uint32{word}, then)...)
			}
			out = append(out, then...)
		}
		return out
	}
	return slices.Concat(
		program{bpf.LoadAbsolute{Off: ip6Next, Size: 1}},
		when([]uint32{unix.IPPROTO_TCP}, append(append(at(ip6From, ip6Header+tcpTo), at(ip6To, ip6Header+tcpFrom)...), bpf.RetConstant{Val: 0})),
		when([]uint32{unix.IPPROTO_ICMPV6}, at(ip6To, ip6Header+icmpProbe+ip6Header+tcpTo)),
		program{bpf.RetConstant{Val: 0}})
}

// accept keeps the packet when what was loaded is one of ports, and ends.
func accept(ports []uint32) program {
	return append(when(ports, program{bpf.RetConstant{Val: headLength}}), bpf.RetConstant{Val: 0})
}

// when runs then if what was loaded is one of values. A conditional jump reaches
// only 255 instructions, so each leads to one without condition.
func when(values []uint32, then program) program {
	var p program
	for i, v := range values {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: 1}, bpf.Jump{Skip: uint32(2*(len(values)-1-i) + 1)})
	}
	return append(append(p, bpf.Jump{Skip: uint32(len(then))}), then...)
}
