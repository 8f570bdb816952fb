// Package flight is the flight recorder of the probes: the last 1,000 of each
// node, with the packets that they were on the wire and the kernel's times of
// them. It is what a technician opens when a node's firewall, a switch or a
// server's own administrator blames the box.
//
// Recorder has no goroutine and takes no packet by itself: the kernel keeps what
// a filter lets through, and each probe that ends, or whoever asks, takes it from
// there. So a site where nothing is probed costs nothing, and traffic of MFDs,
// which the filter holds back, never wakes the process. What leaves the box is
// looked at only while a probe is under way: so the RSTs that answer a SYN-ACK which
// comes again later are not in a capture, the SYN-ACKs are.
package flight

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

const (
	// perNode is the number of flights kept of a node, and all the number of those
	// kept of all nodes: from 65 nodes on each has its share. A flight takes
	// 420 bytes, and 680 if its packets were many: 27 MB for 64 nodes that have all
	// been probed for long enough, at most 43.
	perNode = 1000
	all     = 64 * perNode

	// retryEvery is the time between two tries to open a socket that is lost.
	retryEvery = 10 * time.Second
)

// Recorder records flights. Its methods may be called from any goroutine, at the
// same time; all but the first are quick.
type Recorder struct {
	now func() time.Time
	log *slog.Logger

	mu      sync.Mutex
	watched watched
	tap     *tap      // nil while there is none
	triedAt time.Time // in vain
	failed  bool      // the log was told
	limit   int       // flights of a node
	nodes   map[netip.Addr]*book
	inAir   int         // flights that have not landed
	settled *time.Timer // looks away from what leaves the box
}

// NewRecorder begins with no flight and opens no socket yet: the first probe does,
// in its own network namespace.
func NewRecorder(now func() time.Time, log *slog.Logger) *Recorder {
	return &Recorder{now: now, log: log, limit: perNode, nodes: map[netip.Addr]*book{}, watched: newWatched()}
}

// Keep forgets all nodes but these, after a change of the configuration.
func (r *Recorder) Keep(nodes []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.nodes
	r.limit = min(perNode, max(all/max(len(nodes), 1), 1))
	r.nodes = map[netip.Addr]*book{}
	r.inAir = 0
	for _, a := range nodes {
		if b := before[a]; b != nil {
			b.resize(r.limit)
			r.nodes[a] = b
			r.inAir += b.inAir()
		}
	}
}

// Depart begins a flight from the box to a port of a node. It must be called
// before the SYN leaves: the filter lets through only what it knows of.
func (r *Recorder) Depart(from, to netip.AddrPort) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watched.add(from.Addr(), to.Port(), now) || r.tap == nil {
		r.listen(now)
	}
	r.book(to.Addr()).add(flight{begun: now.UnixNano(), from: from, port: to.Port()})
	if r.inAir++; r.inAir == 1 {
		r.seeOutgoing(true)
	}
}

// Land ends a flight with what the probe says of it. A probe that could not leave
// the box is a flight without packets.
func (r *Recorder) Land(to netip.AddrPort, p api.Probe) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect()
	b := r.book(to.Addr())
	f := b.underWay(p.SourcePort, to.Port())
	switch {
	case f == nil:
		f = b.add(flight{begun: p.Time.UnixNano(), port: to.Port()})
	case r.inAir > 1:
		r.inAir--
	default:
		r.inAir = 0
		r.settle()
	}
	f.outcome, f.detail = p.Outcome, p.Detail
}

// Flights returns the flights to a node, oldest first, and how often it repeated a
// SYN-ACK after our RST.
func (r *Recorder) Flights(node netip.Addr) (flights []api.Flight, repeats uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect()
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

// Close lets go of the socket; a later flight opens another.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tap == nil {
		return nil
	}
	t := r.tap
	r.tap = nil
	return t.close()
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
