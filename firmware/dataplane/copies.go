package dataplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/florianl/go-nflog/v2"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// copies reads the copies of packets that rules make. The packets themselves go their
// way in the kernel, and wait for nobody.
type copies struct{ log *nflog.Nflog }

// openCopies opens a netlink group in the network namespace of the calling thread, for
// copies of so many bytes.
func openCopies(group uint16, length uint32) (copies, error) {
	log, err := nflog.Open(&nflog.Config{Group: group, Copymode: nflog.CopyPacket, Bufsize: length, QThresh: 1})
	if err != nil {
		return copies{}, fmt.Errorf("open packet log: %w", err)
	}
	return copies{log}, nil
}

// Close closes it.
func (c copies) Close() error { return c.log.Close() }

// follow has handle called with what is copied from now on, in order, until ctx ends or
// the kernel refuses, which failed is told. at is when the kernel took the packet in, and
// zero for one that leaves: the kernel does not stamp those. head is valid until handle
// returns. An error means that the kernel refuses at once, as when another program reads
// the same group.
func (c copies) follow(ctx context.Context, handle func(at time.Time, head []byte), failed func(error)) error {
	err := c.log.RegisterWithErrorFunc(ctx,
		func(a nflog.Attribute) int {
			var at time.Time
			if a.Timestamp != nil {
				at = *a.Timestamp
			}
			if a.Payload != nil {
				handle(at, *a.Payload)
			}
			return 0
		},
		func(err error) int {
			if ctx.Err() != nil {
				return 1
			}
			if errors.Is(err, unix.ENOBUFS) {
				return 0 // more than could be read
			}
			failed(fmt.Errorf("read packet log: %w", err))
			return 1
		})
	if err != nil {
		return fmt.Errorf("follow packet log: %w", err)
	}
	return nil
}

// copyTo copies so much of a packet to a group, of at most so many packets a second.
func copyTo(group uint16, length uint32, perSecond uint64) rule {
	return sum(&expr.Limit{Type: expr.LimitTypePkts, Rate: perSecond, Unit: expr.LimitTimeSecond, Burst: uint32(perSecond)},
		&expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_SNAPLEN, Group: group, Snaplen: length})
}
