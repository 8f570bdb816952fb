package dataplane

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func TestClientStaysOnItsNodeAcrossAllPorts(t *testing.T) {
	s := newSite(t)
	s.echo(servicePorts...)
	s.serve(group(3))
	for i := range 6 {
		first := s.visit(printer(i), 5011)
		for _, p := range servicePorts {
			v := s.visit(printer(i), p)
			if v.node != first.node {
				t.Errorf("%s: port 5011 on node %d, port %d on node %d", printer(i), first.node, p, v.node)
			}
			if v.as != vip {
				t.Errorf("masked, and the node saw %s", v.as)
			}
		}
		b, ok := s.binding(printer(i))
		if !ok || b.Mark != first.node || b.Left < 29*time.Minute || b.Left > 30*time.Minute {
			t.Errorf("binding of %s is %+v, it is on node %d", printer(i), b, first.node)
		}
	}
}

func TestTransparentNodesSeeTheClientItself(t *testing.T) {
	s := newSite(t)
	s.echo(servicePorts...)
	g := group(3)
	g.Masked = false
	s.serve(g)
	for _, p := range servicePorts {
		if v := s.visit(printer(0), p); v.as != printer(0) {
			t.Errorf("port %d: the node saw %s", p, v.as)
		}
	}
}

func TestNodeThatTalksToItsOwnGroupIsMasked(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	g := group(3)
	g.Masked = false
	s.serve(g)
	for i := 1; i <= 3; i++ {
		v, err := s.dialFrom(s.nodes[i-1], nodeAddr(i), vip, 5011)
		if err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		v.Close()
		if v.as != vip {
			t.Errorf("node %d came to node %d as %s", i, v.node, v.as)
		}
	}
}

func TestNewClientsAreDealtInTheOrderOfThePlan(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(3))
	plan := []Mark{3, 1, 1, 2}
	s.deal(plan...)
	next := 0
	for i := range 8 {
		switch i {
		case 3: // a layout applied again keeps the plan and its place
			s.must(s.table.Apply(Layout{Groups: []Group{group(3)}}))
		case 5: // a plan given again begins anew
			s.deal(plan...)
			next = 0
		}
		if v := s.visit(printer(i), 5011); v.node != plan[next%4] {
			t.Errorf("client %d is on node %d, the plan says %d", i, v.node, plan[next%4])
		}
		next++
	}
}

func TestNobodyToDealToIsRefusedAtOnce(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(2))
	bound := s.visit(printer(0), 5011)
	s.deal()
	start := time.Now()
	if _, err := s.dial(printer(1), vip, 5011); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("new client: %v, want refused", err)
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("refused after %s", took)
	}
	if _, ok := s.binding(printer(1)); ok {
		t.Error("the refused client is bound")
	}
	if v := s.visit(printer(0), 5012); v.node != bound.node {
		t.Errorf("the bound client went from node %d to %d", bound.node, v.node)
	}
}

func TestClientsOfANodeThatLeftMoveOnceAndStay(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(2))
	for i := range 20 {
		s.visit(printer(i), 5011).Close()
	}
	s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
	for i := range 20 {
		if v := s.visit(printer(i), 5012); v.node != 2 {
			t.Errorf("client %d is still on node %d", i, v.node)
		}
	}
	s.must(s.table.Change([]Mark{1, 2}, map[netip.Addr][]Mark{vip: {1}}))
	for i := range 20 {
		if v := s.visit(printer(i), 5011); v.node != 2 {
			t.Errorf("client %d moved back to node %d", i, v.node)
		}
	}
}

func TestOtherPortsOfTheVirtualAddressAreRefused(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5555)
	s.serve(group(2))
	l, err := s.box.Listen(netip.MustParseAddrPort("0.0.0.0:8080"))
	s.must(err)
	defer l.Close()
	for _, p := range []uint16{1, 20, 22, 80, 5010, 5026, 5555, 8080, 65535} {
		if _, err := s.dial(printer(0), vip, p); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("port %d: %v, want refused", p, err)
		}
	}
	if err := s.ping(printer(0), vip); err != nil {
		t.Errorf("ping: %v", err)
	}
	conn := s.udp(printer(0), netip.AddrPortFrom(vip, 53))
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := conn.Write([]byte("?")); err == nil {
		_, err = conn.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("UDP: %v, want ICMP port unreachable", err)
		}
	}
}

// TestClientsOfANodeThatIsNotKnownYetWaitForIt is a box that has just started: the
// first nodes answer before others do, and nobody may lose a binding by that.
// A service has died, and the box is finding it out: who calls meanwhile notices nothing
// but that it takes a while, and whose connection the node resets is told at once.
func TestClientsThatANodeRefusesWaitUntilItIsBelievedOrGivenUp(t *testing.T) {
	s := newSite(t)
	listen := func(node int, port uint16) net.Listener {
		l, err := s.nodes[node-1].Listen(netip.AddrPortFrom(nodeAddr(node), port))
		s.must(err)
		t.Cleanup(func() { l.Close() })
		return l
	}
	standing := listen(1, 5011)
	listen(2, 5012)
	s.serve(group(2))
	s.must(s.table.Bind([]Binding{{vip, printer(0), 1, time.Hour}}))
	dial := func(port uint16) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return s.printers.Dial(ctx, printer(0), netip.AddrPortFrom(vip, port))
	}
	conn, err := dial(5011)
	s.must(err)
	accepted, err := standing.Accept()
	s.must(err)
	if _, err := dial(5012); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v, want refused", err)
	}
	s.must(s.table.Believe([]Refusal{{1, 5011}, {2, 5012}})) // not of this node, not at this port
	landed := make(chan error)
	go func() {
		_, err := dial(5012)
		landed <- err
	}()
	if !within(2*time.Second, func() bool {
		out, err := s.printers.Output("ss", "-Htn", "state", "syn-sent")
		s.must(err)
		return out != ""
	}) {
		t.Error("the client that the node refuses does not wait")
	}
	s.must(accepted.(*net.TCPConn).SetLinger(0))
	s.must(accepted.Close())
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the standing connection ends with %v, want a reset", err)
	}
	s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
	if err := <-landed; err != nil {
		t.Errorf("once the node is given up: %v", err)
	}
}

func TestClientsOfANodeThatIsNotKnownYetWaitForIt(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(2))
	s.must(s.table.Change(nil, nil))
	s.must(s.table.Wait([]Mark{1}))
	s.must(s.table.Bind([]Binding{{vip, printer(0), 1, time.Hour}, {vip, printer(1), 2, time.Hour}}))
	s.deal()
	if _, err := s.dial(printer(1), vip, 5011); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody serves: %v, want refused", err)
	}
	if b, ok := s.binding(printer(1)); !ok || b.Mark != 2 {
		t.Errorf("refused because nobody serves, and the binding is %+v", b)
	}
	s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
	landed := make(chan *visit)
	go func() {
		v, err := s.dial(printer(0), vip, 5011)
		if err != nil {
			t.Error(err)
		}
		landed <- v
	}()
	if !within(2*time.Second, func() bool {
		out, err := s.printers.Output("ss", "-Htn", "state", "syn-sent")
		s.must(err)
		return out != ""
	}) {
		t.Error("the client of the node that is not known does not wait")
	}
	s.must(s.table.Change([]Mark{1, 2}, map[netip.Addr][]Mark{vip: {2}}))
	s.must(s.table.Wait(nil))
	if v := <-landed; v != nil && v.node != 1 {
		t.Errorf("the client was bound to node 1 and is on node %d", v.node)
	}
}
