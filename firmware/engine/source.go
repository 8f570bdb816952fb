package engine

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// sourceFinder finds the box's own address to probe a node from. Left to
// itself the kernel might take the virtual address, which the nodes must see
// MFDs under and nothing else, and which moves away in a pair of boxes.
type sourceFinder struct {
	now func() time.Time

	mu      sync.Mutex
	virtual []netip.Addr
	own     []netip.Prefix
	readAt  time.Time
}

// sourceAge is how long a reading of the addresses is good: DHCP may change
// them at any time, and probes are many.
const sourceAge = 2 * time.Second

func newSourceFinder(now func() time.Time) *sourceFinder { return &sourceFinder{now: now} }

// avoid names the virtual addresses.
func (s *sourceFinder) avoid(virtual []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.virtual, s.readAt = virtual, time.Time{}
}

// find returns the own address in the node's network; without one, the address
// that the kernel routes to the node from; invalid if there is none.
func (s *sourceFinder) find(node netip.Addr) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read()
	for _, p := range s.own {
		if p.Contains(node) && !slices.Contains(s.virtual, p.Addr()) {
			return p.Addr()
		}
	}
	routed := routedFrom(node)
	if !slices.Contains(s.virtual, routed) {
		return routed
	}
	for _, p := range s.own {
		if a := p.Addr(); a.Is4() == node.Is4() && !a.IsLoopback() && !slices.Contains(s.virtual, a) {
			return a
		}
	}
	// Whoever waits for an address wants to know of it at once.
	s.readAt = time.Time{}
	return netip.Addr{}
}

// beside are the own addresses in a network that a machine is in, too.
func (s *sourceFinder) beside(a netip.Addr) (out []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read()
	for _, p := range s.own {
		if p.Contains(a) && !slices.Contains(s.virtual, p.Addr()) {
			out = append(out, p.Addr())
		}
	}
	return out
}

// read reads the own addresses, unless it did so a moment ago.
func (s *sourceFinder) read() {
	if now := s.now(); s.readAt.IsZero() || now.Sub(s.readAt) > sourceAge {
		s.own, s.readAt = ownPrefixes(), now
	}
}

// neighbours reports whether two machines are in one network that the box has an
// address in, so that what they say to each other does not come by the box.
func (s *sourceFinder) neighbours(a, b netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.own, func(p netip.Prefix) bool { return p.Contains(a) && p.Contains(b) })
}

func ownPrefixes() (out []netip.Prefix) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// routedFrom asks the kernel's routes; a UDP socket sends nothing by
// connecting.
func routedFrom(node netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(node, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
