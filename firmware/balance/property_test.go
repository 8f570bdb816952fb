package balance

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

// kernel does what the ruleset does: it binds at the first packet, deals after
// the plan, deals anew when a node is not up, and tells by events that arrive
// late.
type kernel struct {
	g        *Group
	now      time.Time
	clients  map[netip.Addr]kernelBinding
	up       map[NodeID]bool
	slots    []NodeID
	at       int
	open     []connection
	events   []func()
	moves    []Move
	contacts int
	busy     bool // of a connection that binds its client it tells just this
}

type kernelBinding struct {
	node NodeID
	ends time.Time
}

type connection struct {
	client netip.Addr
	node   NodeID
	quiet  bool // the brain does not count it
}

func newKernel(g *Group) *kernel {
	k := &kernel{g: g, now: start, clients: map[netip.Addr]kernelBinding{}}
	k.program()
	return k
}

// program gives the kernel what the brain decides.
func (k *kernel) program() {
	k.up = map[NodeID]bool{}
	for _, id := range k.g.Up() {
		k.up[id] = true
	}
	if slots, changed := k.g.Plan(k.now); changed {
		k.slots, k.at = slots, 0
	}
}

// deliver hands the first n events to the brain.
func (k *kernel) deliver(n int) {
	for _, e := range k.events[:n] {
		e()
	}
	k.events = k.events[n:]
}

func (k *kernel) connect(a netip.Addr) {
	b, ok := k.clients[a]
	binds := !ok || !k.up[b.node] || !k.now.Before(b.ends)
	if binds {
		if len(k.slots) == 0 {
			delete(k.clients, a)
			return
		}
		b.node = k.slots[k.at%len(k.slots)]
		k.at++
		k.contacts++
	}
	b.ends = k.now.Add(k.g.affinity)
	k.clients[a] = b
	quiet := binds && k.busy
	k.open = append(k.open, connection{a, b.node, quiet})
	k.events = append(k.events, func() {
		m, moved := Move{}, false
		if quiet {
			m, moved = k.g.Bound(a, b.node, 1, k.now)
		} else {
			m, moved = k.g.Opened(a, b.node, false, k.now)
		}
		if moved {
			k.moves = append(k.moves, m)
		}
	})
}

// look tells of the connections that last.
func (k *kernel) look() {
	for i := range k.open {
		if c := k.open[i]; c.quiet {
			k.open[i].quiet = false
			k.events = append(k.events, func() { k.g.Recount(c.client, c.node) })
		}
	}
}

func (k *kernel) close(i int) {
	c := k.open[i]
	k.open = append(k.open[:i], k.open[i+1:]...)
	if b, ok := k.clients[c.client]; ok && b.node == c.node {
		b.ends = k.now.Add(k.g.affinity)
		k.clients[c.client] = b
	}
	if !c.quiet {
		k.events = append(k.events, func() { k.g.Closed(c.client, c.node, k.now) })
	}
}

// wantEven fails when the bound clients of two nodes differ by more than one.
func (k *kernel) wantEven(t *rapid.T) {
	lowest, highest := len(k.clients), 0
	count := map[NodeID]int{}
	for _, b := range k.clients {
		count[b.node]++
	}
	for id := range k.up {
		lowest, highest = min(lowest, count[id]), max(highest, count[id])
	}
	if highest-lowest > 1 {
		t.Fatalf("%d MFDs are bound as %v", len(k.clients), count)
	}
}

func drawWeights(t *rapid.T, most int) []int {
	return rapid.SliceOfN(rapid.IntRange(1, most), 2, 8).Draw(t, "weights")
}

// The plan may be renewed and events may be late at any point of a burst; with
// equal weights the nodes never differ by more than one bound client.
func TestBurstOfFirstContactsIsEvenWithinOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(2, 8).Draw(t, "nodes")
		k := newKernel(healthyGroup(slices.Repeat([]int{1}, nodes)...))
		for i := range rapid.IntRange(1, 400).Draw(t, "MFDs") {
			for range rapid.IntRange(1, 17).Draw(t, "connections") {
				k.busy = rapid.Bool().Draw(t, "busy")
				k.connect(mfd(i))
			}
			if rapid.Bool().Draw(t, "tick") {
				k.now = k.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "ms")) * time.Millisecond)
				k.deliver(rapid.IntRange(0, len(k.events)).Draw(t, "events"))
				k.program()
			}
			k.wantEven(t)
		}
	})
}

// Whatever a burst meets, filling to weight is exact: no node could give a
// client to another and both be nearer to their share.
// MFDs that come seconds apart: the clock ticks, and the plan may be renewed,
// between a first packet and the event that tells of it.
func TestFirstContactsSecondsApartAreEvenWithinOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(2, 4).Draw(t, "nodes")
		k := newKernel(healthyGroup(slices.Repeat([]int{1}, nodes)...))
		holds := rapid.IntRange(0, 3).Draw(t, "connections held")
		for i := range rapid.IntRange(1, 40).Draw(t, "MFDs") {
			for range holds + 1 {
				k.connect(mfd(i))
			}
			k.close(len(k.open) - 1)
			k.program()
			k.deliver(rapid.IntRange(0, len(k.events)).Draw(t, "events"))
			k.program()
			for range rapid.IntRange(0, 4).Draw(t, "ticks") {
				k.now = k.now.Add(time.Second)
				k.program() // what came just before the tick is told after it
				k.deliver(len(k.events))
				k.program()
			}
			k.wantEven(t)
		}
	})
}

func TestBurstRespectsWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := drawWeights(t, 10)
		k := newKernel(healthyGroup(weights...))
		for i := range rapid.IntRange(1, 300).Draw(t, "MFDs") {
			k.connect(mfd(i))
			k.deliver(len(k.events))
			k.program()
		}
		nodes := k.g.Nodes()
		for i, a := range nodes {
			for j, b := range nodes {
				// a has more than b would have with one more.
				if a.Clients*weights[j] > (b.Clients+1)*weights[i] {
					t.Fatalf("weights %v, bound %v", weights, bound(k.g))
				}
			}
		}
	})
}

// A new client never goes to a node that has more settled connections, by
// weight, than another that could have had it.
func TestDealingIsLeastConnections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := drawWeights(t, 4)
		g := healthyGroup(weights...)
		for i := range rapid.IntRange(0, 60).Draw(t, "MFDs") {
			id := NodeID(rapid.IntRange(1, len(weights)).Draw(t, "node"))
			for range rapid.IntRange(1, 9).Draw(t, "open") {
				g.Opened(mfd(i), id, false, start)
			}
		}
		now := start.Add(time.Minute)
		slots, _ := g.Plan(now)
		worth := g.worth()
		open := map[NodeID]int{}
		for _, n := range g.Nodes() {
			open[n.ID] = n.Open
		}
		for i, id := range slots {
			for other := range weights {
				o := NodeID(other + 1)
				if (open[id]+worth)*weights[other] > (open[o]+worth)*weights[id-1] {
					t.Fatalf("slot %d of %v goes to %s: open %v, weights %v", i, slots, name(id), open, weights)
				}
			}
			open[id] += worth
		}
	})
}

// A random life of a group: what the brain believes is what the kernel does,
// no client is on two nodes, and none moves without a reason.
func TestRandomLifeOfAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := drawWeights(t, 3)
		k := newKernel(healthyGroup(weights...))
		node := func(t *rapid.T) NodeID { return NodeID(rapid.IntRange(1, len(weights)).Draw(t, "node")) }
		client := func(t *rapid.T) netip.Addr { return mfd(rapid.IntRange(0, 20).Draw(t, "MFD")) }
		sync := func() { k.deliver(len(k.events)); k.program() }
		t.Repeat(map[string]func(*rapid.T){
			"connect": func(t *rapid.T) {
				k.busy = rapid.Bool().Draw(t, "busy")
				k.connect(client(t))
				if rapid.Bool().Draw(t, "read") {
					sync()
				}
			},
			"close": func(t *rapid.T) {
				if len(k.open) > 0 {
					k.close(rapid.IntRange(0, len(k.open)-1).Draw(t, "connection"))
				}
			},
			"health": func(t *rapid.T) {
				k.g.SetHealthy(node(t), rapid.Bool().Draw(t, "healthy"), k.now)
				sync()
			},
			"drain": func(t *rapid.T) {
				sync()
				verb := rapid.SampledFrom([]api.DrainVerb{api.DrainGently, api.MoveNow, api.StopNow}).Draw(t, "verb")
				k.g.Drain(node(t), verb, rapid.Bool().Draw(t, "force"), k.now)
				sync()
			},
			"return": func(t *rapid.T) { k.g.Return(node(t), k.now); sync() },
			"forget": func(t *rapid.T) {
				a := client(t)
				sync()
				if k.g.Forget(a, k.now) == nil {
					delete(k.clients, a)
				}
			},
			"move": func(t *rapid.T) {
				a, to := client(t), node(t)
				sync()
				if k.g.MoveClient(a, to, k.now) == nil {
					k.clients[a] = kernelBinding{to, k.now.Add(affinity)}
				}
			},
			"look": func(*rapid.T) { k.look() },
			"time": func(t *rapid.T) {
				k.look()
				sync()
				k.now = k.now.Add(time.Duration(rapid.IntRange(1, 16*60).Draw(t, "seconds")) * time.Second)
				for _, r := range k.g.Sweep(k.now) {
					k.clients[r.Client] = kernelBinding{r.Node, k.now.Add(affinity)}
				}
				sync()
			},
			"": func(t *rapid.T) {
				sync()
				checkAgainst(t, k)
			},
		})
	})
}

func checkAgainst(t *rapid.T, k *kernel) {
	for a, b := range k.clients {
		c, ok := k.g.Lookup(a, k.now)
		if k.now.Before(b.ends) && (!ok || c.Node != b.node) {
			t.Fatalf("the kernel has %v on %s, the brain has %+v", a, name(b.node), c)
		}
	}
	for _, m := range k.moves {
		if m.Cause == Unexplained {
			t.Fatalf("moved for no reason: %+v", m)
		}
	}
	var wantBound, wantOpen, boundSum, openSum int
	wantBound = k.g.Len()
	for _, c := range k.open {
		if !c.quiet {
			wantOpen++
		}
	}
	for _, n := range k.g.Nodes() {
		boundSum += n.Clients
		openSum += n.Open
	}
	if boundSum != wantBound || openSum != wantOpen {
		t.Fatalf("counted %d bound and %d open, there are %d and %d", boundSum, openSum, wantBound, wantOpen)
	}
	active, open, young := 0, 0, 0
	for _, c := range k.g.clients {
		if c.young {
			young++
		} else if c.here > 0 {
			active++
			open += int(c.here)
		}
	}
	countedYoung := 0
	for _, n := range k.g.nodes {
		countedYoung += n.young
	}
	if active != k.g.settledActive || open != k.g.settledOpen || young != countedYoung {
		t.Fatalf("settled %d with %d open and %d young, counted %d, %d, %d", active, open, young, k.g.settledActive, k.g.settledOpen, countedYoung)
	}
}
