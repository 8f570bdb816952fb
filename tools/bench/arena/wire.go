package arena

import (
	"net/netip"

	"spoolgate/tools/lab/netns"
)

// Packets is how large packets are on the cables.
type Packets string

const (
	// Large packets are of up to 64 KiB everywhere, as the kernel passes them when
	// network cards cut and join them.
	Large Packets = "large packets"
	// Small packets are of the MTU's size from end to end: nobody joins them.
	Small Packets = "MTU-size packets"
	// Joined packets come in the MTU's size and are joined by the box (GRO), as they
	// are by every network card's driver unless somebody has switched it off.
	Joined Packets = "MTU-size packets, GRO"
)

// wire joins clients, box and nodes.
func (a *Arena) wire() error {
	if err := netns.Pair(a.clients, "eth0", a.box, "clients"); err != nil {
		return err
	}
	nodes := a.wireTogether
	if a.Wiring != Together {
		nodes = a.wireApart
	}
	if err := nodes(); err != nil {
		return err
	}
	var virtual []netip.Prefix
	for i := range max(a.Groups, 1) {
		virtual = append(virtual, netip.PrefixFrom(Group(i), 32))
	}
	for _, err := range []error{
		a.clients.Address("eth0", netip.MustParsePrefix("198.18.0.1/24")),
		a.box.Address("clients", append(virtual, netip.MustParsePrefix("198.18.0.2/24"))...),
		a.clients.Route(everywhere, netip.MustParseAddr("198.18.0.2")),
	} {
		if err != nil {
			return err
		}
	}
	for _, clients := range []string{"198.18.128.0/17", "198.19.0.0/17"} {
		// Any address of these is the clients' own, without 65,536 entries.
		if _, err := a.clients.Output("ip", "route", "add", "local", clients, "dev", "lo"); err != nil {
			return err
		}
		if err := a.box.Route(netip.MustParsePrefix(clients), netip.MustParseAddr("198.18.0.1")); err != nil {
			return err
		}
	}
	if err := a.sizePackets(); err != nil {
		return err
	}
	return a.box.Sysctl("net/ipv4/ip_forward", "1")
}

var everywhere = netip.MustParsePrefix("0.0.0.0/0")

// wireTogether joins the machine that is all nodes to the box.
func (a *Arena) wireTogether() error {
	if err := netns.Pair(a.box, nodeLink, a.nodes, machineLink); err != nil {
		return err
	}
	var nodes []netip.Prefix
	for i := range a.Nodes {
		nodes = append(nodes, netip.PrefixFrom(Node(i), 24))
	}
	for _, err := range []error{
		a.box.Address(nodeLink, netip.PrefixFrom(gateway, 24)),
		a.nodes.Address(machineLink, nodes...),
		a.nodes.Route(everywhere, gateway),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// sizePackets has the cables carry what is asked for.
func (a *Arena) sizePackets() error {
	if a.Packets == Large {
		return nil
	}
	box := "off"
	if a.Packets == Joined {
		box = "on"
	}
	for _, at := range []struct {
		space      *netns.Namespace
		link       string
		cut, joins string
	}{
		{a.clients, "eth0", "off", box}, {a.nodes, "eth0", "off", box},
		{a.box, "clients", box, box}, {a.box, "nodes", box, box},
	} {
		if _, err := at.space.Output("ethtool", "-K", at.link, "tso", at.cut, "gso", at.cut, "gro", at.joins); err != nil {
			return err
		}
	}
	return nil
}
