package dataplane

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"spoolgate/firmware/config"
	"spoolgate/tools/lab/netns"
)

// site is a print site in namespaces: printers on one arm of the box, three
// nodes on the other.
//
//	printers 198.18.1.x ---- box 198.18.0.1, VIPs .10 and .11; 198.19.0.1 ---- nodes 198.19.0.11 to .13
type site struct {
	t        testing.TB
	printers *netns.Namespace
	box      *netns.Namespace
	nodes    []*netns.Namespace
	table    *Table
}

var (
	vip      = netip.MustParseAddr("198.18.0.10")
	otherVIP = netip.MustParseAddr("198.18.0.11")
	boxAddr  = netip.MustParseAddr("198.19.0.1")
)

func nodeAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, 0, byte(10 + i)}) } // 1, 2, 3
func printer(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(1 + i/250), byte(1 + i%250)})
}

var servicePorts = func() (ports []uint16) {
	for p := uint16(5011); p <= 5025; p++ {
		ports = append(ports, p)
	}
	return append(ports, 5610, 21)
}()

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t}
	make := func() *netns.Namespace {
		n, err := netns.New()
		s.must(err)
		t.Cleanup(func() { n.Close() })
		return n
	}
	sw := make()
	s.printers, s.box = make(), make()
	s.must(netns.Pair(s.box, "printers", s.printers, "eth0"))
	s.must(s.box.Address("printers", netip.MustParsePrefix("198.18.0.1/16"), netip.PrefixFrom(vip, 32), netip.PrefixFrom(otherVIP, 32)))
	for i := range 300 {
		s.must(s.printers.Address("eth0", netip.PrefixFrom(printer(i), 16)))
	}
	anywhere := netip.MustParsePrefix("0.0.0.0/0")
	s.must(s.printers.Route(anywhere, netip.MustParseAddr("198.18.0.1")))
	var ports []string
	for i := 1; i <= 3; i++ {
		n := make()
		ports = append(ports, fmt.Sprintf("node%d", i))
		s.must(netns.Pair(sw, ports[i-1], n, "eth0"))
		s.must(n.Address("eth0", netip.PrefixFrom(nodeAddr(i), 24)))
		s.nodes = append(s.nodes, n)
	}
	s.must(netns.Pair(sw, "box", s.box, "nodes"))
	s.must(sw.Bridge("switch", append(ports, "box")...))
	s.must(s.box.Address("nodes", netip.PrefixFrom(boxAddr, 24)))
	for _, n := range s.nodes {
		s.must(n.Route(anywhere, boxAddr))
	}
	s.open()
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open opens the table as a starting balancerd does.
func (s *site) open() {
	s.t.Helper()
	s.must(s.box.Do(func() error {
		var err error
		s.table, err = Open()
		return err
	}))
	table := s.table
	s.t.Cleanup(func() { table.Close() })
}

// group is the customer's group: all ports, the first n nodes.
func group(n int) Group {
	g := Group{
		VirtualAddress: vip, Masked: true, Affinity: 30 * time.Minute,
		Ports:    []config.PortRange{{First: 5011, Last: 5025}, {First: 5610, Last: 5610}, {First: 21, Last: 21}},
		FTPPorts: []uint16{21}, CheckPorts: []uint16{5555, 5022},
	}
	for i := 1; i <= n; i++ {
		g.Nodes = append(g.Nodes, Node{Mark(i), nodeAddr(i)})
	}
	return g
}

// serve applies groups, with all nodes up and dealt to in turn.
func (s *site) serve(groups ...Group) {
	s.t.Helper()
	s.must(s.table.Apply(Layout{Groups: groups}))
	var up []Mark
	plans := map[netip.Addr][]Mark{}
	for _, g := range groups {
		for _, n := range g.Nodes {
			up = append(up, n.Mark)
			plans[g.VirtualAddress] = append(plans[g.VirtualAddress], n.Mark)
		}
	}
	s.must(s.table.Change(up, plans))
	var all []Refusal
	for _, m := range up {
		for _, p := range servicePorts {
			all = append(all, Refusal{m, p})
		}
	}
	s.must(s.table.Believe(all))
}

// deal sets the plan of the group; those who are up stay it.
func (s *site) deal(plan ...Mark) {
	s.t.Helper()
	kernel, err := s.table.Adopt()
	s.must(err)
	s.must(s.table.Change(kernel.Up, map[netip.Addr][]Mark{vip: plan}))
}

// echo starts servers on all nodes: each connection is greeted with the number
// of the node and the address that the node sees, then echoed.
func (s *site) echo(ports ...uint16) {
	s.t.Helper()
	for i, n := range s.nodes {
		for _, p := range ports {
			l, err := n.Listen(netip.AddrPortFrom(nodeAddr(i+1), p))
			s.must(err)
			s.t.Cleanup(func() { l.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
						fmt.Fprintf(conn, "%d %s\n", i+1, remote.Unmap())
						io.Copy(conn, conn)
					}()
				}
			}()
		}
	}
}
