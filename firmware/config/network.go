package config

import (
	"fmt"
	"net/netip"
)

// checkNetworks refuses one network on both interfaces: the answer to an MFD
// could leave through the wrong one.
func checkNetworks(r *report, c Config) {
	told := map[netip.Prefix]bool{} // an interface can have several addresses in one network
	for i, m := range c.Management.Addresses {
		for _, s := range c.Service.Addresses {
			if s.Overlaps(m) && !told[m.Masked()] {
				told[m.Masked()] = true
				r.add(element("management.addresses", i+1), fmt.Sprintf("the network of %s is the network of the service address %s too", m, s),
					"with one network on two interfaces answers would leave through the wrong one",
					"Put management into another network, or disable it and use the serial console")
			}
		}
	}
}

// checkGateways refuses a gateway that is the box itself: packets for elsewhere
// would go nowhere. A node may be the gateway.
func checkGateways(r *report, c Config) {
	for _, i := range []struct {
		name string
		Interface
	}{{"service", c.Service}, {"management", c.Management}} {
		if !i.Gateway.IsValid() {
			continue
		}
		refuse := func(what string) {
			r.add(join(i.name, "gateway"), fmt.Sprintf("%s is %s", i.Gateway, what), "the box can't be its own way out",
				"Write the address of the router, or remove the line if there is none")
		}
		for _, own := range i.Addresses {
			if own.Addr() == i.Gateway {
				refuse(fmt.Sprintf("the %s interface's own address", i.name))
			}
		}
		for _, g := range c.Groups {
			if g.VirtualAddress == i.Gateway {
				refuse(fmt.Sprintf("the virtual address of group %q", g.Name))
			}
		}
		if what := notOfHost(i.Gateway, i.Addresses); what != "" {
			refuse(what)
		}
	}
}

// checkHost refuses for one machine what means a whole network.
func checkHost(r *report, key string, a netip.Addr, networks []netip.Prefix) {
	if what := notOfHost(a, networks); what != "" {
		r.add(key, fmt.Sprintf("%s is %s", a, what), "no machine can have that address (RFC 1122, 3.2.1.3)",
			"Write the address of the machine, or correct the prefix length in service.addresses")
	}
}

// notOfHost says which special address of one of the networks a is; it is empty
// if a may be a machine's. Networks of one or two addresses have none (RFC 3021).
func notOfHost(a netip.Addr, networks []netip.Prefix) string {
	for _, p := range networks {
		if !a.Is4() || p.Bits() >= 31 || !p.Contains(a) {
			continue
		}
		if a == p.Masked().Addr() {
			return fmt.Sprintf("the address of the network %s itself", p.Masked())
		}
		// The last address of a network is the one after which it ends.
		if next := a.Next(); !next.IsValid() || !p.Contains(next) {
			return fmt.Sprintf("the broadcast address of the network %s", p.Masked())
		}
	}
	return ""
}
