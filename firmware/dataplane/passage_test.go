package dataplane

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"spoolgate/tools/lab/netns"
)

// TestTheBoxIsNoRouterBesideItsGroups: printers do not reach a node, nor whatever
// else is on the other side, through a box of masked groups; behind a transparent
// group nodes have the box as their gateway, in both directions.
func TestTheBoxIsNoRouterBesideItsGroups(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		s.echo(5011, 8080)
		g := group(2) // node 3 is a machine of nobody's group
		g.Masked = masked
		s.serve(g)
		inbox, err := s.printers.Listen(netip.AddrPortFrom(printer(0), 9100))
		s.must(err)
		defer inbox.Close()
		for _, way := range []struct {
			from *netns.Namespace
			as   netip.Addr
			to   netip.AddrPort
			open bool
		}{
			{s.printers, printer(0), netip.AddrPortFrom(nodeAddr(1), 8080), !masked},
			{s.nodes[0], nodeAddr(1), netip.AddrPortFrom(printer(0), 9100), !masked},
			{s.printers, printer(0), netip.AddrPortFrom(nodeAddr(3), 8080), false},
			{s.nodes[2], nodeAddr(3), netip.AddrPortFrom(printer(0), 9100), false},
		} {
			conn, err := way.from.Dial(t.Context(), way.as, way.to)
			if err == nil {
				conn.Close()
			}
			if way.open && err != nil || !way.open && !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("masked %v, %s to %s: %v", masked, way.as, way.to, err)
			}
		}
		s.must(s.visit(printer(0), 5011).exchange())
	}
}
