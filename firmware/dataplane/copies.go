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
type copies struct {
	log   *nflog.Nflog
	group uint16
}

// roomForCopies is what the kernel may keep until it is read: some 1,000 packets, where a
// probe is three, and the first probes of all nodes leave within a moment.
const roomForCopies = 1 << 20

// openCopies opens a netlink group in the network namespace of the calling thread, for
// copies of so many bytes.
func openCopies(group uint16, length uint32) (copies, error) {
	log, err := nflog.Open(&nflog.Config{Group: group, Copymode: nflog.CopyPacket, Bufsize: length, QThresh: 1})
	if err != nil {
		return copies{}, fmt.Errorf("open packet log: %w", err)
	}
	if err := log.Con.SetReadBuffer(roomForCopies); err != nil {
		return copies{}, errors.Join(fmt.Errorf("make room for copies of packets: %w", err), log.Close())
	}
	return copies{log, group}, nil
}

// Close closes it.
func (c copies) Close() error { return c.log.Close() }

// run calls handle with what is copied, in order, until ctx ends (then it returns nil) or
// the kernel refuses, as when another program reads the same group (then it returns why).
// What is copied once it has called begun is not missed. at is when the kernel took the
// packet in; it is zero for one that leaves, and on kernels before 6.6 for all: those
// stamp none. head is valid until handle returns.
func (c copies) run(ctx context.Context, begun func(), handle func(at time.Time, head []byte)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
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
			cancel(fmt.Errorf("read packet log: %w", err))
			return 1
		})
	if err != nil {
		return fmt.Errorf("read log group %d, which one program of a network namespace can (the second number of its line in /proc/net/netfilter/nfnetlink_log is the process that does): %w", c.group, err)
	}
	begun()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// copyTo copies so much of a packet to a group.
func copyTo(group uint16, length uint32) expr.Any {
	return &expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_SNAPLEN, Group: group, Snaplen: length}
}
