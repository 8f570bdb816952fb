package acceptance

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/site"
)

// G31, on the real image: from the side of the MFDs and from the office.
func (b *boxed) opensOnlyTheListedPorts() {
	passed := mfd.Ports()
	slices.Sort(passed)
	printer := b.MFDs[0]
	for _, side := range []struct {
		what     string
		space    *netns.Namespace
		from, to netip.Addr
		open     []uint16
	}{
		{"the virtual address, from an MFD", printer.Namespace, printer.Address, site.VIP, passed},
		{"the box's own address, from an MFD", printer.Namespace, printer.Address, site.BoxAddress, nil},
		{"the management address, from the office", b.image.Office, site.OfficeAddress, site.ManagementAddress, []uint16{80, 443}},
	} {
		start := time.Now()
		accept, silent, err := side.space.Scan(side.from, side.to)
		b.must(err)
		b.Logf("%s: %d open, %d silent, %.1f s", side.what, len(accept), len(silent), time.Since(start).Seconds())
		slices.Sort(accept)
		if !slices.Equal(accept, side.open) {
			b.Errorf("%s: open are %v, want %v", side.what, accept, side.open)
		}
		if len(silent) > 0 {
			b.Errorf("%s: %d ports are silent, %d among them", side.what, len(silent), silent[0])
		}
		b.refusesUDP(side.what, side.space, side.to)
	}
	b.managementIsOutOfReach()
}

func (b *boxed) refusesUDP(what string, space *netns.Namespace, to netip.Addr) {
	b.Helper()
	for _, port := range []uint16{53, 67, 68, 69, 123, 161, 514, 5011, 5353} {
		var conn *net.UDPConn
		b.must(space.Do(func() (err error) {
			conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port)))
			return err
		}))
		b.must(conn.SetDeadline(time.Now().Add(2 * time.Second)))
		_, err := conn.Write([]byte("?"))
		b.must(err)
		answer := make([]byte, 1500)
		n, err := conn.Read(answer)
		conn.Close()
		switch {
		case err == nil:
			b.Errorf("%s: UDP port %d answers %q", what, port, answer[:n])
		case !errors.Is(err, syscall.ECONNREFUSED):
			// The kernel sends so many refusals a second and no more.
			b.Logf("%s: UDP port %d: %v", what, port, err)
		}
	}
}

// managementIsOutOfReach tries the web UI from an MFD that knows the way.
func (b *boxed) managementIsOutOfReach() {
	b.Helper()
	printer := b.MFDs[0]
	b.must(printer.Namespace.Route(netip.PrefixFrom(site.ManagementAddress, 32), site.BoxAddress))
	for _, port := range []uint16{443, 80, 22, 5011} {
		c, err := printer.Namespace.Dial(b.ctx, printer.Address, netip.AddrPortFrom(site.ManagementAddress, port))
		if err == nil {
			c.Close()
			b.Errorf("an MFD reaches port %d of the management address", port)
		}
	}
}
