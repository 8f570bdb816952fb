package guest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/vm"
)

// addresses of the service NIC's two networks.
type addresses struct{ boxAtClients, boxAtNodes, gateway, clients, everything netip.Prefix }

func plan() addresses {
	return addresses{
		boxAtClients: netip.MustParsePrefix("198.18.0.2/24"),
		boxAtNodes:   netip.MustParsePrefix("198.19.254.1/24"),
		gateway:      netip.MustParsePrefix("198.18.0.1/24"),
		clients:      netip.MustParsePrefix("198.18.128.0/17"),
		everything:   netip.MustParsePrefix("0.0.0.0/0"),
	}
}

// wire joins clients, nodes and the box's service NIC by a switch.
func (g *Guest) wire() (err error) {
	for _, n := range []**netns.Namespace{&g.clients, &g.center, &g.nodes} {
		if *n, err = netns.New(); err != nil {
			return err
		}
	}
	err = g.center.Do(func() error {
		g.tap, err = vm.OpenTap("box")
		return err
	})
	if err != nil {
		return err
	}
	at := plan()
	var nodes []netip.Prefix
	for i := range Nodes {
		nodes = append(nodes, netip.PrefixFrom(arena.Node(i), at.boxAtNodes.Bits()))
	}
	for _, do := range []func() error{
		func() error { return netns.Pair(g.center, "clients", g.clients, "eth0") },
		func() error { return netns.Pair(g.center, "nodes", g.nodes, "eth0") },
		func() error { return g.center.Up("box") },
		func() error { return g.center.Bridge("switch", "box", "clients", "nodes") },
		func() error { return g.clients.Address("eth0", at.gateway) },
		func() error { return g.clients.Route(at.everything, at.boxAtClients.Addr()) },
		func() error { return g.nodes.Address("eth0", nodes...) },
		func() error { return g.nodes.Route(at.everything, at.boxAtNodes.Addr()) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	// Any address of these is the clients' own, without 32,768 entries.
	if _, err := g.clients.Output("ip", "route", "add", "local", at.clients.String(), "dev", "lo"); err != nil {
		return err
	}
	// Nobody but the box joins or cuts packets: they have the MTU's size on its cable,
	// as those of real MFDs.
	for _, end := range []*netns.Namespace{g.clients, g.nodes} {
		if _, err := end.Output("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off"); err != nil {
			return err
		}
	}
	return nil
}

// On the box: what FetchProxy and PackFlowTables have packed.
const (
	proxyFile = "proxy.tar"
	flowFile  = "flow.tar"
)

// disk is a new box's, with a configuration, and with the benchmark's own program
// for what only a program inside the box can do.
func (g *Guest) disk(o Options) (string, error) {
	disk, err := o.Image.Disk(g.dir)
	if err != nil {
		return "", err
	}
	var nodes []string
	for i := range Nodes {
		nodes = append(nodes, fmt.Sprintf("{ address = %q }", arena.Node(i)))
	}
	at := plan()
	config := filepath.Join(g.dir, "config.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `[service]
addresses = [%q, %q]
gateway = %q
[management]
disabled = true
[[group]]
virtual_address = %q
mode = %q
node = [%s]
`, at.boxAtClients, at.boxAtNodes, at.gateway.Addr(), arena.VIP, g.way.mode, strings.Join(nodes, ", ")), 0o644); err != nil {
		return "", err
	}
	if err := vm.PutData(disk, config, "config.toml"); err != nil {
		return "", err
	}
	switch {
	case g.way.Proxy:
		err = vm.PutData(disk, o.Proxy, proxyFile)
	case g.way.part == flows:
		err = vm.PutData(disk, o.FlowTables, flowFile)
	}
	if err == nil && g.way.part != "" {
		err = vm.PutData(disk, o.Inside, "bench")
	}
	return disk, err
}
