package dataplane

import (
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// almostOver leaves a client 5 minutes of its window.
func (s *site) almostOver(client netip.Addr, node Mark) {
	s.t.Helper()
	s.must(s.table.Bind([]Binding{{vip, client, node, 5 * time.Minute}}))
}

func (s *site) left(client netip.Addr) time.Duration {
	s.t.Helper()
	b, _ := s.binding(client)
	return b.Left
}

// within waits for something that packets on their way will bring about.
func within(limit time.Duration, is func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		if is() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func TestWindowCountsFromTheLastClose(t *testing.T) {
	closes := map[string]func(s *site, v *visit){
		"the client's FIN": func(s *site, v *visit) { v.Close() },
		"the client's RST": func(s *site, v *visit) { v.Conn.(*net.TCPConn).SetLinger(0); v.Close() },
	}
	for what, end := range closes {
		for _, masked := range []bool{true, false} {
			s := newSite(t)
			s.echo(5011)
			g := group(2)
			g.Masked = masked
			s.serve(g)
			v := s.visit(printer(0), 5011)
			s.almostOver(printer(0), v.node)
			s.must(v.exchange())
			if left := s.left(printer(0)); left > 5*time.Minute {
				t.Errorf("data alone made the window %s", left)
			}
			end(s, v)
			if !within(2*time.Second, func() bool { return s.left(printer(0)) > 29*time.Minute }) {
				t.Errorf("masked %v: after %s %s are left of the window", masked, what, s.left(printer(0)))
			}
		}
	}
}

// Whoever closes first: the window starts when the other has, too.
func TestTheWindowStartsAnewWhenBothEndsAreDone(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		g := group(1)
		g.Masked = masked
		s.serve(g)
		l, err := s.nodes[0].Listen(netip.AddrPortFrom(nodeAddr(1), 5011))
		s.must(err)
		accepted := make(chan net.Conn, 1)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				conn.Write([]byte("1 0.0.0.0\n"))
				accepted <- conn
			}
		}()
		v := s.visit(printer(0), 5011)
		s.almostOver(printer(0), 1)
		(<-accepted).Close()
		if _, err := io.ReadAll(v); err != nil {
			t.Errorf("masked %v: the node's end: %v", masked, err)
		}
		if left := s.left(printer(0)); left > 5*time.Minute {
			t.Errorf("masked %v: the node's end alone made the window %s", masked, left)
		}
		s.must(v.Close())
		if !within(2*time.Second, func() bool { return s.left(printer(0)) > 29*time.Minute }) {
			t.Errorf("masked %v: %s are left of the window", masked, s.left(printer(0)))
		}
		l.Close()
	}
}

func TestForgottenOrMovedClientIsNotBoundBackByTheFINOfItsOldConnection(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(2))
	forgotten, moved := s.visit(printer(0), 5011), s.visit(printer(1), 5011)
	b, _ := s.binding(printer(0))
	s.must(s.table.Forget([]Binding{b, {VirtualAddress: vip, Client: printer(99)}}))
	other := 3 - moved.node
	s.must(s.table.Bind([]Binding{{vip, printer(1), other, 5 * time.Minute}}))
	for _, v := range []*visit{forgotten, moved} {
		s.must(v.exchange())
		v.Conn.(*net.TCPConn).CloseWrite()
		v.ended(2 * time.Second) // the echo server's FIN: both have passed the box
	}
	if b, ok := s.binding(printer(0)); ok {
		t.Errorf("the forgotten client is bound: %+v", b)
	}
	if b, _ := s.binding(printer(1)); b.Mark != other || b.Left > 5*time.Minute {
		t.Errorf("the moved client's binding is %+v, want node %d and its 5 minutes", b, other)
	}
}

