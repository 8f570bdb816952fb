package dataplane

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/flood"
)

// strangers are addresses that no machine has: what is sent to them is lost behind
// the printers.
var strangers = netip.MustParsePrefix("198.19.128.0/17")

// admit serves the customer's group, and lets so many newcomers in a second.
func (s *site) admit(newcomers int) {
	s.t.Helper()
	s.must(s.box.Route(strangers, printer(0)))
	s.serve(group(3))
	s.must(s.table.Apply(Layout{Groups: []Group{group(3)}, Newcomers: newcomers}))
}

func (s *site) pressure() Pressure {
	s.t.Helper()
	p, err := s.table.Pressure()
	s.must(err)
	return p
}

// working has printers connect over and over, until stop, which fails if one of
// them was not served or was moved.
func (s *site) working(printers int) (stop func()) {
	s.t.Helper()
	ended, nodes, errs := make(chan struct{}), make([]Mark, printers), make([]error, printers)
	for i := range printers {
		nodes[i] = s.visit(printer(i), 5012).node
	}
	var all sync.WaitGroup
	for i := range printers {
		all.Go(func() {
			for errs[i] == nil {
				select {
				case <-ended:
					return
				case <-time.After(2 * time.Millisecond):
				}
				v, err := s.dial(printer(i), vip, 5012)
				if errs[i] = err; err == nil {
					v.Close()
					if v.node != nodes[i] {
						errs[i] = errors.New("it was moved")
					}
				}
			}
		})
	}
	return func() {
		s.t.Helper()
		close(ended)
		all.Wait()
		s.must(errors.Join(errs...))
	}
}

func TestLimitedClientIsRefusedAtOnceAndNobodyElse(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	greedy := s.visit(printer(20), 5011)
	stop := s.working(3)
	for range 2 { // the second time the limit goes on
		s.must(s.table.Limit([]Caller{{vip, printer(20)}}))
		if _, err := s.dial(printer(20), vip, 5011); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("a limited client meets %v", err)
		}
		s.must(greedy.exchange())
	}
	if p := s.pressure(); p.OverLimit != 2 {
		t.Errorf("%d first packets were refused, want 2", p.OverLimit)
	}
	s.must(s.table.Limit([]Caller{{vip, printer(21)}, {vip, printer(22)}}))
	if v := s.visit(printer(20), 5011); v.node != greedy.node {
		t.Errorf("it was on %d and is on %d", greedy.node, v.node)
	}
	s.must(s.table.Limit(nil))
	s.visit(printer(21), 5011)
	stop()
	if _, bound := s.binding(printer(20)); !bound {
		t.Error("the binding of the limited client is gone")
	}
}

func TestBurstThatNobodyFollowsUpKeepsOutNoMFD(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.admit(10)
	stop := s.working(5)
	began := time.Now()
	s.must(flood.Send(s.printers, strangers, 30000, netip.AddrPortFrom(vip, 5011)))
	sending := time.Since(began)
	// A new MFD is held back at first and let in when it asks again, the flood
	// going on.
	flooding := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 20 && err == nil; i++ {
			err = flood.Send(s.printers, netip.MustParsePrefix("198.19.192.0/18"), 500, netip.AddrPortFrom(vip, 5011))
			<-time.After(50 * time.Millisecond)
		}
		flooding <- err
	}()
	s.visit(printer(100), 5011)
	s.must(<-flooding)
	stop()
	bindings, err := s.table.Bindings()
	s.must(err)
	p := s.pressure()
	t.Logf("30,000 first packets in %v: %d bindings, %+v", sending, len(bindings), p)
	if most := newcomersAtOnce + askedAgainAtOnce + int(time.Since(began).Seconds()+1)*(10+askedAgainSeconds) + 10; len(bindings) > most {
		t.Errorf("%d are bound, want at most %d", len(bindings), most)
	}
	if p.HeldBack < 5000 || p.NoRoom > 0 || p.OverLimit > 0 || p.Dropped > 0 {
		t.Errorf("the kernel tells of %+v", p)
	}
}

