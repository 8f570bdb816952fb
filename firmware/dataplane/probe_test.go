package dataplane

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/flood"
)

// call connects from the box's own address with the mark of probes, and lets
// the kernel finish the handshake if it can.
func (s *site) call(to netip.AddrPort) (conn net.Conn, err error) {
	s.t.Helper()
	s.must(s.box.Do(func() error {
		d := net.Dialer{Timeout: 2 * time.Second, LocalAddr: &net.TCPAddr{IP: boxAddr.AsSlice()},
			Control: func(_, _ string, c syscall.RawConn) error {
				return c.Control(func(fd uintptr) {
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(ProbeMark))
				})
			}}
		conn, err = d.DialContext(context.Background(), "tcp", to.String())
		return nil
	}))
	return conn, err
}

// probe is a call that is answered.
func (s *site) probe(to netip.AddrPort) net.Conn {
	s.t.Helper()
	conn, err := s.call(to)
	s.must(err)
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestAPortThatIsProbedAndPassedIsBoth is port 5022: a probe never becomes a
// connection that the node accepts and is not tracked; a printer's does and is.
func TestAPortThatIsProbedAndPassedIsBoth(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		g := group(1)
		g.Masked = masked
		s.serve(g)
		l, err := s.nodes[0].Listen(netip.AddrPortFrom(nodeAddr(1), 5022))
		s.must(err)
		s.probe(netip.AddrPortFrom(nodeAddr(1), 5022))
		l.SetDeadline(time.Now().Add(500 * time.Millisecond)) // the kernel delays the ACK 40 to 200 ms
		if conn, err := l.Accept(); err == nil {
			t.Errorf("masked %v: the node accepted the probe of %s", masked, conn.RemoteAddr())
		}
		out, err := s.box.Output("conntrack", "-L", "-p", "tcp")
		s.must(err)
		if strings.Contains(out, "dport=5022") {
			t.Errorf("masked %v: the probe is tracked: %s", masked, out)
		}
		l.Close()
		s.echo(5022)
		v := s.visit(printer(0), 5022)
		s.must(v.exchange())
		if want := map[bool]netip.Addr{true: vip, false: printer(0)}[masked]; v.as != want {
			t.Errorf("masked %v: the node saw %s", masked, v.as)
		}
		out, err = s.box.Output("conntrack", "-L", "-p", "tcp")
		s.must(err)
		if !strings.Contains(out, "ESTABLISHED") {
			t.Errorf("masked %v: the printer's connection is not tracked: %s", masked, out)
		}
	}
}

// copied is a packet of a probe.
type copied struct {
	from, to netip.Addr
	protocol byte
	flags    byte // of TCP
}

// following copies what is of probes until the end of the test.
func (s *site) following() <-chan copied {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	packets, begun, ended := make(chan copied, 1<<16), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.box.Do(func() error {
			return FollowProbes(ctx, func() { close(begun) }, func(_ time.Time, head []byte) {
				c := copied{from: netip.AddrFrom4([4]byte(head[12:16])), to: netip.AddrFrom4([4]byte(head[16:20])), protocol: head[9]}
				if c.protocol == unix.IPPROTO_TCP {
					c.flags = head[33] & tcpFlags
				}
				packets <- c
			})
		})
	}()
	s.t.Cleanup(func() {
		stop()
		s.must(<-ended)
	})
	select {
	case <-begun:
	case err := <-ended:
		ended <- err // for the end of the test
		s.t.Fatal(err)
	}
	return packets
}

func TestWhoTakesTheCopiesOfProbesIsSaid(t *testing.T) {
	s := newSite(t)
	s.following()
	err := s.box.Do(func() error { return FollowProbes(context.Background(), func() {}, func(time.Time, []byte) {}) })
	if err == nil || !strings.Contains(err.Error(), "log group 5611, which one program") {
		t.Errorf("while another program reads them: %v", err)
	}
}

