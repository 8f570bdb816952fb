// Package balance is the policy of a group: which node an MFD is bound to,
// which one the next new MFD gets, and how a node leaves and returns.
//
// It is pure. The kernel binds and deals by itself (package dataplane) after
// the plan that a Group works out; the Group learns from connection events
// what the kernel did. Time comes in as a parameter, nothing here reads a
// clock or a socket, and a Group is used by one goroutine at a time.
package balance

import (
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// NodeID tells the nodes of a box apart; it is the mark that their packets
// carry. 0 is no node.
type NodeID uint16

// Spec is what the configuration says of a node.
type Spec struct {
	ID     NodeID
	Weight int // share of new MFDs, at least 1
}

// Group is who is where in one Spooler Controller Group.
type Group struct {
	affinity time.Duration
	// began is what times are counted from. Its reading of the monotonic clock
	// keeps windows right when the wall clock is set.
	began   time.Time
	nodes   []*node // in the order of the configuration
	byID    map[NodeID]*node
	clients map[netip.Addr]*client

	// young are the clients whose first contact is less than settling ago, in
	// the order of their first contacts.
	young []youngClient
	// What settled clients with open connections hold, to know how many
	// connections a client is worth.
	settledActive, settledOpen int

	strays map[strand]int32 // open connections

	hushed time.Time // see Hush

	// released are clients that a person moved or forgot, and when: events of
	// before that still arrive after it.
	released map[netip.Addr]time.Time

	plan      dealing
	lastDealt NodeID
	lastFirst time.Time // the last first contact
}

type node struct {
	Spec
	healthy bool
	service api.Service
	// keeps is whether bound clients stay while the node is Draining.
	keeps  bool
	reason string
	since  time.Time
	// back is when the node began to serve again; what clients did just
	// before is still told after it.
	back time.Time
	// takenOut says of a node that does not serve, or did not before it was back,
	// that a person's order kept it from that, and not its health.
	takenOut bool

	bound     int // clients
	open      int // connections, of whichever client
	young     int // bound clients that are young
	youngOpen int // open connections of those
	dealt     uint64
}

// client is one bound MFD; there may be 100,000, so it is small.
type client struct {
	node     NodeID
	why      Why
	young    bool
	proved   bool   // it has had a connection that it confirmed
	earlier  bool   // it may have been bound before since
	here     int32  // open connections on its node
	since    moment // bound to this node since
	lastSeen moment // last open, close or renewal
	renewed  moment // last time that the kernel's window began anew
	boundBy  uint64 // a connection that it will have confirmed, unless more is told; see Bound
}

// moment is a time, as the time since the group began.
type moment time.Duration

func (g *Group) at(t time.Time) moment { return moment(t.Sub(g.began)) }

func (g *Group) time(m moment) time.Time { return g.began.Add(time.Duration(m)) }

// NewGroup returns a group whose nodes are all in service and not yet healthy.
func NewGroup(affinity time.Duration, specs []Spec, now time.Time) *Group {
	g := &Group{began: now, byID: map[NodeID]*node{}, clients: map[netip.Addr]*client{}, released: map[netip.Addr]time.Time{}, strays: map[strand]int32{}}
	g.Configure(affinity, specs, now)
	return g
}

// Configure changes the window and the nodes while running. Nodes that stay
// keep their clients and their service; clients of nodes that are gone are
// forgotten, and are dealt anew at their next connection.
func (g *Group) Configure(affinity time.Duration, specs []Spec, now time.Time) {
	g.affinity = affinity
	g.nodes = g.nodes[:0]
	kept := map[NodeID]*node{}
	for _, s := range specs {
		n := g.byID[s.ID]
		if n == nil {
			n = &node{service: api.InService, keeps: true, reason: "configured", since: now}
		}
		n.Spec = s
		kept[s.ID] = n
		g.nodes = append(g.nodes, n)
	}
	g.byID = kept
	for a, c := range g.clients {
		if g.byID[c.node] == nil {
			g.drop(a, c)
		}
	}
	g.plan = dealing{}
}

// SetHealthy says whether probes allow the node to serve. It reports whether
// that changed anything.
func (g *Group) SetHealthy(id NodeID, healthy bool, now time.Time) bool {
	n := g.byID[id]
	if n == nil || n.healthy == healthy {
		return false
	}
	n.change(now, func() { n.healthy = healthy })
	return true
}

// change changes what a node may do, and notes when it begins to serve again, or by
// what it ended. A node that is shut down once a person has taken it out did not leave
// its clients by that.
func (n *node) change(now time.Time, to func()) {
	served := n.serves()
	to()
	switch {
	case n.serves() && !served:
		n.back = now
	case n.serves():
	case n.healthy:
		n.takenOut = true
	case served:
		n.takenOut = false
	}
}

// Up are the nodes that serve their bound clients: healthy, and in service or
// draining gently. Clients of any other node are dealt anew at their next
// connection.
func (g *Group) Up() []NodeID {
	var up []NodeID
	for _, n := range g.nodes {
		if n.serves() {
			up = append(up, n.ID)
		}
	}
	return up
}

// serves reports whether bound clients stay on the node.
func (n *node) serves() bool {
	return n.healthy && (n.service == api.InService || n.service == api.Draining && n.keeps)
}

// takesNew reports whether new clients are dealt to the node.
func (n *node) takesNew() bool { return n.healthy && n.service == api.InService }

// NodeState is what a group knows of one node.
type NodeState struct {
	ID      NodeID
	Serving bool // takes new clients
	Service api.Service
	Reason  string // of the service
	Since   time.Time
	Clients int
	Open    int
	Dealt   uint64
}

// Nodes returns the state of all nodes in the order of the configuration.
func (g *Group) Nodes() []NodeState {
	out := make([]NodeState, 0, len(g.nodes))
	for _, n := range g.nodes {
		out = append(out, NodeState{ID: n.ID, Serving: n.takesNew(), Service: n.service, Reason: n.reason, Since: n.since,
			Clients: n.bound, Open: n.open, Dealt: n.dealt})
	}
	return out
}

// Len is the number of bound clients.
func (g *Group) Len() int { return len(g.clients) }

// Client is one bound MFD.
type Client struct {
	Address netip.Addr
	Node    NodeID
	Why     Why
	Since   time.Time
	// Earlier says that Since is the latest that it can have been bound.
	Earlier bool
	// Ends is when the window ends if nothing more is heard of the client; it
	// moves while connections are open.
	Ends time.Time
	Open int
}

// Lookup returns what is known of one client.
func (g *Group) Lookup(a netip.Addr, now time.Time) (Client, bool) {
	c := g.clients[a]
	if c == nil {
		return Client{}, false
	}
	return g.describe(a, c, now), true
}

// Clients returns all bound clients whose address is in prefix, sorted by
// address. The zero prefix stands for all.
func (g *Group) Clients(prefix netip.Prefix, now time.Time) []Client {
	var out []Client
	for a, c := range g.clients {
		if !prefix.IsValid() || prefix.Contains(a) {
			out = append(out, g.describe(a, c, now))
		}
	}
	slices.SortFunc(out, func(x, y Client) int { return x.Address.Compare(y.Address) })
	return out
}

func (g *Group) describe(a netip.Addr, c *client, now time.Time) Client {
	ends := g.time(c.lastSeen).Add(g.affinity)
	if c.here > 0 {
		ends = now.Add(g.affinity)
	}
	return Client{Address: a, Node: c.node, Why: c.why, Since: g.time(c.since), Earlier: c.earlier, Ends: ends, Open: int(c.here)}
}
