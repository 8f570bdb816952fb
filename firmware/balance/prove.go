package balance

import (
	"net/netip"
	"time"
)

// Prove takes note that a client confirmed a connection: its address is not one that
// somebody made up. One that was bound before the group looked counts as proved.
func (g *Group) Prove(a netip.Addr) {
	if c := g.clients[a]; c != nil {
		c.proved = true
	}
}

// Doubt takes note that a client did not confirm a connection: bound by that one, it has
// proved nothing. Who is not doubted because events were lost keeps its place: rather one
// that somebody made up than a real MFD without it.
func (g *Group) Doubt(a netip.Addr, connection uint64) {
	if c := g.clients[a]; c != nil && c.boundBy == connection {
		c.boundBy = 0
	}
}

// Evict forgets the clients that never proved to be there and have nothing open, and
// returns them: they make room for others. Those that came just now may still do it.
func (g *Group) Evict(now time.Time) (evicted []netip.Addr) {
	g.settle(now)
	limit := g.at(now) - moment(settling)
	for a, c := range g.clients {
		if !c.proved && c.boundBy == 0 && c.here == 0 && c.lastSeen <= limit {
			g.drop(a, c)
			evicted = append(evicted, a)
		}
	}
	return evicted
}