// TestWhatIsOfProbesIsCopiedAndNothingOfPrinters: port 5022 is probed and passed.
func TestWhatIsOfProbesIsCopiedAndNothingOfPrinters(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		g := group(1)
		g.Masked = masked
		s.serve(g)
		s.echo(5022)
		packets, node := s.following(), nodeAddr(1)
		await := func(what string, want copied) {
			t.Helper()
			late := time.After(10 * time.Second)
			for {
				select {
				case c := <-packets:
					if c == want {
						return
					}
					t.Errorf("masked %v: instead of %s: %+v", masked, what, c)
				case <-late:
					t.Fatalf("masked %v: no copy of %s", masked, what)
				}
			}
		}
		whole := func() {
			t.Helper()
			conn := s.probe(netip.AddrPortFrom(node, 5022))
			await("the SYN", copied{boxAddr, node, unix.IPPROTO_TCP, tcpSYN})
			await("the SYN-ACK", copied{node, boxAddr, unix.IPPROTO_TCP, tcpSYN | tcpACK})
			s.must(conn.(*net.TCPConn).SetLinger(0))
			s.must(conn.Close())
			await("the RST", copied{boxAddr, node, unix.IPPROTO_TCP, tcpRST | tcpACK})
		}
		whole()
		for i := range 5 {
			s.must(s.visit(printer(i), 5022).exchange())
		}
		whole()
		_, err := s.nodes[0].Output("nft", "table ip fw { chain in { type filter hook input priority 0; tcp dport 5022 reject with icmp type admin-prohibited; }; }")
		s.must(err)
		if _, err := s.call(netip.AddrPortFrom(node, 5022)); err == nil {
			t.Error("the node does not refuse")
		}
		await("the SYN", copied{boxAddr, node, unix.IPPROTO_TCP, tcpSYN})
		await("the ICMP error", copied{node, boxAddr, unix.IPPROTO_ICMP, 0})
	}
}

// A firewall of the machine itself may drop what the box sends.
func TestProbeThatTheBoxItselfDropsHasNotLeft(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	s.echo(5022)
	packets := s.following()
	_, err := s.box.Output("nft", "table ip own { chain out { type filter hook output priority 0; tcp dport 5022 drop; }; }")
	s.must(err)
	if _, err := s.call(netip.AddrPortFrom(nodeAddr(1), 5022)); err == nil {
		t.Error("the box's own firewall lets probes pass")
	}
	_, err = s.box.Output("nft", "delete", "table", "ip", "own")
	s.must(err)
	s.probe(netip.AddrPortFrom(nodeAddr(1), 5022))
	<-packets
	if c := <-packets; c.flags != tcpSYN|tcpACK {
		t.Errorf("after the SYN that left came %+v", c)
	}
}

// Whoever sends to where a probe came from does not take the place of what others send.
func TestFloodOfAnswersHidesNoProbe(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	s.echo(5022)
	packets := s.following()
	target := s.probe(netip.AddrPortFrom(nodeAddr(1), 5022)).LocalAddr().(*net.TCPAddr).AddrPort()
	s.must(flood.Send(s.nodes[0], netip.PrefixFrom(nodeAddr(1), 32), 3*answersPerSecond, target))
	const probes = 20
	for range probes {
		s.must(s.probe(netip.AddrPortFrom(nodeAddr(1), 5022)).Close())
	}
	sent, came := 0, 0
	for late := time.After(10 * time.Second); sent < 1+probes; {
		select {
		case c := <-packets:
			switch {
			case c.from == boxAddr && c.flags == tcpSYN:
				sent++
			case c.to == boxAddr:
				came++
			}
		case <-late:
			t.Fatalf("%d of %d probes are in the record", sent, 1+probes)
		}
	}
	if came < answersPerSecond || came > 5*answersPerSecond/2 {
		t.Errorf("%d copies were made of a flood of %d", came, 3*answersPerSecond)
	}
}
