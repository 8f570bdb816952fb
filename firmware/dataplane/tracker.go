package dataplane

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// EventKind is what happened to a connection.
type EventKind uint8

const (
	// Opened is the first packet of a connection. It may be told twice, once by
	// a dump and once by an event. On a busy box it is told only of what lasts: see
	// toldPerSecond.
	Opened EventKind = iota + 1
	// Bound is the first packet of a connection that binds its client, or moves it, on a
	// box that is too busy to tell more: it is not told that it Opened, unless it lasts.
	Bound
	// Closed is a connection after both FINs or a RST, or one that was deleted
	// or timed out. It is told more than once (at the close and when the kernel
	// forgets the connection), and also of connections that were not Opened.
	Closed
	// Unanswered is a client that has repeated its first packet because the node
	// is silent, or that was told by ICMP that it is not let in. It is told once a
	// connection.
	Unanswered
)

// Event is a connection of a group that opened or closed.
type Event struct {
	Kind                   EventKind
	ID                     uint64
	VirtualAddress, Client netip.Addr
	Mark                   Mark
	// Port is the one that the client asked for.
	Port uint16
	// SeenAs is the address under which the node sees the client.
	SeenAs netip.Addr
	// Related is a data connection of the FTP helper.
	Related bool
	// Replied tells whether the node ever answered, other than with a refusal.
	// False in a Closed event: the node refused, was silent, or its way back does
	// not lead through the box.
	Replied bool
	// Established tells whether the client ever confirmed the answer: it is no address
	// that somebody made up.
	Established bool
	// Refused is of a Closed event: the node answered the first packet with a RST.
	// A client that takes its own first packet back by a RST looks the same.
	Refused bool
	// Unsaid is of an Opened event: the connection began some seconds ago, which was not
	// told. Its client was told of before, or Bound by it.
	Unsaid bool
	// Ended is what is known of a connection once the kernel forgets it, some
	// seconds after it closed; nil in every other event.
	Ended *Connection
}

// Unserved tells of a connection that its node refused or has not answered.
func (e Event) Unserved() bool { return (e.Kind == Closed || e.Kind == Unanswered) && !e.Replied }

// Batch is what happened in some milliseconds.
type Batch struct {
	// Events in order. The slice is used again after handle returns.
	Events []Event
	// Resync says: forget what you counted, Events are all open connections. It
	// comes first, and whenever the kernel had more events than it could keep.
	Resync bool
	// Busy says that the kernel may not have told all: see toldPerSecond.
	Busy bool
}

// Tracker reads connection events.
type Tracker struct {
	events *conntrack
	dumps  *conntrack
	// wake ends a wait for events.
	wake  int
	looks looks
	sight sight
}

// Events gather before they are read. Nobody waits at the socket meanwhile, the Go
// runtime's poller neither: to wake somebody for each event costs 30 us of CPU a
// connection.
const (
	// interval is how long after a pause, and where many come.
	interval = 10 * time.Millisecond
	// seldom is how long where a few come and go on coming. To wake whoever reads costs
	// as much then as what is read: 4 % of a processor, a hundred times a second.
	seldom = 50 * time.Millisecond
	// manyEvents came if there are so many for each millisecond.
	manyEvents = 4
)

// gather tells how long the next events gather after so many have come in that time.
func gather(events int, in time.Duration) time.Duration {
	if events == 0 || events >= manyEvents*int(in.Milliseconds()) {
		return interval
	}
	return seldom
}

// eventBuffer holds about 20,000 events that the reader has not come to yet.
const eventBuffer = 16 << 20

