package dataplane

import (
	"context"
	"errors"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	// ProbeGroup is the netlink group of the copies.
	ProbeGroup = 5611
	// Recorded is as much of a packet as is copied: the headers of IPv6 and TCP with all
	// options, or an ICMPv6 error with both headers of the probe that it is about.
	Recorded = 128
	// flyingFor is how long after the last packet of a probe the box still looks for more
	// of it: a node repeats its SYN-ACK for about a minute.
	flyingFor = 150 * time.Second
	// maxFlying is all ports of an address; the kernel has probes leave from 28,000 of them.
	maxFlying = 1 << 16
	// Whoever guesses where a probe comes from can have this many copies made a second, and
	// none of them in the place of what probes send.
	answersPerSecond = 2000
	errorsPerSecond  = 200
	straysPerSecond  = 200
)

// FollowProbes calls handle with each packet of a probe, from its IP header on: with what
// the box itself sends, once its own packet filter has let it through, and with what comes
// to it; what only passes the box is never looked at for that. It goes on until ctx ends
// (then it returns nil) or the kernel refuses (then it returns why), in the network
// namespace of the calling thread; what leaves after it has called begun is not missed. at
// is when the kernel took the packet in, and zero where it does not say: for those that
// leave, and before Linux 6.6 for all. head is valid until handle returns.
func FollowProbes(ctx context.Context, begun func(), handle func(at time.Time, head []byte)) error {
	c, err := openCopies(ProbeGroup, Recorded)
	if err != nil {
		return err
	}
	return errors.Join(c.run(ctx, begun, handle), c.Close())
}

// probeRules are for packets that the box sends, before anything else.
func (f family) probeRules(s sets) []rule {
	return []rule{
		sum(loadMeta(expr.MetaKeyMARK, regKey), equal(native(uint32(PokeMark))), &expr.Notrack{}, verdict(expr.VerdictAccept)),
		sum(isTCP(), loadMeta(expr.MetaKeyMARK, regKey), equal(native(uint32(ProbeMark))),
			flags(tcpFlags), equal([]byte{tcpACK}), verdict(expr.VerdictDrop)),
		// By address and port, not by mark: the kernel's RST to a stray SYN-ACK carries no
		// mark.
		sum(isTCP(), f.load(f.destination, regKey), loadTransport(2, 2, regSecond), in(s.probes),
			f.load(f.source, regKey), notIn(s.vips), &expr.Notrack{}),
	}
}

// departureRules copy what probes send, and the kernel's RSTs to what comes of them later.
func (f family) departureRules(s sets) []rule {
	own := sum(f.load(f.source, regKey), loadTransport(0, 2, regSecond))
	probe := sum(isTCP(), loadMeta(expr.MetaKeyMARK, regKey), equal(native(uint32(ProbeMark))))
	return []rule{
		sum(probe, own, &expr.Dynset{SrcRegKey: regKey, SetName: s.flying.Name, SetID: s.flying.ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: flyingFor}),
		sum(probe, copyTo(ProbeGroup, Recorded), verdict(expr.VerdictAccept)),
		sum(isTCP(), own, in(s.flying), below(straysPerSecond, straysPerSecond), copyTo(ProbeGroup, Recorded)),
	}
}

// answerRules copy what came to the box itself: what a probed port says, and what somebody
// on the way says of a probe.
func (f family) answerRules(s sets) []rule {
	return []rule{
		sum(isTCP(), f.load(f.destination, regKey), loadTransport(2, 2, regSecond), in(s.flying),
			below(answersPerSecond, answersPerSecond), copyTo(ProbeGroup, Recorded)),
		sum(loadMeta(expr.MetaKeyL4PROTO, regKey), equal([]byte{f.icmp}),
			loadTransport(f.icmpHead+f.source, f.addrLen, regKey), loadTransport(f.icmpHead+f.header, 2, regSecond), in(s.flying),
			below(errorsPerSecond, errorsPerSecond), copyTo(ProbeGroup, Recorded)),
	}
}
