package balance

import (
	"net/netip"
	"time"
)

// settling is how long a new client counts as an average one. MFDs open their
// connections one after the other; by the connections open so far, the first
// of a burst would look busiest and the next ones would all go elsewhere.
const settling = 10 * time.Second

type youngClient struct {
	address netip.Addr
	since   moment // of the binding, to recognise one that was made anew
}

// Opened tells that the kernel sent a connection of the client to the node.
// A connection that follows another one (FTP data) counts, and binds nothing.
// It returns the client's move when this connection was one.
func (g *Group) Opened(a netip.Addr, id NodeID, follows bool, now time.Time) (Move, bool) {
	g.settle(now)
	n := g.byID[id]
	if n == nil {
		return Move{}, false
	}
	n.open++
	if c := g.clients[a]; follows && (c == nil || c.node != id) {
		g.strays[strand{a, id}]++
		return Move{}, false
	}
	c, move, moved := g.meet(a, n, now)
	g.countHere(c, +1)
	return move, moved
}

// Bound tells that the kernel sent a connection of the client to the node, of which it
// tells no more unless it lasts or fails: it does not count. The number by which it is
// told apart is not 0. It returns the client's move when this connection was one.
func (g *Group) Bound(a netip.Addr, id NodeID, connection uint64, now time.Time) (Move, bool) {
	g.settle(now)
	n := g.byID[id]
	if n == nil {
		return Move{}, false
	}
	c, move, moved := g.meet(a, n, now)
	if c.boundBy == 0 {
		c.boundBy = connection
	}
	return move, moved
}

// meet takes note of a client that turned up on a node.
func (g *Group) meet(a netip.Addr, n *node, now time.Time) (c *client, move Move, moved bool) {
	c = g.clients[a]
	switch {
	case c == nil:
		g.deal(n, now)
		c = g.bind(a, n, Why{Cause: FirstContact}, now)
	case c.node != n.ID:
		why := Why{Cause: g.leftBecause(a, c, now), From: c.node}
		move, moved = Move{Client: a, From: c.node, To: n.ID, Cause: why.Cause}, why.Cause != FirstContact
		if why.Cause == FirstContact {
			why.From = 0
		}
		before := c
		g.drop(a, c)
		g.deal(n, now)
		c = g.bind(a, n, why, now)
		c.proved, c.boundBy = before.proved, before.boundBy
	}
	c.lastSeen, c.renewed = g.at(now), g.at(now)
	return c, move, moved
}

// Move is a client that changed nodes.
type Move struct {
	Client   netip.Addr
	From, To NodeID
	Cause    Cause
}

// leftBecause finds out why a bound client turned up on another node.
func (g *Group) leftBecause(a netip.Addr, c *client, now time.Time) Cause {
	old := g.byID[c.node]
	_, released := g.released[a]
	delete(g.released, a)
	switch {
	case released:
		return Operator
	case old == nil || !old.serves() || g.at(old.back)+moment(windowSlack) > c.lastSeen:
		// Also when the node is back: while it was away the kernel forgot
		// whoever called, and told nobody if no other node served either.
		if old == nil || old.takenOut {
			return TakenOut
		}
		return NodeLeft
	case c.here == 0 && g.at(now)-c.lastSeen >= moment(g.affinity-windowSlack):
		return FirstContact
	}
	return Unexplained
}

// windowSlack is how far the kernel's clock of a window, in ticks, and the
// times at which events are read here may lie apart.
const windowSlack = time.Second

// Hush says that the kernel is busy and tells less than all: a client that calls may go
// unheard, and a connection be told of late.
func (g *Group) Hush(now time.Time) { g.hushed = now }

// How long either lasts at most; see toldPerSecond of package dataplane.
const (
	unheard = time.Minute
	late    = 6 * time.Second
)

// Closed tells that a connection of the client to the node ended.
func (g *Group) Closed(a netip.Addr, id NodeID, now time.Time) {
	g.settle(now)
	if n := g.byID[id]; n != nil && n.open > 0 {
		n.open--
	}
	if c := g.clients[a]; c != nil && c.node == id {
		c.lastSeen, c.renewed = g.at(now), g.at(now)
		if c.here > 0 {
			g.countHere(c, -1)
		}
		return
	}
	at := strand{a, id}
	if g.strays[at]--; g.strays[at] <= 0 {
		delete(g.strays, at)
	}
}

// strand is what a client has on a node that it is not bound to: connections of
// before it was moved or forgotten. They count as its own again, and hold its
// window open, once it is bound to that node again.
type strand struct {
	client netip.Addr
	node   NodeID
}

// countHere adds d open connections to a client on its node.
func (g *Group) countHere(c *client, d int32) {
	c.here += d
	if c.young {
		if n := g.byID[c.node]; n != nil {
			n.youngOpen += int(d)
		}
		return
	}
	g.settledOpen += int(d)
	if d > 0 && c.here == d {
		g.settledActive++
	}
	if d < 0 && c.here == 0 {
		g.settledActive--
	}
}

// deal counts a first contact on a node.
func (g *Group) deal(n *node, now time.Time) {
	n.dealt++
	g.lastDealt = n.ID
	g.lastFirst = now
	g.plan.saw(n.ID)
}

func (g *Group) bind(a netip.Addr, n *node, why Why, now time.Time) *client {
	at := g.at(now)
	c := &client{node: n.ID, why: why, since: at, lastSeen: at, renewed: at}
	g.clients[a] = c
	n.bound++
	c.proved = why.Cause != FirstContact
	if why.Cause != Remembered {
		c.young = true
		n.young++
		g.young = append(g.young, youngClient{a, at})
	}
	if left := g.strays[strand{a, n.ID}]; left > 0 {
		delete(g.strays, strand{a, n.ID})
		g.countHere(c, left)
	}
	return c
}

// drop forgets a client here; its open connections stay counted on their node.
func (g *Group) drop(a netip.Addr, c *client) {
	open := c.here
	if open > 0 {
		g.countHere(c, -open)
		g.strays[strand{a, c.node}] = open
	}
	if n := g.byID[c.node]; n != nil {
		n.bound--
		if c.young {
			n.young--
		}
	}
	delete(g.clients, a)
}

// settle lets those clients count by their open connections that have had the
// time to open them.
func (g *Group) settle(now time.Time) {
	limit := g.at(now) - moment(settling)
	i := 0
	for ; i < len(g.young) && g.young[i].since <= limit; i++ {
		c := g.clients[g.young[i].address]
		if c == nil || !c.young || c.since != g.young[i].since {
			continue
		}
		open := c.here
		g.countHere(c, -open)
		c.young = false
		g.byID[c.node].young--
		if open > 0 {
			g.countHere(c, open)
		}
	}
	if i == len(g.young) {
		g.young = nil
	} else {
		g.young = g.young[i:]
	}
}
