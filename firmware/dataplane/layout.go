package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/config"
)

// Mark is a node in packet and conntrack marks. Nodes use 1 to MaxMark.
type Mark uint32

const (
	// MaxMark is the highest mark of a node.
	MaxMark Mark = 0xffff
	// ProbeMark is the SO_MARK of probe sockets: their bare ACKs are dropped, so
	// that no probe ever completes a handshake.
	ProbeMark Mark = 0x10000
	// PokeMark is the SO_MARK of the bogus ACKs of Cut.
	PokeMark Mark = 0x10001
)

// Layout is what the kernel is to do; Table.Apply makes it so.
type Layout struct {
	Groups []Group
	// Newcomers is how many unknown clients are let in a second, all groups together;
	// 20,000 at once. 0 is all of them.
	Newcomers int
}

// Group is a virtual address and what the kernel does for it.
type Group struct {
	VirtualAddress netip.Addr
	// Masked shows every connection to the nodes under the virtual address.
	Masked bool
	// Affinity is the window, counted from the end of a client's last connection: both
	// FINs, or a RST.
	Affinity time.Duration
	// Ports are passed, FTPPorts included.
	Ports []config.PortRange
	// FTPPorts get the kernel's FTP helper.
	FTPPorts []uint16
	// PassivePorts follow the binding like Ports (FTP over TLS); zero is none.
	PassivePorts config.PortRange
	Nodes        []Node
	// CheckPorts are probed half-open from the box's own address. They may be
	// passed ports as well: only the box's own packets are treated as probes.
	CheckPorts []uint16
}

// Node is a server of a group. A mark stands for one address of one group as long as
// it is in the table: a binding must never come to mean another machine.
type Node struct {
	Mark    Mark
	Address netip.Addr
}

// Binding says that a client belongs to a node.
type Binding struct {
	VirtualAddress, Client netip.Addr
	Mark                   Mark
	// Left of the window.
	Left time.Duration
}

// plain reduces IPv4-mapped IPv6 addresses, so that equal addresses compare
// equal wherever they came from.
func (l Layout) plain() Layout {
	groups := make([]Group, len(l.Groups))
	for i, g := range l.Groups {
		g.VirtualAddress = g.VirtualAddress.Unmap()
		nodes := make([]Node, len(g.Nodes))
		for j, n := range g.Nodes {
			nodes[j] = Node{n.Mark, n.Address.Unmap()}
		}
		g.Nodes = nodes
		groups[i] = g
	}
	l.Groups = groups
	return l
}

func (l Layout) check() error {
	vips := map[netip.Addr]bool{}
	group := map[Mark]netip.Addr{}
	for _, g := range l.Groups {
		switch {
		case !g.VirtualAddress.Is4():
			return fmt.Errorf("group %s: the virtual address must be an IPv4 address", g.VirtualAddress)
		case vips[g.VirtualAddress]:
			return fmt.Errorf("group %s: the virtual address is there twice", g.VirtualAddress)
		case g.Affinity < time.Second:
			return fmt.Errorf("group %s: affinity %s is below a second", g.VirtualAddress, g.Affinity)
		case len(g.Ports) == 0:
			return fmt.Errorf("group %s: no ports", g.VirtualAddress)
		}
		vips[g.VirtualAddress] = true
		for _, n := range g.Nodes {
			if n.Mark == 0 || n.Mark > MaxMark {
				return fmt.Errorf("node %s: mark %d is not within 1 to %d", n.Address, n.Mark, MaxMark)
			}
			if !n.Address.Is4() {
				return fmt.Errorf("node %s: not an IPv4 address", n.Address)
			}
			if other, taken := group[n.Mark]; taken {
				return fmt.Errorf("mark %d of node %s is taken by one of group %s", n.Mark, n.Address, other)
			}
			group[n.Mark] = g.VirtualAddress
		}
	}
	return nil
}

// has reports whether a binding is of a group of the layout, and of a node of it.
func (l Layout) has(b Binding) bool {
	return slices.ContainsFunc(l.Groups, func(g Group) bool {
		return g.VirtualAddress == b.VirtualAddress && slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.Mark == b.Mark })
	})
}

func (l Layout) affinity(vip netip.Addr) time.Duration {
	for _, g := range l.Groups {
		if g.VirtualAddress == vip {
			return g.Affinity
		}
	}
	return 0
}

// ftpPorts are those of all groups that carry an FTP control channel.
func (l Layout) ftpPorts() []uint16 {
	var ports []uint16
	for _, g := range l.Groups {
		ports = append(ports, g.FTPPorts...)
	}
	return distinct(ports)
}

func distinct(ports []uint16) []uint16 { return slices.Compact(slices.Sorted(slices.Values(ports))) }

func (l Layout) nodes() map[Mark]netip.Addr {
	nodes := map[Mark]netip.Addr{}
	for _, g := range l.Groups {
		for _, n := range g.Nodes {
			nodes[n.Mark] = n.Address
		}
	}
	return nodes
}
