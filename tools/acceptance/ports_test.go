package acceptance

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// E20: every port that the requirement lists reaches the bound node.
func TestEveryPassedPortReachesTheBoundNode(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 3})
	for _, m := range p.MFDs {
		first := p.visit(m, 5011)
		for _, port := range mfd.Ports() {
			if c := p.visit(m, port); c.Node != first.Node || c.Port != port {
				t.Errorf("port %d of %s answers for port %d; the MFD is bound to %s", c.Port, c.Node, port, first.Node)
			}
		}
	}
}

// E20 and G31: a scan of all ports from the side of the MFDs finds the passed
// ports of the virtual address and none of the box's own; all others refuse.
func TestPortScanFindsOnlyThePassedPorts(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1})
	printer := p.MFDs[0]
	want := mfd.Ports()
	slices.Sort(want)
	for address, want := range map[netip.Addr][]uint16{site.VIP: want, site.BoxAddress: nil} {
		accept, silent, err := printer.Namespace.Scan(printer.Address, address)
		p.must(err)
		if !slices.Equal(accept, want) {
			t.Errorf("%s accepts on %v, want %v", address, accept, want)
		}
		if len(silent) > 0 {
			t.Errorf("%s: %d ports are silent, %d among them", address, len(silent), silent[0])
		}
	}
	var conn *net.UDPConn
	p.must(printer.Namespace.Do(func() (err error) {
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(site.VIP, 5011)))
		return err
	}))
	defer conn.Close()
	p.must(conn.SetDeadline(time.Now().Add(within)))
	_, err := conn.Write([]byte("?"))
	p.must(err)
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("UDP to the virtual address: %v, want refused", err)
	}
}
