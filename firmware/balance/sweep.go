package balance

import (
	"net/netip"
	"time"
)

// Binding is a client and its node, as the kernel or the journal has it.
type Binding struct {
	Client netip.Addr
	Node   NodeID
	Since  time.Time     // zero if not known
	Why    Why           // if Since is known
	Left   time.Duration // of the window
	// Earlier says that Since is the latest that the client can have been bound.
	Earlier bool
}

// Sweep forgets clients whose window has ended, and returns those whose window
// must begin anew in the kernel because connections are open: the window counts
// from the last close. It is called several times in a window.
func (g *Group) Sweep(now time.Time) (renew []Binding) {
	g.settle(now)
	ended := g.at(now) - moment(g.affinity)
	if now.Sub(g.hushed) <= g.affinity+unheard {
		ended -= moment(unheard)
	}
	stale := g.at(now) - moment(g.affinity/4)
	for a, c := range g.clients {
		switch {
		case c.here > 0 && c.renewed <= stale:
			c.renewed, c.lastSeen = g.at(now), g.at(now)
			renew = append(renew, Binding{Client: a, Node: c.node, Left: g.affinity})
		case c.here == 0 && c.lastSeen < ended:
			g.drop(a, c)
		}
	}
	for a, at := range g.released {
		if now.Sub(at) > g.affinity {
			delete(g.released, a)
		}
	}
	return renew
}

// Renew begins the window of a client anew: a sign of life that is no
// connection, such as a DNS look-up. It reports whether the client is bound.
func (g *Group) Renew(a netip.Addr, now time.Time) (Binding, bool) {
	c := g.clients[a]
	if c == nil {
		return Binding{}, false
	}
	c.lastSeen, c.renewed = g.at(now), g.at(now)
	return Binding{Client: a, Node: c.node, Left: g.affinity}, true
}

// Adopt makes the bindings of the kernel those of the group. Clients that the
// kernel does not know any more are forgotten, those that only the kernel
// knows were bound before; open connections begin at none and are counted by
// the Opened of each that follow.
func (g *Group) Adopt(bindings []Binding, now time.Time) {
	g.settle(now)
	for _, n := range g.nodes {
		n.open, n.youngOpen = 0, 0
	}
	g.settledActive, g.settledOpen = 0, 0
	clear(g.strays)
	alive := make(map[netip.Addr]bool, len(bindings))
	for _, b := range bindings {
		n := g.byID[b.Node]
		if n == nil {
			continue
		}
		alive[b.Client] = true
		seen := g.at(now) + moment(b.Left-g.affinity)
		c := g.clients[b.Client]
		if c == nil || c.node != b.Node {
			if c != nil {
				c.here = 0
				g.drop(b.Client, c)
			}
			c = g.bind(b.Client, n, Why{Cause: Remembered}, now)
			c.since, c.earlier = min(seen, c.since), true // it was bound then, at the latest
			if !b.Since.IsZero() {
				c.since, c.earlier, c.why = g.at(b.Since), b.Earlier, b.Why
			}
		}
		c.here, c.lastSeen, c.renewed = 0, seen, seen
	}
	for a, c := range g.clients {
		if !alive[a] {
			c.here = 0
			g.drop(a, c)
		}
	}
	g.plan = dealing{}
}

// Recount counts a connection that was open before the group looked. Unlike
// Opened it binds nobody: who is where came with Adopt.
func (g *Group) Recount(a netip.Addr, id NodeID) {
	n := g.byID[id]
	if n == nil {
		return
	}
	n.open++
	if c := g.clients[a]; c != nil && c.node == id {
		g.countHere(c, +1)
	} else {
		g.strays[strand{a, id}]++
	}
}

// Bindings returns who is where, for the journal.
func (g *Group) Bindings(now time.Time) []Binding {
	out := make([]Binding, 0, len(g.clients))
	for a, c := range g.clients {
		left := g.affinity - time.Duration(g.at(now)-c.lastSeen)
		if c.here > 0 {
			left = g.affinity
		}
		if left > 0 {
			out = append(out, Binding{Client: a, Node: c.node, Since: g.time(c.since), Earlier: c.earlier, Left: left})
		}
	}
	return out
}
