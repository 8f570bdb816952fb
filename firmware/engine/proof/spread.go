package proof

import (
	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

// enough is how many MFDs a node must be due before anything is said of their spread:
// fewer are uneven by chance.
const enough = 5

// tolerated is the part of first contacts, one in so many, that may have gone to a
// node that was not the one with the fewest: several processors deal at once, and
// tell of it in another order.
const tolerated = 10

// shares are the serving nodes with the number of MFDs that is due to each.
type shares struct {
	nodes  []Node
	weight int // of all
	bound  int
}

func (g Group) shares() (s shares) {
	for _, n := range g.Nodes {
		if !n.Serving {
			continue
		}
		s.nodes = append(s.nodes, n)
		s.weight += n.Weight
		s.bound += n.Bound
	}
	return s
}

// needed is how many MFDs make the share of each configured node enough.
func (g Group) needed() int {
	all, least := 0, 0
	for _, n := range g.Nodes {
		all += n.Weight
		if least == 0 || n.Weight < least {
			least = n.Weight
		}
	}
	return (enough*all + least - 1) / max(least, 1)
}

// uneven are the nodes that are off their share by more than a fifth, and by more
// than one MFD.
func (s shares) uneven() (nodes []Node) {
	for _, n := range s.nodes {
		share := float64(s.bound) * float64(n.Weight) / float64(s.weight)
		off := float64(n.Bound) - share
		if off < 0 {
			off = -off
		}
		if off > 1 && off > share/5 {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// dealing is what first contacts show. Which node has the fewest is counted when each
// MFD comes: so a node that was away and gets all new MFDs until it has as many as
// the others speaks for the box, and not against it. Those that came while there was
// no choice are not counted.
func (g Group) dealing(s shares) (f finding) {
	dealt, amiss := g.Seen.dealt, g.Seen.amiss
	switch {
	case dealt < g.needed() && len(s.nodes) < 2:
		f.lacks("%s new MFDs: there is nothing to distribute; do: bring a second node into service", served(s.nodes))
	case dealt < g.needed():
		f.lacks("%s dealt since %s, %d are needed to judge; do: wait until more MFDs have come", phrase.Count(dealt, "new MFD"), clock(g.Seen.Since), g.needed())
	case amiss*tolerated > dealt:
		f.fails("%d of %d new MFDs went to a node that had more than another since %s; do: save a support bundle (spoolctl support FILE) and report it", amiss, dealt, clock(g.Seen.Since))
	default:
		f.shows("%d of %d new MFDs went to the node with the fewest connections since %s", dealt-amiss, dealt, clock(g.Seen.Since))
	}
	return f
}

func served(nodes []Node) string {
	if len(nodes) == 0 {
		return "no node takes"
	}
	return "only " + nodes[0].Name + " takes"
}

// spread judges by the first contacts; where they are too few, as after a restart,
// by those who are bound, if they are enough and even. Uneven, they may have been
// bound while a node was away, and the requirement has them stay.
func (g Group) spread() api.ProofItem {
	s := g.shares()
	f := g.dealing(s)
	off := s.uneven()
	judged := len(f.missing) == 0
	switch {
	case len(s.nodes) < 2:
	case !judged && s.bound >= g.needed() && len(off) == 0:
		f.missing = nil
		f.shows("%s bound on %s, each node has its share, give or take a fifth", phrase.Count(s.bound, "MFD"), phrase.Count(len(s.nodes), "node"))
	case len(off) > 0 && (judged || s.bound >= g.needed()):
		f.notes("uneven now: who was bound while a node was away, or holds few connections, stays for its window; new MFDs even it out")
	}
	for _, n := range g.Nodes {
		away := ""
		if !n.Serving {
			away = "; it takes no new MFDs now"
		}
		f.notes("%s: %s bound, %s, weight %d%s", n.Name, phrase.Count(n.Bound, "MFD"), phrase.Count(n.Open, "open connection"), n.Weight, away)
	}
	return f.item(sentence{"uniform", failover, "The load balancer shall distribute requests among SPOC/TS nodes in the Spooler Controller Group uniformly"})
}

func (g Group) leastConnections() api.ProofItem {
	f := g.dealing(g.shares())
	return f.item(sentence{"least-connections", passed, "Least connection Method"})
}
