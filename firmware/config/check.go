package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// checkPorts finds what is wrong between the ports of one group. A probed port
// may be a passed one too: 5022 is both in the requirement.
func checkPorts(s *section, g Group, limits Limits) {
	total := g.PassivePorts.Count()
	for i, r := range g.Ports {
		total += r.Count()
		if i > 0 && g.Ports[i-1].Last >= r.First {
			s.add(s.key("ports"), fmt.Sprintf("%s and %s share a port", g.Ports[i-1], r), "a port is passed once", "Remove the port from one of the two")
		}
		if p := g.PassivePorts; !p.IsZero() && p.First <= r.Last && r.First <= p.Last {
			s.add(s.key("passive_ports"), fmt.Sprintf("%s shares a port with %s in ports", p, r), "a port is passed once",
				"Choose a passive range outside ports, here and on the FTP server")
		}
	}
	if len(g.Ports) == 0 {
		s.add(s.key("ports"), "no port is passed", `the requirement lists 5011 through to 5025, 5610 and 21 as "required to be passed to a specific node"`,
			"Remove the line to get these, or name the ports")
	}
	if total > limits.MaxPortCount {
		s.add(s.key("ports"), fmt.Sprintf("%d ports are passed", total), fmt.Sprintf("one group passes at most %d, because everything else of the virtual address is refused for safety", limits.MaxPortCount),
			"Name fewer ports")
	}
	for _, p := range g.FTPPorts {
		if !portIn(g.Ports, p) {
			s.add(s.key("ftp_ports"), fmt.Sprintf("port %d is not in ports", p), "an FTP control channel that is not passed carries nothing",
				fmt.Sprintf("Add %d to ports, or write ftp_ports = [] when this group has no FTP", p))
		}
	}
}

func portIn(ranges []PortRange, p uint16) bool {
	for _, r := range ranges {
		if r.Contains(p) {
			return true
		}
	}
	return false
}

// checkWhole finds what is wrong between the parts of a configuration: every
// address and every name has one meaning.
func checkWhole(r *report, c Config, limits Limits) {
	if n := len(c.Groups); n == 0 {
		r.add("group", "there is no group", reqUnit, "Add a [[group]] with a virtual_address and its nodes")
	} else if n > limits.MaxGroups {
		r.add("group", fmt.Sprintf("%d groups are more than %d", n, limits.MaxGroups), "", "Use a second box for the others")
	}
	owners := map[netip.Addr]string{}
	claim := func(key string, a netip.Addr, what string) {
		if !a.IsValid() {
			return
		}
		if owner, taken := owners[a]; taken {
			r.add(key, fmt.Sprintf("%s is %s already", a, owner), "every address belongs to one machine and has one meaning", "Give one of the two another address")
			return
		}
		owners[a] = what
	}
	for n, p := range c.Service.Addresses {
		claim(element("service.addresses", n+1), p.Addr(), "the service interface's own address")
	}
	for n, p := range c.Management.Addresses {
		claim(element("management.addresses", n+1), p.Addr(), "the management interface's own address")
	}
	checkDNSNames(r, c)
	checkNetworks(r, c)
	checkGateways(r, c)
	groupNames := map[string]bool{}
	for i, g := range c.Groups {
		path := element("group", i+1)
		if key := strings.ToLower(g.Name); groupNames[key] {
			r.add(join(path, "name"), fmt.Sprintf("another group is named %q too", g.Name), "a name must tell groups apart", "Choose another name")
		} else {
			groupNames[key] = true
		}
		if g.VirtualAddress.Is6() {
			r.add(join(path, "virtual_address"), fmt.Sprintf("%s is an IPv6 address", g.VirtualAddress), "this release balances IPv4",
				"Give the group an IPv4 address; MFDs that know a name get it from DNS")
		}
		checkHost(r, join(path, "virtual_address"), g.VirtualAddress, c.Service.Addresses)
		claim(join(path, "virtual_address"), g.VirtualAddress, fmt.Sprintf("the virtual address of group %q", g.Name))
	}
	for i, g := range c.Groups {
		path := element("group", i+1)
		for k, n := range g.Nodes {
			checkHost(r, join(element(join(path, "node"), k+1), "address"), n.Address, c.Service.Addresses)
		}
		checkNodes(r, g, path, claim, limits)
	}
}

func checkNodes(r *report, g Group, path string, claim func(key string, a netip.Addr, what string), limits Limits) {
	if n := len(g.Nodes); n == 0 {
		r.add(join(path, "node"), "the group has no node", "", `Add node = [{ address = "192.0.2.11" }, { address = "192.0.2.12" }]`)
	} else if n > limits.MaxNodes {
		r.add(join(path, "node"), fmt.Sprintf("%d nodes are more than %d", n, limits.MaxNodes), "", "Split the group")
	}
	names := map[string]bool{}
	for i, n := range g.Nodes {
		key := element(join(path, "node"), i+1)
		if lower := strings.ToLower(n.Name); names[lower] {
			r.add(join(key, "name"), fmt.Sprintf("another node of the group is named %q too", n.Name), "a name must tell nodes apart", "Choose another name")
		} else {
			names[lower] = true
		}
		claim(join(key, "address"), n.Address, fmt.Sprintf("node %s of group %q", n.Name, g.Name))
		if a, v := n.Address, g.VirtualAddress; a.IsValid() && v.IsValid() && a.Is4() != v.Is4() {
			r.add(join(key, "address"), fmt.Sprintf("%s and the virtual address %s are of two families", a, v), "IPv4 and IPv6 are not translated into each other",
				"Use addresses of one family in a group")
		}
	}
}
