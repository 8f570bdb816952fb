// Package config is the one configuration of a box: its types, their defaults
// and limits, and the TOML file that holds them.
//
// Parse is pure: it turns the bytes of a file into a Config or into every
// problem of it at once. The smallest useful file is
//
//	[[group]]
//	virtual_address = "192.0.2.10"
//	node = [{ address = "192.0.2.11" }, { address = "192.0.2.12" }]
//
// and everything else defaults to the requirement.
package config

import (
	"net/netip"
	"slices"
	"time"
)

// Config is a whole, valid configuration: every default is filled in.
type Config struct {
	Hostname   string
	Service    Interface // towards MFDs and nodes
	Management Interface // towards people: web UI, reports
	Naming     Naming
	// Newcomers is how many MFDs without a binding are let in a second, by all groups
	// together; 20,000 at once.
	Newcomers int
	Groups    []Group
	Report    Report // who is told of what happens
	// Plain are the keys of passwords that are not encrypted: a person wrote the
	// file by hand.
	Plain []string
}

// Interface is how one network interface of the box gets its address.
type Interface struct {
	// Disabled leaves the interface down. Only the management interface can be
	// disabled: the box is then reached over the serial console alone.
	Disabled bool
	// Addresses are static. Empty means DHCP.
	Addresses []netip.Prefix
	// Gateway is the default router of a static interface; invalid means none.
	Gateway netip.Addr
	// DNS are the resolvers used beside those that DHCP brings.
	DNS []netip.Addr
	// VLAN is the 802.1Q tag, 1 to 4094; 0 means untagged.
	VLAN int
}

// DHCP reports whether the interface asks a DHCP server for its address.
func (i Interface) DHCP() bool { return !i.Disabled && len(i.Addresses) == 0 }

// Mode is how the nodes see MFDs. A group is one or the other, never a
// mixture: the requirement wants one source address for a whole session.
type Mode string

const (
	// Masked shows every connection to the nodes under the virtual address.
	Masked Mode = "masked"
	// Transparent shows the MFD's own address; the nodes' way back must lead
	// through the box.
	Transparent Mode = "transparent"
)

// Group is one Spooler Controller Group: a virtual address and its nodes.
type Group struct {
	Name           string
	VirtualAddress netip.Addr
	// DNSName is the name that MFDs know the group by (requirement: "virtual IP
	// address or FQDN"). The box answers for it and for its reverse; empty: it
	// does not.
	DNSName string
	Mode    Mode
	// Affinity is how long an MFD stays bound to its node after its last
	// connection closed. At least 30 minutes (requirement, Affinity).
	Affinity time.Duration
	// Ports are passed to the bound node, all to the same one.
	Ports []PortRange
	// FTPPorts are those of Ports that carry an FTP control channel; the data
	// connections that they announce follow them.
	FTPPorts []uint16
	// PassivePorts is the nodes' passive range for FTP over TLS, where no
	// helper can read the announcement; zero means none.
	PassivePorts PortRange
	Checks       Checks
	Services     Services
	Limits       ClientLimits
	Nodes        []Node
}

// SeenAs is the address under which the group's nodes see a client: one for all its
// ports (requirement: "must appear under a single source IP address"). A node that
// calls by the virtual address can't be sent its own packets.
func (g *Group) SeenAs(client netip.Addr) netip.Addr {
	if g.Mode == Transparent && !slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.Address == client }) {
		return client
	}
	return g.VirtualAddress
}

// PortRange is a range of TCP ports, First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Contains reports whether p is in the range.
func (r PortRange) Contains(p uint16) bool { return !r.IsZero() && r.First <= p && p <= r.Last }

// IsZero reports whether the range is absent.
func (r PortRange) IsZero() bool { return r == PortRange{} }

// Checks is how the health of a group's nodes is found out.
type Checks struct {
	// Ports are probed half-open (SYN, SYN-ACK, RST).
	Ports []uint16
	// Interval is the time between two probes of a port.
	Interval time.Duration
	// Timeout is how long a probe waits for the SYN-ACK; it is below Interval
	// and leaves room for one repetition of the SYN.
	Timeout time.Duration
	// Misses is the number of consecutive failures that make a node Down.
	Misses int
	// UpDelay is the time from a node's first success to Up.
	UpDelay time.Duration
}

// Node is one server of a group.
type Node struct {
	Name    string
	Address netip.Addr
	// DNSName is the name that the node should have; it is only watched.
	DNSName string
	// Weight is the node's share: 2 gets twice the clients of 1. 1 to 100.
	Weight int
	// Services are the group's, but for what the node has different.
	Services Services
}
