package dataplane

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// counter counts as the brain does: by ID, so that nothing counts twice.
type counter struct {
	mu      sync.Mutex
	open    map[uint64]Event
	opened  map[uint64]bool
	resyncs int
	// ever are those that began, whether or not they are open.
	ever []Event
	// unserved are the events of connections that no node answered, by port.
	unserved map[uint16][]Event
	// bound are the events of clients of whose connections no more was told, and
	// unconfirmed those of connections whose clients never confirmed an answer.
	bound, unconfirmed []Event
}

func (c *counter) handle(b Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.Resync {
		c.resyncs++
		clear(c.open)
	}
	for _, e := range b.Events {
		switch _, counted := c.open[e.ID]; {
		case e.Kind == Closed:
			delete(c.open, e.ID)
		case e.Kind == Opened && !counted:
			c.open[e.ID], c.opened[e.ID], c.ever = e, true, append(c.ever, e)
		case e.Kind == Bound:
			c.bound = append(c.bound, e)
		}
		if e.Kind == Closed && e.Replied && !e.Established {
			c.unconfirmed = append(c.unconfirmed, e)
		}
		if e.Unserved() {
			c.unserved[e.Port] = append(c.unserved[e.Port], e)
		}
	}
}

func (c *counter) counts() (open, opened, resyncs int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), len(c.opened), c.resyncs
}

// told are the connections to a port that were told of.
func (c *counter) told(port uint16) (told []Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.ever {
		if e.Port == port {
			told = append(told, e)
		}
	}
	return told
}

func (c *counter) boundNow() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.bound)
}

// openAt is how many connections to a port are counted open.
func (c *counter) openAt(port uint16) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.open {
		if e.Port == port {
			n++
		}
	}
	return n
}

func (s *site) track(buffer int) *counter {
	s.t.Helper()
	var tracker *Tracker
	s.must(s.box.Do(func() error {
		var err error
		tracker, err = NewTracker(buffer)
		return err
	}))
	c := &counter{open: map[uint64]Event{}, opened: map[uint64]bool{}, unserved: map[uint16][]Event{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tracker.Run(ctx, c.handle) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
		tracker.Close()
	})
	if !within(2*time.Second, func() bool { _, _, r := c.counts(); return r > 0 }) {
		s.t.Fatal("the tracker did not begin with a resync")
	}
	return c
}

func (c *counter) settles(t *testing.T, open int) {
	t.Helper()
	if !within(3*time.Second, func() bool { n, _, _ := c.counts(); return n == open }) {
		n, _, _ := c.counts()
		t.Errorf("%d connections are counted open, want %d", n, open)
	}
}

func TestConnectionsAreCountedExactlyUnderChurn(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(3))
	early := s.visit(printer(299), 5011) // before anybody listens
	c := s.track(0)
	c.settles(t, 1)
	for i := range 5 {
		s.visit(printer(i), 5011)
	}
	s.each(600, func(i int) error {
		v, err := s.dial(printer(i%200), vip, 5011)
		if err != nil {
			return err
		}
		if i%2 == 0 {
			v.Conn.(*net.TCPConn).SetLinger(0)
		}
		return v.Close()
	})
	c.settles(t, 6)
	if _, opened, resyncs := c.counts(); opened != 606 || resyncs != 1 {
		t.Errorf("%d connections were seen with %d resyncs, want 606 with 1", opened, resyncs)
	}
	early.Close()
	c.settles(t, 5)
	c.mu.Lock()
	for _, e := range c.open {
		if e.VirtualAddress != vip || e.Mark == 0 || e.Related {
			t.Errorf("event %+v", e)
		}
	}
	c.mu.Unlock()
}

func TestOverrunIsFollowedByAResyncWithTheTruth(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(3))
	c := s.track(4096)
	for i := range 3 {
		s.visit(printer(i), 5011)
	}
	s.each(400, func(i int) error {
		v, err := s.dial(printer(i%200), vip, 5011)
		if err != nil {
			return err
		}
		return v.Close()
	})
	c.settles(t, 3)
	if _, _, resyncs := c.counts(); resyncs < 2 {
		t.Error("a buffer of 4 KiB was not overrun")
	}
}

func TestEventsGatherLongerWhereAFewComeAndGoOn(t *testing.T) {
	for _, test := range []struct {
		name   string
		events int
		in     time.Duration
		want   time.Duration
	}{
		{"after a pause", 0, interval, interval},
		{"after a longer one", 0, seldom, interval},
		{"one", 1, interval, seldom},
		{"nearly many", 39, interval, seldom},
		{"many", 40, interval, interval},
		{"one in the longer time", 1, seldom, seldom},
		{"nearly many in the longer time", 199, seldom, seldom},
		{"many in the longer time", 200, seldom, interval},
	} {
		if got := gather(test.events, test.in); got != test.want {
			t.Errorf("%s: after %d events in %v the next gather for %v, want %v", test.name, test.events, test.in, got, test.want)
		}
	}
}
