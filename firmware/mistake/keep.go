package mistake

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"spoolgate/firmware/event"
)

// Keep forgets all that is known of other nodes than these, by group, name and
// address, and of ports that are none of theirs: the configuration has changed, as the
// findings themselves advise.
func (b *Book) Keep(nodes []Node) (changes []Finding) {
	there, groups := map[Place]netip.Addr{}, map[string]bool{}
	for _, n := range nodes {
		there[n.Place], groups[n.Group] = n.Address, true
	}
	gone := func(p Place) bool {
		address, ok := there[p]
		before, known := b.nodes[p]
		return !ok || known && before != address
	}
	maps.DeleteFunc(b.contacts, func(p Place, _ *contact) bool { return gone(p) })
	maps.DeleteFunc(b.checks, func(k checkKey, _ *check) bool { return gone(k.Place) })
	maps.DeleteFunc(b.strays, func(k strayKey, _ *stray) bool { return gone(k.Place) })
	maps.DeleteFunc(b.crowds, func(k caller, _ *crowd) bool { return !groups[k.group] })
	maps.DeleteFunc(b.works, func(k caller, _ *work) bool { return !groups[k.group] })
	for k, e := range b.open {
		if k.Node == "" && groups[k.Group] || k.Node != "" && !gone(k.Place) {
			continue
		}
		delete(b.open, k)
		f := e.Finding
		f.Severity, f.Text = event.Notice, "no longer configured, where this was seen: "+e.Text
		changes = append(changes, f)
	}
	for _, n := range nodes {
		changes = append(changes, b.keepPorts(n)...)
	}
	b.nodes = there
	return changes
}

func (b *Book) keepPorts(n Node) (changes []Finding) {
	for k := range b.checks {
		if k.Place == n.Place && !slices.Contains(n.Checks, k.port) {
			delete(b.checks, k)
			changes = append(changes, b.settle(key{event.NodeCheck, n.Place}, strconv.Itoa(int(k.port)), fmt.Sprintf("port %d of node %s is not checked any more", k.port, n.Node))...)
		}
	}
	c := b.contacts[n.Place]
	if c == nil {
		return changes
	}
	for port, s := range c.ports {
		if !n.Passes(port) {
			delete(c.ports, port)
			changes = append(changes, b.settle(key{s.told, n.Place}, strconv.Itoa(int(port)), fmt.Sprintf("port %d is not passed to node %s any more", port, n.Node))...)
		}
	}
	return changes
}
