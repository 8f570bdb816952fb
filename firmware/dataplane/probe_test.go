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
)

// probe connects from the box's own address with the mark of probes, and lets
// the kernel finish the handshake if it can.
func (s *site) probe(to netip.AddrPort) net.Conn {
	s.t.Helper()
	var conn net.Conn
	s.must(s.box.Do(func() error {
		d := net.Dialer{Timeout: 2 * time.Second, LocalAddr: &net.TCPAddr{IP: boxAddr.AsSlice()},
			Control: func(_, _ string, c syscall.RawConn) error {
				return c.Control(func(fd uintptr) {
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(ProbeMark))
				})
			}}
		var err error
		conn, err = d.DialContext(context.Background(), "tcp", to.String())
		return err
	}))
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

// copied is a packet that the probe log showed.
type copied struct {
	left     bool // the box
	from, to netip.Addr
	protocol byte
	flags    byte // of TCP
}

// TestProbeLogHasWhatIsOfProbesAndNothingOfPrinters: port 5022 is probed and passed.
func TestProbeLogHasWhatIsOfProbesAndNothingOfPrinters(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		g := group(1)
		g.Masked = masked
		s.serve(g)
		s.echo(5022)
		var log *ProbeLog
		s.must(s.box.Do(func() (err error) {
			log, err = NewProbeLog()
			return err
		}))
		ctx, stop := context.WithCancel(context.Background())
		t.Cleanup(func() {
			stop()
			s.must(log.Close())
		})
		packets := make(chan copied, 1000)
		s.must(log.Follow(ctx, func(at time.Time, head []byte) {
			c := copied{left: at.IsZero(), from: netip.AddrFrom4([4]byte(head[12:16])), to: netip.AddrFrom4([4]byte(head[16:20])), protocol: head[9]}
			if c.protocol == unix.IPPROTO_TCP {
				c.flags = head[33] & tcpFlags
			}
			packets <- c
		}, func(err error) { t.Error(err) }))
		node := nodeAddr(1)
		await := func(what string, want copied) {
			t.Helper()
			late := time.After(10 * time.Second)
			for {
				select {
				case c := <-packets:
					if c == want {
						return
					}
					if c.from != boxAddr && c.to != boxAddr {
						t.Errorf("masked %v: a packet of no probe was copied: %+v", masked, c)
					}
				case <-late:
					t.Fatalf("masked %v: no copy of %s", masked, what)
				}
			}
		}
		whole := func() {
			t.Helper()
			conn := s.probe(netip.AddrPortFrom(node, 5022))
			await("the SYN", copied{true, boxAddr, node, unix.IPPROTO_TCP, tcpSYN})
			await("the SYN-ACK", copied{false, node, boxAddr, unix.IPPROTO_TCP, tcpSYN | tcpACK})
			s.must(conn.(*net.TCPConn).SetLinger(0))
			s.must(conn.Close())
			await("the RST", copied{true, boxAddr, node, unix.IPPROTO_TCP, tcpRST | tcpACK})
		}
		whole()
		for i := range 5 {
			s.must(s.visit(printer(i), 5022).exchange())
		}
		whole()
		_, err := s.nodes[0].Output("nft", "table ip fw { chain in { type filter hook input priority 0; tcp dport 5022 reject with icmp type admin-prohibited; }; }")
		s.must(err)
		s.must(s.box.Do(func() error {
			_, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: boxAddr.AsSlice()}}).Dial("tcp", netip.AddrPortFrom(node, 5022).String())
			if err == nil {
				t.Error("the node does not refuse")
			}
			return nil
		}))
		await("the ICMP error", copied{false, node, boxAddr, unix.IPPROTO_ICMP, 0})
	}
}