// They hold source ports of the virtual address.
func TestConnectionsThatNobodyConfirmsAreSoonForgotten(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.admit(10)
	to := netip.AddrPortFrom(vip, 5011)
	s.must(flood.Send(s.printers, strangers, 100, to)) // the nodes answer
	s.must(s.nodes[0].Down("eth0"))
	s.deal(1)
	s.must(flood.Send(s.printers, netip.MustParsePrefix("198.19.192.0/24"), 100, to))
	const synSent, synReceived = 1, 2
	left := map[uint8]time.Duration{}
	if !within(3*time.Second, func() bool {
		s.must(s.box.Do(func() error {
			flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
			for _, f := range flows {
				if tcp, ok := f.ProtoInfo.(*netlink.ProtoInfoTCP); ok {
					left[tcp.State] = max(left[tcp.State], time.Duration(f.TimeOut)*time.Second)
				}
			}
			return err
		}))
		return left[synSent] > 0 && left[synReceived] > 0
	}) {
		t.Fatalf("the kernel tells of %v", left)
	}
	if left[synReceived] > halfOpenTimeout || left[synSent] > unansweredTimeout {
		t.Errorf("half-open ones stay for %v, unanswered ones for %v", left[synReceived], left[synSent])
	}
}

func TestFullMapRefusesNewcomersAndServesTheBound(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	stop := s.working(5)
	began := time.Now()
	var others []Binding
	for i := range MaxBindings {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) // in the map only
		others = append(others, Binding{VirtualAddress: vip, Client: a, Mark: 1, Left: time.Hour})
	}
	s.must(s.table.Bind(others))
	t.Logf("filled in %v", time.Since(began))
	s.must(s.table.Admit(false))
	if _, err := s.dial(printer(100), vip, 5011); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a client that is not to be bound meets %v", err)
	}
	stop()
	// Those who are bound keep their place when their node leaves.
	s.must(s.table.Change([]Mark{2, 3}, map[netip.Addr][]Mark{vip: {2, 3}}))
	s.working(5)()
	if p := s.pressure(); p.NoRoom != 1 {
		t.Errorf("the kernel tells of %+v", p)
	}
	s.must(s.table.Admit(true))
	s.visit(printer(100), 5011)
}

// The map is not to be filled; without a brain it can be.
func TestClientThatFindsNoPlaceIsRefusedAndNotSplit(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.table.sets.clients.Size = 1
	s.serve(group(3))
	s.visit(printer(0), 5011)
	if _, err := s.dial(printer(1), vip, 5011); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a client that can't be bound meets %v", err)
	}
	s.visit(printer(0), 5011)
	if p := s.pressure(); p.NoRoom != 1 {
		t.Errorf("the kernel tells of %+v", p)
	}
}

// fill has the kernel track as many connections as it can; lasting are those that it
// does not end for others.
func (s *site) fill(lasting bool) {
	s.t.Helper()
	const bounded = 1 << 20
	p := s.pressure()
	if p.MostConnections > bounded {
		s.t.Fatalf("net.netfilter.nf_conntrack_max is %d on this machine: set it to %d or less, to be filled in seconds", p.MostConnections, bounded)
	}
	s.must(flood.Track(s.box, p.MostConnections, lasting))
}

func TestFullConnectionTableGivesWayForNewConnectionsAndIsTold(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	held := s.visit(printer(0), 5011)
	began := time.Now()
	s.fill(false) // nobody has followed these up: they go first
	t.Logf("filled in %v", time.Since(began))
	s.working(3)()
	p := s.pressure()
	if p.Connections < p.MostConnections*9/10 {
		t.Errorf("the kernel tells of %+v", p)
	}
	s.fill(true)
	if p = s.pressure(); p.Connections < p.MostConnections-10 {
		t.Errorf("the kernel tells of %+v", p)
	}
	s.must(held.exchange())
	lost := make(chan error, 1)
	go func() {
		v, err := s.dial(printer(1), vip, 5011)
		if err == nil {
			v.Close()
		}
		lost <- err
	}()
	if !within(3*time.Second, func() bool { return s.pressure().Dropped > p.Dropped }) {
		t.Errorf("the kernel tells of %+v, before of %+v", s.pressure(), p)
	}
	s.must(held.exchange())
	s.must(flood.Forget(s.box))
	s.must(<-lost)
}
