package flight

import (
	"encoding/binary"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
)

// book has the last flights to one node.
type book struct {
	limit    int
	flights  []flight // a ring once it is as long as limit
	begun    int      // flights so far
	repeats  uint64
	stubborn bool
}

// flight is one probe. Times are Unix times in nanoseconds, 0 for none.
type flight struct {
	from             netip.AddrPort // zero: nothing left the box
	port             uint16         // of the node
	resent, repeats  uint16
	begun            int64
	syn, synack, rst int64
	fin              int64 // of ours
	outcome          api.Outcome
	detail           string
	kept             int64  // when the last of its packets was
	packets          []byte // each a time, a length, the length of what is kept, and that
}

const (
	outward = iota
	inward
)

// mostPacketBytes bounds what is kept of a flight's packets: three are 200 bytes,
// and a node that repeats its answer for a minute makes as many again.
const mostPacketBytes = 512

// threePackets is room for those of a probe, also in IPv6.
const threePackets = 256

// packetHead is the length of what stands before each packet that is kept.
const packetHead = 8 + 2 + 1

// add begins a flight, in the place of the oldest when the ring is full.
func (b *book) add(f flight) *flight {
	b.begun++
	if len(b.flights) < b.limit {
		if n := len(b.flights); n == cap(b.flights) {
			b.flights = append(make([]flight, 0, min(max(2*n, 16), b.limit)), b.flights...)
		}
		b.flights = append(b.flights, f)
		return &b.flights[len(b.flights)-1]
	}
	at := &b.flights[(b.begun-1)%b.limit]
	f.packets = at.packets[:0]
	*at = f
	return at
}

// resize keeps the newest of the flights if there may be fewer.
func (b *book) resize(limit int) {
	if limit == b.limit {
		return
	}
	var kept []flight
	for f := range b.oldestFirst {
		kept = append(kept, *f)
	}
	kept = kept[max(len(kept)-limit, 0):]
	b.limit, b.flights, b.begun = limit, append([]flight(nil), kept...), len(kept)
}

func (b *book) oldestFirst(yield func(*flight) bool) {
	n := len(b.flights)
	for i := b.begun - n; i < b.begun; i++ {
		if !yield(&b.flights[i%b.limit]) {
			return
		}
	}
}

func (b *book) newestFirst(yield func(*flight) bool) {
	n := len(b.flights)
	for i := b.begun - 1; i >= b.begun-n; i-- {
		if !yield(&b.flights[i%b.limit]) {
			return
		}
	}
}

// underWay finds a flight that has not landed.
func (b *book) underWay(from, port uint16) *flight {
	for f := range b.newestFirst {
		if from != 0 && f.from.Port() == from && f.port == port && f.outcome == "" {
			return f
		}
	}
	return nil
}

// land ends a flight.
func (f *flight) land(p api.Probe) {
	f.outcome, f.detail = p.Outcome, p.Detail
	if p.Outcome == api.Absent {
		// Its SYN waited in the box for an answer to ARP, in vain.
		f.syn, f.resent, f.packets = 0, 0, f.packets[:0]
	}
}

// take gives a packet to the flight that it belongs to, if there is one.
func (b *book) take(p packet, s segment, own netip.AddrPort, port uint16, way int) bool {
	for f := range b.newestFirst {
		if f.port == port && f.from == own {
			if f.take(p, s, way) {
				b.repeats++
				b.judge()
			}
			return true
		}
	}
	return false
}

// take notes a packet, and reports whether it is a repeated SYN-ACK after our RST.
func (f *flight) take(p packet, s segment, way int) (repeat bool) {
	if way == outward && s.flags&fin != 0 && !s.icmp && f.fin == 0 {
		f.fin = p.at
	}
	switch {
	case s.icmp:
	case way == outward && s.flags&(syn|ack) == syn:
		if f.syn != 0 {
			f.resent++
		} else {
			p.at = f.begun
			f.syn = p.at
		}
	case way == outward && s.flags&rst != 0:
		if f.rst == 0 {
			f.rst = p.at
		}
	case way == inward && s.flags&(syn|ack) == syn|ack:
		switch {
		case f.synack == 0:
			f.synack = p.at
		case f.rst != 0:
			f.repeats++
			repeat = true
		}
	}
	f.keep(p)
	return repeat
}

func (f *flight) keep(p packet) {
	// In the order in which they were: the time of one that left is a little late.
	p.at = max(p.at, f.kept)
	f.kept = p.at
	if len(f.packets)+packetHead+len(p.head) > mostPacketBytes {
		return
	}
	switch need := len(f.packets) + packetHead + len(p.head); {
	case f.packets == nil:
		f.packets = make([]byte, 0, threePackets)
	case need > cap(f.packets):
		f.packets = append(make([]byte, 0, mostPacketBytes), f.packets...)
	}
	f.packets = binary.LittleEndian.AppendUint64(f.packets, uint64(p.at))
	f.packets = binary.LittleEndian.AppendUint16(f.packets, uint16(p.length))
	f.packets = append(f.packets, byte(len(p.head)))
	f.packets = append(f.packets, p.head...)
}

// Of its last judged answered probes, and at least least, a stubborn node followed
// more than half with a repetition.
const (
	judged = 100
	least  = 20
)

func (b *book) judge() {
	answered, repeated := 0, 0
	for f := range b.newestFirst {
		if f.synack == 0 || f.rst == 0 {
			continue
		}
		answered++
		if f.repeats > 0 {
			repeated++
		}
		if answered == judged {
			break
		}
	}
	b.stubborn = answered >= least && 2*repeated > answered
}

func (f *flight) told() api.Flight {
	return api.Flight{
		Time: moment(f.begun), Port: f.port, SourcePort: f.from.Port(), Outcome: f.outcome, Detail: f.detail,
		SYN: moment(f.syn), SYNACK: moment(f.synack), RST: moment(f.rst), FIN: moment(f.fin), Resent: int(f.resent), Repeats: int(f.repeats),
	}
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
