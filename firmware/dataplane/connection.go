package dataplane

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Attributes and values of ctnetlink, from linux/netfilter/nfnetlink_conntrack.h,
// nf_conntrack_common.h and nf_conntrack_tcp.h; x/sys/unix lacks them.
const (
	ctSubsystem = unix.NFNL_SUBSYS_CTNETLINK << 8

	ctNew    = 0 // message types: a new or changed entry
	ctGet    = 1
	ctDelete = 2

	ctaTupleOriginal = 1
	ctaTupleReply    = 2
	ctaStatus        = 3
	ctaProtoInfo     = 4
	ctaMark          = 8
	ctaCountersOrig  = 9
	ctaCountersReply = 10
	ctaID            = 12
	ctaTimestamp     = 20
	ctaMarkMask      = 21
	ctaLabels        = 22
	ctaLabelsMask    = 23

	ctaTupleIP, ctaTupleProto                     = 1, 2
	ctaIPv4Source, ctaIPv4Destination             = 1, 2
	ctaIPv6Source, ctaIPv6Destination             = 3, 4
	ctaProtoNumber, ctaSourcePort, ctaDestination = 1, 2, 3
	ctaProtoInfoTCP                               = 1
	ctaTCPState                                   = 1
	ctaCounterBytes                               = 2
	ctaTimestampStart, ctaTimestampStop           = 1, 2

	statusExpected  = 1 << 0
	statusSeenReply = 1 << 1
	statusAssured   = 1 << 2
	statusConfirmed = 1 << 3 // its first packet has left the box

	tcpEstablished = 3
	tcpLastACK     = 6
	tcpTimeWait    = 7
	tcpClose       = 8
)

// connection is one entry of conntrack.
type connection struct {
	id              uint32
	original, reply tuple
	mark            Mark
	notes           uint32
	status          uint32
	state           uint8
	labels          byte
	// bytes from and to the client, IP headers included; began and ended by the
	// wall clock. Only dumps and the event of the end have them.
	sent, received uint64
	began, ended   time.Time
	// tuples as they came, to name the entry in a request
	rawOriginal []byte
}

type tuple struct {
	source, destination         netip.Addr
	sourcePort, destinationPort uint16
	protocol                    uint8
}

// key tells connections apart: the kernel's own ID is a hash of 32 bits, with
// both ports of the client's direction no two live ones are the same.
func (c *connection) key() uint64 {
	return uint64(c.id)<<32 | uint64(c.original.sourcePort)<<16 | uint64(c.original.destinationPort)
}

// ours tells whether a group of the table made the entry.
func (c *connection) ours() bool {
	return c.mark != 0 && c.mark <= MaxMark && c.original.protocol == unix.IPPROTO_TCP
}

// over tells whether both ends are done, or one has reset. Connections of the FTP
// helper tell of each state, and begin with the notes of another.
func (c *connection) over() bool {
	return c.labels&labelOver != 0 || c.state == tcpTimeWait || c.state == tcpClose ||
		c.notes&hushed != 0 && c.labels&labelSaid == 0 && c.status&statusExpected == 0
}

// refused tells whether a RST was the answer to the first packet: conntrack then
// forgets the entry at once, and never notes that it has seen a reply.
func (c *connection) refused() bool { return c.state == tcpClose && !c.answered() }

// answered tells whether the node ever said anything.
func (c *connection) answered() bool { return c.status&statusSeenReply != 0 }

// complained tells whether the client repeats its first packet for want of an answer.
func (c *connection) complained() bool { return !c.answered() && c.labels&labelUnanswered != 0 }

// talking tells whether both ends believe that they are connected.
func (c *connection) talking() bool {
	return c.answered() && c.state >= tcpEstablished && c.state <= tcpLastACK
}

// attributes calls fn for each attribute of b until a malformed one.
func attributes(b []byte, fn func(kind uint16, value []byte)) {
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		if length < 4 || length > len(b) {
			return
		}
		fn(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:length])
		b = b[min((length+3)&^3, len(b)):]
	}
}

// parse reads an entry; rawOriginal is valid as long as the message is.
func (c *connection) parse(message []byte) {
	*c = connection{}
	attributes(message, func(kind uint16, v []byte) {
		switch {
		case kind == ctaTupleOriginal:
			c.original.parse(v)
			c.rawOriginal = v
		case kind == ctaTupleReply:
			c.reply.parse(v)
		case kind == ctaProtoInfo:
			c.parseState(v)
		case kind == ctaCountersOrig:
			c.sent = number(v, ctaCounterBytes)
		case kind == ctaCountersReply:
			c.received = number(v, ctaCounterBytes)
		case kind == ctaTimestamp:
			c.began, c.ended = instant(number(v, ctaTimestampStart)), instant(number(v, ctaTimestampStop))
		case kind == ctaLabels && len(v) > 0:
			c.labels = v[0]
		case len(v) != 4:
		case kind == ctaStatus:
			c.status = binary.BigEndian.Uint32(v)
		case kind == ctaMark:
			all := binary.BigEndian.Uint32(v)
			c.mark, c.notes = Mark(all&^notes), all&notes
		case kind == ctaID:
			c.id = binary.BigEndian.Uint32(v)
		}
	})
}

// number is the 64-bit value of one attribute among those of b; 0 without it.
func number(b []byte, wanted uint16) (n uint64) {
	attributes(b, func(kind uint16, v []byte) {
		if kind == wanted && len(v) == 8 {
			n = binary.BigEndian.Uint64(v)
		}
	})
	return n
}

func instant(ns uint64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns))
}

func (c *connection) parseState(b []byte) {
	attributes(b, func(kind uint16, v []byte) {
		if kind != ctaProtoInfoTCP {
			return
		}
		attributes(v, func(kind uint16, v []byte) {
			if kind == ctaTCPState && len(v) == 1 {
				c.state = v[0]
			}
		})
	})
}

func (t *tuple) parse(b []byte) {
	attributes(b, func(kind uint16, v []byte) {
		switch kind {
		case ctaTupleIP:
			attributes(v, func(kind uint16, v []byte) {
				switch kind {
				case ctaIPv4Source, ctaIPv6Source:
					t.source, _ = netip.AddrFromSlice(v)
				case ctaIPv4Destination, ctaIPv6Destination:
					t.destination, _ = netip.AddrFromSlice(v)
				}
			})
		case ctaTupleProto:
			attributes(v, func(kind uint16, v []byte) {
				switch {
				case kind == ctaProtoNumber && len(v) == 1:
					t.protocol = v[0]
				case kind == ctaSourcePort && len(v) == 2:
					t.sourcePort = binary.BigEndian.Uint16(v)
				case kind == ctaDestination && len(v) == 2:
					t.destinationPort = binary.BigEndian.Uint16(v)
				}
			})
		}
	})
}
