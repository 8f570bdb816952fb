package proof

import (
	"fmt"
	"strings"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

// address is the one virtual address that the box holds.
func (g Group) address() api.ProofItem {
	s := sentence{"virtual-address", inGeneral, "represented from the perspective of MFDs by one and only one virtual IP address or FQDN ... which is held by the load balancer"}
	if g.Hold == nil {
		return s.elsewhere(fmt.Sprintf("because netd does not tell who holds %s", g.VirtualAddress),
			fmt.Sprintf("do: look from the network of the box with arping %s, which must show one machine", g.VirtualAddress))
	}
	var f finding
	switch g.Hold.State {
	case api.Held:
		f.shows("the box has held %s since %s, and no other machine claims it", g.VirtualAddress, clock(g.Hold.Since))
	case api.Waiting:
		f.lacks("%s is not held yet: %s", g.VirtualAddress, g.Hold.Reason)
	default:
		f.fails("%s: %s", g.VirtualAddress, g.Hold.Reason)
	}
	return f.item(s)
}

// names is the reverse look-up of the virtual address.
func (g Group) names() api.ProofItem {
	s := sentence{"reverse-look-up", inGeneral, "reverse lookups have to be configured"}
	if g.DNSName == "" {
		return s.elsewhere("because no dns_name is configured, so that nobody asks the site's name servers",
			fmt.Sprintf("do: write dns_name into [[group]], or look with nslookup %s", g.VirtualAddress))
	}
	var f finding
	n := g.Names
	switch {
	case n == nil:
		f.lacks("the site's name servers have not been asked yet; do: ask again in a minute")
	case n.ResolverWrong != "":
		f.lacks("no name server answers: %s", n.ResolverWrong)
	case n.ForwardWrong != "" || n.ReverseWrong != "":
		for _, wrong := range []string{n.ForwardWrong, n.ReverseWrong} {
			if wrong != "" {
				f.fails("%s", wrong)
			}
		}
	default:
		f.shows("%s says: %s is %v, and %s is named %s", n.Resolver, n.Name, n.Forward, n.Address, strings.Join(n.Reverse, ", "))
	}
	return f.item(s)
}

// used is that MFDs come by the virtual address.
func (g Group) used() api.ProofItem {
	s := sentence{"address-used", inGeneral, "This virtual address will be used by MFDs and Dispatcher Paragon Terminals"}
	var f finding
	for _, b := range g.Bypasses {
		f.fails("%s", b)
	}
	if n := g.sessions.all; n > 0 {
		f.shows("%s by %s since %s", phrase.Count(n, "session")+" of MFDs", g.VirtualAddress, clock(g.Seen.Since))
	} else {
		f.lacks("no MFD has come by %s since %s; %s", g.VirtualAddress, clock(g.Seen.Since), g.connect(5011))
	}
	return f.item(s)
}

// unit is that MFDs of this group stay in it.
func (g Group) unit() api.ProofItem {
	s := sentence{"unit", inGeneral, "The unit of failover and load balancing is one Spooler Controller Group"}
	var f finding
	serving := 0
	for _, n := range g.Nodes {
		if n.Serving {
			serving++
		}
	}
	if g.Bound > 0 {
		f.shows("%s of group %s bound, each to one of its %s", phrase.Count(g.Bound, "MFD"), g.Name, phrase.Count(len(g.Nodes), "node"))
	} else {
		f.lacks("no MFD is bound to a node of group %s; %s", g.Name, g.connect(5011))
	}
	f.notes("%d of %s take new MFDs now", serving, phrase.Count(len(g.Nodes), "node"))
	return f.item(s)
}
