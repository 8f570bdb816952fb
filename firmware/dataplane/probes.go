package dataplane

import (
	"context"
	"time"

	"github.com/google/nftables/expr"
)

// ProbeLog reads copies of the packets of probes: of what the box itself sends to the
// ports that it probes, and of what comes back to it. What only passes the box is never
// looked at for it.
type ProbeLog struct{ copies }

const (
	// ProbeGroup is the netlink group of the copies.
	ProbeGroup = 5611
	// Recorded is as much of a packet as is copied: the headers of IPv6 and TCP with all
	// options, or an ICMPv6 error with both headers of the probe that it is about.
	Recorded = 128
	// recordedPerSecond bounds what copies cost, whatever is sent in the name of a node:
	// 1,000 ports every 5 s are 200 probes a second, of three packets.
	recordedPerSecond = 2000
)

// NewProbeLog opens the log in the network namespace of the calling thread.
func NewProbeLog() (*ProbeLog, error) {
	c, err := openCopies(ProbeGroup, Recorded)
	return &ProbeLog{c}, err
}

// Follow has handle called with each packet from now on, from its IP header on, until ctx
// ends or the kernel refuses, which failed is told. at is when the kernel took the packet
// in, and zero for one that leaves. head is valid until handle returns.
func (l *ProbeLog) Follow(ctx context.Context, handle func(at time.Time, head []byte), failed func(error)) error {
	return l.follow(ctx, handle, failed)
}

func copyProbe() rule { return copyTo(ProbeGroup, Recorded, recordedPerSecond) }

// probeRules are for packets that leave the box.
func (f family) probeRules(s sets) []rule {
	return []rule{
		sum(loadMeta(expr.MetaKeyMARK, regKey), equal(native(uint32(PokeMark))), &expr.Notrack{}, verdict(expr.VerdictAccept)),
		sum(isTCP(), loadMeta(expr.MetaKeyMARK, regKey), equal(native(uint32(ProbeMark))),
			flags(tcpFlags), equal([]byte{tcpACK}), verdict(expr.VerdictDrop)),
		// By address and port, not by mark: the kernel's RST to a stray SYN-ACK carries no
		// mark.
		sum(isTCP(), f.load(f.destination, regKey), loadTCP(2, 2, regSecond), in(s.probes),
			f.load(f.source, regKey), notIn(s.vips), &expr.Notrack{}, copyProbe()),
	}
}

// answerRules are for packets that came to the box itself: what a probed port says, and
// what somebody on the way says of a probe.
func (f family) answerRules(s sets) []rule {
	about := f.icmpHead
	return []rule{
		sum(isTCP(), f.load(f.source, regKey), loadTCP(0, 2, regSecond), in(s.probes), copyProbe()),
		sum(loadMeta(expr.MetaKeyL4PROTO, regKey), equal([]byte{f.icmp}),
			loadTransport(about+f.destination, f.addrLen, regKey), loadTransport(about+f.header+2, 2, regSecond), in(s.probes), copyProbe()),
	}
}