// NewTracker opens the tracker in the network namespace of the calling thread.
// receiveBuffer is in bytes; 0 means 16 MiB.
func NewTracker(receiveBuffer int) (*Tracker, error) {
	if receiveBuffer == 0 {
		receiveBuffer = eventBuffer
	}
	events, err := openConntrack(eventsNew | eventsUpdate | eventsDestroy)
	if err != nil {
		return nil, err
	}
	// Beyond net.core.rmem_max only with CAP_NET_ADMIN of the whole machine; in
	// a user namespace the smaller buffer means more resyncs, nothing worse.
	if unix.SetsockoptInt(events.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		err = unix.SetsockoptInt(events.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err == nil {
		err = unix.SetNonblock(events.fd, true)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare event socket: %w", err), events.close())
	}
	dumps, err := openConntrack(0)
	if err != nil {
		return nil, errors.Join(err, events.close())
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare to wait for events: %w", err), events.close(), dumps.close())
	}
	return &Tracker{events: events, dumps: dumps, wake: wake}, nil
}

// Close closes the tracker.
func (t *Tracker) Close() error {
	return errors.Join(t.events.close(), t.dumps.close(), unix.Close(t.wake))
}

// Run calls handle with batches, first with a resync, until ctx ends (then it
// returns nil) or the kernel refuses (then it returns why).
func (t *Tracker) Run(ctx context.Context, handle func(Batch)) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, _ = unix.Write(t.wake, binary.NativeEndian.AppendUint64(nil, 1)) // it can only be awake already
	})
	defer func() {
		if !stop() {
			<-woken
		}
	}()
	var err error
	events := make([]Event, 0, 1024)
	gathering := interval
	for overrun := true; ; {
		if overrun {
			if events, err = t.resync(events[:0]); err != nil {
				return fmt.Errorf("read all connections: %w", err)
			}
			handle(Batch{Events: events, Resync: true, Busy: t.looks.busy()})
		} else if len(events) > 0 {
			handle(Batch{Events: events, Busy: t.looks.busy()})
		}
		// Wait for the first event, let others gather, then read them all. While there
		// are some nobody is asked whether more have come: it costs more than to look.
		if len(events) == 0 {
			if err := t.wait(t.looks.patience(time.Now())); err != nil {
				return fmt.Errorf("wait for connection events: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(gathering):
		}
		events, overrun, err = t.drain(events[:0])
		if err != nil {
			return fmt.Errorf("read connection events: %w", err)
		}
		gathering = gather(len(events), gathering)
		if t.looks.due(time.Now(), begun(events)) {
			if err := t.look(); err != nil {
				return fmt.Errorf("look for connections that last: %w", err)
			}
		}
	}
}

// wait returns when the socket has something to read, an error included, when wake
// was written to, or after the longest time, unless that is negative.
func (t *Tracker) wait(longest time.Duration) error {
	ms := -1
	if longest >= 0 {
		ms = int(longest.Milliseconds()) + 1
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(t.events.fd), Events: unix.POLLIN}, {Fd: int32(t.wake), Events: unix.POLLIN}}, ms)
		if err != unix.EINTR {
			return err
		}
	}
}

// mostMessages are read at once: whoever opens connections faster than they can be
// read must neither fill the memory nor keep what is read from being handled. The
// rest waits in the socket, or overruns it.
const mostMessages = 1 << 12

// drain reads until the socket is empty. After an overrun what is left in it
// is older than the dump that follows, and is thrown away.
func (t *Tracker) drain(events []Event) (_ []Event, overrun bool, _ error) {
	for done := 0; overrun || done < mostMessages; done++ {
		n, err := read(t.events.fd, t.events.buffer)
		switch err {
		case nil:
		case unix.EAGAIN:
			return events, overrun, nil
		case unix.ENOBUFS:
			overrun = true
			continue
		default:
			return events, overrun, err
		}
		if !overrun {
			events = appendEvents(events, t.events.buffer[:n])
		}
	}
	return events, overrun, nil
}

func appendEvents(events []Event, datagram []byte) []Event {
	messages(datagram, func(kind, flags uint16, body []byte) {
		if len(body) < 4 {
			return
		}
		var c connection
		c.parse(body[4:])
		if !c.ours() {
			return
		}
		switch {
		case kind == ctSubsystem|ctDelete:
			ev := c.event(Closed)
			if c.carried() {
				ended := c.describe()
				ev.Ended = &ended
			}
			events = append(events, ev)
		case c.over():
			events = append(events, c.event(Closed))
		case flags&unix.NLM_F_CREATE != 0 && c.notes&unsaid != 0 && c.status&statusExpected == 0:
			events = append(events, c.event(Bound))
		case flags&unix.NLM_F_CREATE != 0:
			events = append(events, c.event(Opened))
		case c.complained():
			events = append(events, c.event(Unanswered))
		case c.labels&labelSaid != 0:
			ev := c.event(Opened)
			ev.Unsaid = true
			events = append(events, ev)
		}
	})
	return events
}

func (t *Tracker) resync(events []Event) ([]Event, error) {
	t.looks = newLooks(time.Now())
	err := t.dumps.dump(filter{}, func(c *connection) {
		if c.ours() && !c.over() && c.notes&unsaid == 0 {
			events = append(events, c.event(Opened))
		}
	})
	return events, err
}

func (c *connection) event(kind EventKind) Event {
	return Event{
		Kind: kind, ID: c.key(),
		VirtualAddress: c.original.destination, Port: c.original.destinationPort, Client: c.original.source, Mark: c.mark, SeenAs: c.reply.destination,
		Related: c.status&statusExpected != 0, Replied: c.answered(), Established: c.status&statusAssured != 0, Refused: kind == Closed && c.refused(),
	}
}
