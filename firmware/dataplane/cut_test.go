package dataplane

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"spoolgate/tools/lab/flood"
)

// cutSite has three open connections to node 1 and one to node 2.
func cutSite(t *testing.T, masked bool) (*site, []*visit, *visit) {
	s := newSite(t)
	s.echo(5011, 5022)
	g := group(2)
	g.Masked = masked
	s.serve(g)
	s.must(s.table.Bind([]Binding{{vip, printer(0), 1, time.Hour}, {vip, printer(1), 1, time.Hour}, {vip, printer(2), 2, time.Hour}}))
	return s, []*visit{s.visit(printer(0), 5011), s.visit(printer(0), 5022), s.visit(printer(1), 5011)}, s.visit(printer(2), 5011)
}

func TestCutResetsIdleClientsAtOnce(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s, cut, other := cutSite(t, masked)
		s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
		start := time.Now()
		n, err := s.table.Cut(1)
		s.must(err)
		if n != len(cut) {
			t.Errorf("masked %v: cut %d connections, want %d", masked, n, len(cut))
		}
		for i, v := range cut {
			if err := v.ended(3 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("masked %v: idle connection %d ended by %v, want a reset", masked, i, err)
			}
		}
		t.Logf("masked %v: clients noticed after %s", masked, time.Since(start))
		if err := other.exchange(); err != nil {
			t.Errorf("masked %v: a connection of the other node: %v", masked, err)
		}
		if v := s.visit(printer(0), 5011); v.node != 2 {
			t.Errorf("masked %v: client came back to node %d", masked, v.node)
		}
	}
}

func TestCutResetsMoreThanItDeletesAtOnce(t *testing.T) {
	s, cut, other := cutSite(t, true)
	for range 2 * changesPerSend {
		cut = append(cut, s.visit(printer(0), 5011))
	}
	s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
	n, err := s.table.Cut(1)
	s.must(err)
	if n != len(cut) {
		t.Errorf("cut %d connections, want %d", n, len(cut))
	}
	for i, v := range cut {
		if err := v.ended(3 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("connection %d ended by %v, want a reset", i, err)
		}
	}
	s.must(other.exchange())
}

// A packet that the kernel does not let out keeps no client at the node: neither one that
// is connected nor one that still asks.
func TestCutForgetsTheNodeThoughItCannotPoke(t *testing.T) {
	s, open, _ := cutSite(t, true)
	_, err := s.nodes[0].Output("nft", "table ip fw { chain in { type filter hook input priority 0; tcp dport 5013 counter drop; }; }")
	s.must(err)
	s.must(flood.Send(s.printers, netip.PrefixFrom(printer(1), 32), 20, netip.AddrPortFrom(vip, 5013)))
	s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
	s.must(s.table.poker.close())
	n, err := s.table.Cut(1)
	if !errors.Is(err, syscall.EBADF) || n != len(open) {
		t.Errorf("cut %d connections, want %d; the error is %v", n, len(open), err)
	}
	s.must(s.table.conntrack.dump(ofNode(1), func(c *connection) {
		t.Errorf("%s at port %d is still bound to the node", c.original.source, c.original.destinationPort)
	}))
}

func TestCutResetsTheNodesEndToo(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		g := group(1)
		g.Masked = masked
		s.serve(g)
		l, err := s.nodes[0].Listen(netip.AddrPortFrom(nodeAddr(1), 5011))
		s.must(err)
		ended := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "1 0.0.0.0\n")
			conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
			ended <- err
		}()
		s.visit(printer(0), 5011)
		_, err = s.table.Cut(1)
		s.must(err)
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("masked %v: the node's end ended by %v, want a reset", masked, err)
		}
		l.Close()
	}
}

func TestClientThatSendsAfterItsNodeWasCutIsReset(t *testing.T) {
	s, cut, _ := cutSite(t, true)
	s.must(s.table.Change([]Mark{2}, nil))
	_, err := s.table.Cut(1)
	s.must(err)
	for _, v := range cut {
		if err := v.exchange(); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("an active client: %v, want a reset", err)
		}
	}
}

// What a node has not answered is no open connection, for those who look and for those
// who are told of a cut. The entry goes with the others: who repeats gets another node.
func TestUnansweredFirstPacketsAreNoOpenConnections(t *testing.T) {
	s, open, other := cutSite(t, true)
	_, err := s.nodes[0].Output("nft", "table ip fw { chain in { type filter hook input priority 0; tcp dport 5013 counter drop; }; }")
	s.must(err)
	s.must(flood.Send(s.printers, netip.PrefixFrom(printer(1), 32), 20, netip.AddrPortFrom(vip, 5013)))
	var found []Connection
	s.must(s.box.Do(func() error { return EachConnection(func(c Connection) { found = append(found, c) }) }))
	if len(found) != len(open)+1 {
		t.Errorf("%d connections are open, want %d: %+v", len(found), len(open)+1, found)
	}
	s.must(s.table.Change([]Mark{2}, map[netip.Addr][]Mark{vip: {2}}))
	if n, err := s.table.Cut(1); err != nil || n != len(open) {
		t.Errorf("cut %d connections (%v), want %d", n, err, len(open))
	}
	if v := s.visit(printer(1), 5011); v.node != 2 {
		t.Errorf("the client is on node %d", v.node)
	}
	s.must(other.exchange())
}
