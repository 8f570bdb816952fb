package engine

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/engine/proof"
	"spoolgate/firmware/health"
	"spoolgate/firmware/mistake"
)

// seat is a node's place: an address in a group. A node that changes its group
// is another one, or it would keep the MFDs of the group that it left.
type seat struct{ group, node netip.Addr }

// knownTo are the places that the kernel's numbers stand for. The kernel keeps
// no group with a node, so it is told by those who are bound or dealt to it;
// the zero group stands for a node that nobody is bound or dealt to.
func knownTo(kernel dataplane.Adopted) map[balance.NodeID]seat {
	known := map[balance.NodeID]seat{}
	for mark, address := range kernel.Nodes {
		known[balance.NodeID(mark)] = seat{node: address}
	}
	place := func(vip netip.Addr, mark dataplane.Mark) {
		if s, ok := known[balance.NodeID(mark)]; ok {
			s.group = vip
			known[balance.NodeID(mark)] = s
		}
	}
	for vip, plan := range kernel.Plans {
		for _, mark := range plan {
			place(vip, mark)
		}
	}
	for _, b := range kernel.Bindings {
		place(b.VirtualAddress, b.Mark)
	}
	return known
}

// assign gives each node its number: the one that its place is known by, or the
// lowest free one. A number is not given to another place at once: what is open
// under it must be cut first.
func assign(c config.Config, known map[balance.NodeID]seat) map[netip.Addr]balance.NodeID {
	numbers := map[seat]balance.NodeID{}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		numbers[known[id]] = id
	}
	ids := map[netip.Addr]balance.NodeID{}
	next := balance.NodeID(1)
	for _, g := range c.Groups {
		for _, n := range g.Nodes {
			id, ok := numbers[seat{g.VirtualAddress, n.Address}]
			if !ok {
				id, ok = numbers[seat{node: n.Address}]
			}
			if !ok {
				for known[next].node.IsValid() {
					next++
				}
				id = next
				next++
			}
			ids[n.Address] = id
		}
	}
	return ids
}

// arrange makes groups and members after the configuration, keeping those that
// stay.
func (e *Engine) arrange(c config.Config, ids map[netip.Addr]balance.NodeID) {
	now := e.opts.Now()
	oldGroups, oldMembers := e.byVIP, e.members
	names := map[netip.Addr]mistake.Place{}
	for place, a := range places(e.config) {
		names[a] = place
	}
	e.config, e.groups = c, nil
	e.byVIP, e.members = map[netip.Addr]*group{}, map[balance.NodeID]*member{}
	atAddress := map[netip.Addr]*member{}
	leaving := map[netip.Addr]api.DrainVerb{}
	for _, m := range oldMembers {
		atAddress[m.Address] = m
		leaving[m.Address] = m.group.policy.Leaving(m.id)
	}
	var vips []netip.Addr
	for _, gc := range c.Groups {
		vips = append(vips, gc.VirtualAddress)
		g := oldGroups[gc.VirtualAddress]
		if g == nil {
			g = &group{}
		}
		renamed := g.Name != gc.Name
		if renamed {
			g.told, g.away, g.claimed = "", false, false // its state is told anew under the new name
		}
		if g.seen == nil || g.Mode != gc.Mode {
			g.seen = proof.NewSightings(now) // the nodes see the MFDs under other addresses from now on
		}
		if g.Checks.Interval != gc.Checks.Interval {
			g.paced = now
		}
		g.Group, g.members = gc, nil
		var specs []balance.Spec
		for _, nc := range gc.Nodes {
			id := ids[nc.Address]
			m := oldMembers[id]
			switch {
			case m != nil && m.group == g:
				m.machine.SetRule(rule(gc, nc), now)
			case atAddress[nc.Address] != nil:
				// In another group, or its group has another address: the machine
				// is the same, and what is known of it holds.
				old := atAddress[nc.Address]
				m = &member{machine: health.NewMachineFrom(rule(gc, nc), old.machine.Health(), now), blind: old.blind}
			case len(oldMembers) > 0:
				// The right to be Up at the first answer is for nodes that were
				// there before the box; who joins later may just be starting.
				m = &member{machine: health.NewMachineFrom(rule(gc, nc), api.Unknown, now)}
			default:
				m = &member{machine: health.NewMachine(rule(gc, nc), now)}
			}
			if names[nc.Address] != (mistake.Place{Group: gc.Name, Node: nc.Name}) {
				m.health, m.blind = "", "" // it is told anew under the new name
				delete(e.starts.warned, nc.Address)
			}
			m.machine.Hold(now, e.doubt)
			m.Node, m.id, m.group = nc, id, g
			g.members = append(g.members, m)
			e.members[id] = m
			specs = append(specs, balance.Spec{ID: id, Weight: nc.Weight})
		}
		if g.policy == nil {
			g.policy = balance.NewGroup(gc.Affinity, specs, now)
		} else {
			g.policy.Configure(gc.Affinity, specs, now)
		}
		for _, m := range g.members {
			if verb := leaving[m.Address]; verb != "" && atAddress[m.Address].id != m.id {
				// The node is there and the verb is known: nothing can refuse it.
				_ = g.policy.Drain(m.id, verb, true, now)
			}
		}
		e.groups = append(e.groups, g)
		e.byVIP[gc.VirtualAddress] = g
	}
	e.source.avoid(vips)
	e.keepMistakes()
	e.nameGroups()
}

func rule(g config.Group, n config.Node) health.Rule {
	r := health.Rule{Ports: g.Checks.Ports, Misses: g.Checks.Misses, UpDelay: g.Checks.UpDelay, Interval: g.Checks.Interval}
	if s := n.Services; s.Watched() {
		r.Services = health.ServiceRule{Names: s.Names, Any: s.Combine == config.Any, Misses: s.Misses, Interval: s.Interval}
	}
	return r
}

// round is the length of a round of probes and questions over all groups.
func round(c config.Config) time.Duration {
	var longest time.Duration
	for _, g := range c.Groups {
		longest = max(longest, g.Checks.Interval+g.Checks.Timeout)
		for _, n := range g.Nodes {
			if n.Services.Watched() {
				longest = max(longest, n.Services.Interval+n.Services.Timeout)
			}
		}
	}
	return longest
}

func (e *Engine) targets() []health.Target {
	var out []health.Target
	for _, g := range e.groups {
		for _, m := range g.members {
			for _, p := range g.Checks.Ports {
				out = append(out, health.Target{Address: netip.AddrPortFrom(m.Address, p), Interval: g.Checks.Interval, Timeout: g.Checks.Timeout})
			}
		}
	}
	return out
}
