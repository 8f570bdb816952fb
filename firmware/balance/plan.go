package balance

import (
	"slices"
	"time"
)

// PlanLength is how many first contacts a plan decides ahead, about: it is cut
// to whole rounds of the nodes, so that going round an even plan stays even.
// The plan is renewed within milliseconds; this many new MFDs in between get
// the exact answer.
const PlanLength = 128

// maxPlan bounds a plan whose single round is longer than PlanLength.
const maxPlan = 256

// quiet is how long no first contact has come before a plan is replaced by one
// that is equally good but for ties. While they pour in, a replaced plan would
// deal again what connections still under way have dealt already.
const quiet = time.Second

// dealing is the plan that the kernel works through, and how far it has come.
type dealing struct {
	slots []NodeID
	seen  int            // first contacts since it began
	dealt map[NodeID]int // those, by node
}

func (d *dealing) saw(id NodeID) {
	d.seen++
	if d.dealt == nil {
		d.dealt = map[NodeID]int{}
	}
	d.dealt[id]++
}

// rest returns the slots in the order in which they come up next, all round,
// and whether what was dealt so far is what the plan said. Contacts from
// several processors arrive out of order, so it is counts that are compared.
// The plan of nobody is followed as long as there is one.
func (d *dealing) rest() ([]NodeID, bool) {
	if len(d.slots) == 0 {
		return nil, d.slots != nil
	}
	rounds, at := d.seen/len(d.slots), d.seen%len(d.slots)
	planned := map[NodeID]int{}
	for i, id := range d.slots {
		planned[id] += rounds
		if i < at {
			planned[id]++
		}
	}
	for id, n := range d.dealt {
		if planned[id] != n {
			return nil, false
		}
	}
	return slices.Concat(d.slots[at:], d.slots[:at]), true
}

// Plan returns the nodes that the next first contacts get, in order, and
// whether the kernel must be given it: false means that the plan it has is
// still right. An empty plan means that nobody serves.
func (g *Group) Plan(now time.Time) (slots []NodeID, changed bool) {
	g.settle(now)
	rest, followed := g.plan.rest()
	if followed && len(rest) > 0 && now.Sub(g.lastFirst) < quiet && g.stillRight(rest) {
		return g.plan.slots, false
	}
	fresh := g.fill()
	if followed && slices.Equal(fresh, rest) {
		return g.plan.slots, false
	}
	g.plan = dealing{slots: fresh}
	return fresh, true
}

// pile is a node while a plan is laid out: what it would hold.
type pile struct {
	id                 NodeID
	load, bound, share int
	open               int
	turn               int // places after the node that was dealt last
}

// worth is how many connections a client is reckoned to hold.
func (g *Group) worth() int {
	if g.settledActive == 0 {
		return 1
	}
	return max(1, (g.settledOpen+g.settledActive/2)/g.settledActive)
}

// load is what a node holds, if a client is worth that much.
func (n *node) load(worth int) int { return n.open - n.youngOpen + n.young*worth }

func (g *Group) piles() []pile {
	worth := g.worth()
	last := slices.IndexFunc(g.nodes, func(n *node) bool { return n.ID == g.lastDealt })
	out := make([]pile, 0, len(g.nodes))
	for i, n := range g.nodes {
		if !n.takesNew() {
			continue
		}
		out = append(out, pile{
			id: n.ID, share: n.Weight, bound: n.bound, open: n.open,
			load: n.load(worth),
			turn: (i - last - 1 + len(g.nodes)) % len(g.nodes),
		})
	}
	return out
}

// fill lays out a plan.
func (g *Group) fill() []NodeID {
	piles := g.piles()
	if len(piles) == 0 {
		return []NodeID{}
	}
	return g.layOut(piles, planLength(piles))
}

// layOut deals slots onto the piles. Each goes to the node that would hold the
// least by its weight with one more client, in connections, then in bound clients,
// then to the next in turn. A tie for the first slot goes to who has the fewest
// connections open now; for all slots that would deal two in a row to one node, and
// the second of them on top of a client that is on its way there already.
func (g *Group) layOut(piles []pile, length int) []NodeID {
	worth := g.worth()
	slots := make([]NodeID, 0, length)
	for range length {
		best := 0
		for i := 1; i < len(piles); i++ {
			a, b := &piles[i], &piles[best]
			d := less(a, b, worth)
			if d == 0 && len(slots) == 0 {
				d = a.open*b.share - b.open*a.share
			}
			if d < 0 || d == 0 && a.turn < b.turn {
				best = i
			}
		}
		p := &piles[best]
		dealt := p.turn
		for i := range piles {
			piles[i].turn = (piles[i].turn - dealt - 1 + 2*len(g.nodes)) % len(g.nodes)
		}
		p.add(worth)
		slots = append(slots, p.id)
	}
	return slots
}

func planLength(piles []pile) int {
	divisor, round := 0, 0
	for _, p := range piles {
		divisor = gcd(divisor, p.share)
		round += p.share
	}
	round /= divisor
	return min(max(PlanLength/round, 1)*round, maxPlan)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (p *pile) add(worth int) {
	p.load += worth
	p.bound++
}

// less compares what two nodes would hold with one more client each: negative
// when a would hold less by its weight.
func less(a, b *pile, worth int) int {
	if d := (a.load+worth)*b.share - (b.load+worth)*a.share; d != 0 {
		return d
	}
	return (a.bound+1)*b.share - (b.bound+1)*a.share
}

// stillRight reports whether each slot goes to a node that nobody undercuts.
func (g *Group) stillRight(slots []NodeID) bool {
	piles := g.piles()
	worth := g.worth()
	for _, id := range slots {
		at := slices.IndexFunc(piles, func(p pile) bool { return p.id == id })
		if at < 0 {
			return false
		}
		for i := range piles {
			if less(&piles[i], &piles[at], worth) < 0 {
				return false
			}
		}
		piles[at].add(worth)
	}
	return true
}
