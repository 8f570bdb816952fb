package flight

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// tcp is a packet from its IP header on.
func tcp(from, to netip.AddrPort, flags byte) []byte {
	segment := binary.BigEndian.AppendUint16(nil, from.Port())
	segment = binary.BigEndian.AppendUint16(segment, to.Port())
	segment = append(segment, make([]byte, 16)...)
	segment[12], segment[13] = 5<<4, flags
	return ip(unix.IPPROTO_TCP, from.Addr(), to.Addr(), segment)
}

func ip(protocol byte, from, to netip.Addr, body []byte) []byte {
	if from.Is4() {
		head := make([]byte, 12, 20+len(body))
		head[0], head[9] = 0x45, protocol
		binary.BigEndian.PutUint16(head[2:], uint16(20+len(body)))
		return append(append(append(head, from.AsSlice()...), to.AsSlice()...), body...)
	}
	head := make([]byte, 8, 40+len(body))
	head[0], head[6] = 0x60, protocol
	binary.BigEndian.PutUint16(head[4:], uint16(len(body)))
	return append(append(append(head, from.AsSlice()...), to.AsSlice()...), body...)
}

// about is an ICMP error that a router sends about a packet.
func about(router netip.Addr, p []byte, to netip.Addr) []byte {
	protocol := byte(unix.IPPROTO_ICMP)
	if to.Is6() {
		protocol = unix.IPPROTO_ICMPV6
	}
	return ip(protocol, router, to, append(make([]byte, icmpProbe), p...))
}

// passes runs the filter of what is watched over a packet, as the kernel does.
func (w *watched) passes(t *testing.T, p []byte) bool {
	t.Helper()
	raw, err := w.filter()
	if err != nil {
		t.Fatal(err)
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program can't be read back")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func TestFilterPassesProbesAndNothingElse(t *testing.T) {
	at := netip.AddrPortFrom
	other4, other6 := netip.MustParseAddr("198.18.0.3"), netip.MustParseAddr("2001:db8::3")
	second4, second6 := netip.MustParseAddr("198.19.0.1"), netip.MustParseAddr("2001:db8:1::1")
	w := newWatched()
	for _, source := range []netip.Addr{boxIP4, boxIP6, second4, second6} {
		w.add(source, spoc, noon)
		w.add(source, ts, noon)
	}
	for port := uint16(1000); port < 1200; port++ { // further than a conditional jump reaches
		w.add(boxIP4, port, noon)
	}
	fragment := tcp(at(nodeIP4, ts), at(boxIP4, 40000), syn|ack)
	fragment[7] = 8
	options := ip(unix.IPPROTO_TCP, boxIP4, nodeIP4, append(make([]byte, 4), tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn)[20:]...))
	options[0] = 0x46
	for _, c := range []struct {
		name string
		p    []byte
		want bool
	}{
		{"SYN", tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn), true},
		{"SYN with options of IP", options, true},
		{"SYN-ACK", tcp(at(nodeIP4, ts), at(boxIP4, 40000), syn|ack), true},
		{"of the second address", tcp(at(second4, 40000), at(nodeIP4, spoc), rst), true},
		{"first of the many ports", tcp(at(boxIP4, 40000), at(nodeIP4, 1000), syn), true},
		{"last of the many ports", tcp(at(nodeIP4, 1199), at(boxIP4, 40000), syn|ack), true},
		{"IPv6, SYN", tcp(at(boxIP6, 40000), at(nodeIP6, ts), syn), true},
		{"IPv6, SYN-ACK", tcp(at(nodeIP6, spoc), at(second6, 40000), syn|ack), true},
		{"ICMP about a probe", about(other4, tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn), boxIP4), true},
		{"ICMPv6 about a probe", about(other6, tcp(at(boxIP6, 40000), at(nodeIP6, ts), syn), boxIP6), true},

		{"an MFD's SYN, masked", tcp(at(virtual, 40000), at(nodeIP4, ts), syn), false},
		{"an MFD's SYN, transparent", tcp(at(other4, 40000), at(nodeIP4, ts), syn), false},
		{"the answer to it", tcp(at(nodeIP4, ts), at(other4, 40000), syn|ack), false},
		{"an MFD's SYN to the box itself", tcp(at(other4, 40000), at(boxIP4, ts), syn), false},
		{"IPv6, an MFD's SYN", tcp(at(other6, 40000), at(nodeIP6, ts), syn), false},
		{"another port of the node", tcp(at(boxIP4, 40000), at(nodeIP4, 80), syn), false},
		{"a port that the box has open", tcp(at(nodeIP4, 40000), at(boxIP4, 443), syn), false},
		{"a later fragment", fragment, false},
		{"UDP", ip(unix.IPPROTO_UDP, boxIP4, nodeIP4, tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn)[20:]), false},
		{"ICMP about somebody else's", about(other4, tcp(at(other4, 40000), at(nodeIP4, ts), syn), other4), false},
		{"ICMP about another port", about(other4, tcp(at(boxIP4, 40000), at(nodeIP4, 80), syn), boxIP4), false},
		{"ARP", make([]byte, 28), false},
		{"nothing", nil, false},
		{"a piece", tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn)[:21], false},
	} {
		if got := w.passes(t, c.p); got != c.want {
			t.Errorf("%s: passes %v, want %v", c.name, got, c.want)
		}
	}
}

// An own address may become the virtual one by a change of the configuration.
func TestAddressThatTheBoxGaveUpIsSoonNotWatched(t *testing.T) {
	w, now := newWatched(), noon
	w.add(boxIP4, ts, now)
	later := netip.MustParseAddr("198.18.0.5")
	if w.add(boxIP4, ts, now) || !w.add(later, ts, now) {
		t.Error("the filter is replaced for what it has, or not for what is new")
	}
	old := tcp(netip.AddrPortFrom(boxIP4, 40000), netip.AddrPortFrom(nodeIP4, ts), syn)
	replaced := 0
	for range 200 {
		now = now.Add(time.Second)
		if w.add(later, ts, now) {
			replaced++
		}
	}
	if replaced != 1 || w.passes(t, old) {
		t.Errorf("replaced %d times; the old address is let through: %v", replaced, w.passes(t, old))
	}
}

func TestMorePortsThanAFilterHoldsAreAnError(t *testing.T) {
	w := newWatched()
	for port := uint16(1); port < 3000; port++ {
		w.add(boxIP4, port, noon)
	}
	if _, err := w.filter(); err == nil {
		t.Error("a program that the kernel refuses")
	}
}

// Packets come from the network: none of them may bring the balancer down.
func FuzzParse(f *testing.F) {
	at := netip.AddrPortFrom
	f.Add(tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn))
	f.Add(tcp(at(boxIP6, 40000), at(nodeIP6, ts), syn))
	f.Add(about(virtual, tcp(at(boxIP4, 40000), at(nodeIP4, ts), syn), boxIP4))
	f.Add(about(nodeIP6, tcp(at(boxIP6, 40000), at(nodeIP6, ts), syn), boxIP6))
	f.Fuzz(func(t *testing.T, p []byte) {
		lengthIP(p)
		if s, ok := parse(p); ok && (!s.from.Addr().IsValid() || !s.to.Addr().IsValid()) {
			t.Errorf("%+v", s)
		}
	})
}
