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
