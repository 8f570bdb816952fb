// Package flight is the flight recorder of the probes: the last 1,000 of each
// node, with the packets that they were on the wire and the times of them. It is what
// a technician opens when a node's firewall, a switch or a server's own
// administrator blames the box.
//
// Recorder has no goroutine and no socket: it is given copies of packets, which package
// dataplane has the kernel make of what the box itself sends and is sent, so that traffic
// of MFDs costs nothing for it. Packets that come have the kernel's times (from Linux 6.6
// on). Those that leave have the time at which their copy was read, within a millisecond
// on a box that is not overloaded, but for the first SYN: that has the time right before
// it left. What the box drops before it is its own, such as a packet from a wrong
// direction (rp_filter), is not seen.
package flight

import (
	"net/netip"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

const (
	// perNode is the number of flights kept of a node, and all the number of those
	// kept of all nodes: from 65 nodes on each has its share. A flight takes some
	// 400 bytes, and 650 if its packets were many: 26 MB for 64 nodes that have all
	// been probed for long enough, at most 42.
	perNode = 1000
	all     = 64 * perNode
)

// Recorder records flights. Its methods may be called from any goroutine, at the
// same time; all are quick.
type Recorder struct {
	now func() time.Time

	mu    sync.Mutex
	nodes map[netip.Addr]*book
	limit int // flights of a node
}

// NewRecorder begins with no flight.
func NewRecorder(now func() time.Time) *Recorder {
	return &Recorder{now: now, limit: perNode, nodes: map[netip.Addr]*book{}}
}

// Keep forgets all nodes but these, after a change of the configuration.
func (r *Recorder) Keep(nodes []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.nodes
	r.limit = min(perNode, max(all/max(len(nodes), 1), 1))
	r.nodes = map[netip.Addr]*book{}
	for _, a := range nodes {
		if b := before[a]; b != nil {
			b.resize(r.limit)
			r.nodes[a] = b
		}
	}
}

// Depart begins a flight from the box to a port of a node. It must be called
// before the SYN leaves.
func (r *Recorder) Depart(from, to netip.AddrPort) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.book(to.Addr()).add(flight{begun: now.UnixNano(), from: from, port: to.Port()})
}

// Land ends a flight with what the probe says of it. A probe that could not leave
// the box is a flight without packets.
func (r *Recorder) Land(to netip.AddrPort, p api.Probe) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.book(to.Addr())
	f := b.underWay(p.SourcePort, to.Port())
	if f == nil {
		f = b.add(flight{begun: p.Time.UnixNano(), port: to.Port()})
	}
	f.land(p)
}

// Take takes a packet, from its IP header on, which tells whose it is: of a flight that
// is under way, or was, or nobody's. at is when it came, or zero if the kernel did not
// say; head is not kept.
func (r *Recorder) Take(at time.Time, head []byte) {
	s, ok := parse(head)
	if !ok {
		return
	}
	if at.IsZero() {
		at = r.now()
	}
	p := packet{at: at.UnixNano(), length: len(head), head: head[:min(len(head), headLength)]}
	if length, ok := lengthIP(head); ok { // the copy may end before the packet does
		p.length = length
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.nodes[s.to.Addr()]; b != nil && b.take(p, s, s.from, s.to.Port(), outward) {
		return
	}
	if b := r.nodes[s.from.Addr()]; b != nil {
		b.take(p, s, s.to, s.from.Port(), inward)
	}
}

// Flights returns the flights to a node, oldest first, and how often it repeated a
// SYN-ACK after our RST.
func (r *Recorder) Flights(node netip.Addr) (flights []api.Flight, repeats uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	flights = []api.Flight{}
	b := r.nodes[node]
	if b == nil {
		return flights, 0
	}
	for f := range b.oldestFirst {
		flights = append(flights, f.told())
	}
	return flights, b.repeats
}

// Repeats returns the nodes that repeated SYN-ACKs after our RST, and how often.
func (r *Recorder) Repeats() map[netip.Addr]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[netip.Addr]uint64{}
	for a, b := range r.nodes {
		if b.repeats > 0 {
			out[a] = b.repeats
		}
	}
	return out
}

// Stubborn returns the nodes that do not take our RST for an answer: of their last
// 100 answered probes, and at least 20, more than half were followed by a SYN-ACK
// that came again. Loss on the way does that to one in five at most, as long as
// the probes themselves succeed.
func (r *Recorder) Stubborn() (nodes []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a, b := range r.nodes {
		if b.stubborn {
			nodes = append(nodes, a)
		}
	}
	return nodes
}

func (r *Recorder) book(node netip.Addr) *book {
	node = node.Unmap()
	b := r.nodes[node]
	if b == nil {
		b = &book{limit: r.limit}
		r.nodes[node] = b
	}
	return b
}