func TestRefreshStartsTheWindowAnewOnlyWhereTheBindingStillHolds(t *testing.T) {
	s := newSite(t)
	s.serve(group(3))
	at := func(i int, m Mark) Binding { return Binding{vip, printer(i), m, 5 * time.Minute} }
	s.must(s.table.Bind([]Binding{at(0, 1), at(1, 2), at(2, 3)}))
	s.must(s.table.Change([]Mark{1, 2}, nil))
	renewed, err := s.table.Refresh([]Binding{at(0, 1), at(1, 1), at(2, 3), at(3, 1)})
	s.must(err)
	if len(renewed) != 1 || renewed[0].Client != printer(0) {
		t.Errorf("renewed %+v", renewed)
	}
	if left := s.left(printer(0)); left < 29*time.Minute {
		t.Errorf("refreshed, and %s are left", left)
	}
	if b, _ := s.binding(printer(1)); b.Mark != 2 || b.Left > 5*time.Minute {
		t.Errorf("a client that moved meanwhile: %+v", b)
	}
	if left := s.left(printer(2)); left > 5*time.Minute {
		t.Errorf("a client of a node that is not up: %s are left", left)
	}
	if b, ok := s.binding(printer(3)); ok {
		t.Errorf("a binding that had ended was brought back: %+v", b)
	}
}

func TestChangeOfTheAffinityLosesNoBinding(t *testing.T) {
	s := newSite(t)
	s.serve(group(2))
	s.must(s.table.Bind([]Binding{{vip, printer(0), 1, 30 * time.Minute}, {vip, printer(1), 2, time.Minute}}))
	for _, step := range []struct{ affinity, first, second time.Duration }{
		{2 * time.Hour, 120 * time.Minute, 91 * time.Minute},
		{40 * time.Minute, 40 * time.Minute, 40 * time.Minute},
	} {
		g := group(2)
		g.Affinity = step.affinity
		s.must(s.table.Apply(Layout{Groups: []Group{g}}))
		for i, want := range []time.Duration{step.first, step.second} {
			if left := s.left(printer(i)); left > want || left < want-10*time.Second {
				t.Errorf("affinity %s: client %d has %s left, want %s", step.affinity, i, left, want)
			}
		}
	}
}

func TestANodeThatLeavesTheLayoutTakesItsBindingsAlong(t *testing.T) {
	s := newSite(t)
	s.serve(group(2))
	s.must(s.table.Bind([]Binding{{vip, printer(0), 1, time.Hour}, {vip, printer(1), 2, time.Hour}}))
	s.must(s.table.Apply(Layout{Groups: []Group{group(1)}}))
	if b, ok := s.binding(printer(1)); ok {
		t.Errorf("bound to a node that is gone: %+v", b)
	}
	if _, ok := s.binding(printer(0)); !ok {
		t.Error("the other node's binding is gone too")
	}
	a, err := s.table.Adopt()
	s.must(err)
	if len(a.Nodes) != 1 || len(a.Up) != 1 || len(a.Plans[vip]) != 1 {
		t.Errorf("node 2 is still in nodes, up or the plan: %+v", a)
	}
	g := group(1)
	g.Nodes[0].Address = nodeAddr(3)
	if s.table.Apply(Layout{Groups: []Group{g}}) == nil {
		t.Error("mark 1 became another machine, with its bindings")
	}
}

// An MFD that has said all that it has to say, and waits for the answer, holds its
// connection as long as any other.
func TestHalfClosedConnectionIsNotForgottenWithinTheWindow(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	l, err := s.nodes[0].Listen(netip.AddrPortFrom(nodeAddr(1), 5011))
	s.must(err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			io.WriteString(conn, "1 0.0.0.0\n")
			t.Cleanup(func() { conn.Close() }) // it says nothing more
		}
	}()
	v := s.visit(printer(0), 5011)
	s.must(v.Conn.(*net.TCPConn).CloseWrite())
	var out string
	if !within(3*time.Second, func() bool {
		out, err = s.box.Output("conntrack", "-L", "-p", "tcp", "-s", printer(0).String())
		s.must(err)
		_, entry, _ := strings.Cut(out, "tcp ")
		fields := strings.Fields(entry)
		if len(fields) < 3 || fields[2] != "CLOSE_WAIT" && fields[2] != "FIN_WAIT" {
			return false
		}
		left, err := strconv.Atoi(fields[1])
		return err == nil && left >= int((30*time.Minute).Seconds())
	}) {
		t.Errorf("half closed, with a window of 30 minutes:\n%s", out)
	}
}
