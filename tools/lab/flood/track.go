package flood

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/netns"
)

// Of linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h and
// nf_conntrack_tcp.h; x/sys/unix lacks them.
const (
	ctNew, ctDelete = unix.NFNL_SUBSYS_CTNETLINK << 8, unix.NFNL_SUBSYS_CTNETLINK<<8 | 2

	ctaTupleOriginal, ctaTupleReply, ctaStatus, ctaProtoInfo, ctaTimeout = 1, 2, 3, 4, 7

	ctaTupleIP, ctaTupleProto                = 1, 2
	ctaSource, ctaDestination                = 1, 2
	ctaNumber, ctaFromPort, ctaToPort        = 1, 2, 3
	ctaProtoInfoTCP, ctaTCPState             = 1, 1
	seenReply, assured, confirmed     uint32 = 1 << 1, 1 << 2, 1 << 3
	tcpEstablished                           = 3
)

// Track has the kernel of a namespace track n established connections of machines far
// away, for ten minutes, or as many as it takes. Unless lasting it ends them when it
// has no room for others; those that are there already are made to last.
func Track(in *netns.Namespace, n int, lasting bool) error {
	return onConntrack(in, func(c *netlink.Conn) error {
		const batch = 64
		for i := 0; i < n; i += batch {
			var messages []netlink.Message
			for k := i; k < min(i+batch, n); k++ {
				data, err := entry(k, lasting)
				if err != nil {
					return err
				}
				messages = append(messages, request(ctNew, netlink.Create, data))
			}
			// An answer comes only to what is refused, and does not matter: the table is
			// full then.
			if _, err := c.SendMessages(messages); err != nil {
				return fmt.Errorf("track connections: %w", err)
			}
		}
		return nil
	})
}

// Forget has the kernel of a namespace forget all connections.
func Forget(in *netns.Namespace) error {
	return onConntrack(in, func(c *netlink.Conn) error {
		if _, err := c.Execute(request(ctDelete, netlink.Acknowledge, nil)); err != nil {
			return fmt.Errorf("forget connections: %w", err)
		}
		return nil
	})
}

func onConntrack(in *netns.Namespace, do func(*netlink.Conn) error) error {
	return in.Do(func() error {
		c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return fmt.Errorf("open conntrack: %w", err)
		}
		return errors.Join(do(c), c.Close())
	})
}

func request(kind int, flags netlink.HeaderFlags, data []byte) netlink.Message {
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags},
		Data: append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, data...)}
}

func entry(i int, lasting bool) ([]byte, error) {
	from, to := binary.BigEndian.AppendUint32(nil, 10<<24|uint32(i)), []byte{11, 0, 0, 1}
	status := seenReply | confirmed
	if lasting {
		status |= assured
	}
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.Nested(ctaTupleOriginal, tuple(from, to))
	e.Nested(ctaTupleReply, tuple(to, from))
	e.Uint32(ctaStatus, status)
	e.Uint32(ctaTimeout, 600)
	e.Nested(ctaProtoInfo, func(e *netlink.AttributeEncoder) error {
		e.Nested(ctaProtoInfoTCP, func(e *netlink.AttributeEncoder) error {
			e.Uint8(ctaTCPState, tcpEstablished)
			return nil
		})
		return nil
	})
	return e.Encode()
}

func tuple(from, to []byte) func(*netlink.AttributeEncoder) error {
	return func(e *netlink.AttributeEncoder) error {
		e.Nested(ctaTupleIP, func(e *netlink.AttributeEncoder) error {
			e.Bytes(ctaSource, from)
			e.Bytes(ctaDestination, to)
			return nil
		})
		e.Nested(ctaTupleProto, func(e *netlink.AttributeEncoder) error {
			e.Uint8(ctaNumber, unix.IPPROTO_TCP)
			e.Bytes(ctaFromPort, []byte{0, 1})
			e.Bytes(ctaToPort, []byte{0, 1})
			return nil
		})
		return nil
	}
}
