package balance

import (
	"slices"
	"time"
)

// Fewest reports whether a new client on the node is where the fewest connections are
// by the weights of the nodes, give or take one client: several first contacts are
// dealt at once and told of in another order. Of two nodes with as many connections
// that with the fewer clients is meant, so either measure will do. It is not judged
// of a node that takes no new clients now, or is the only one that does. Call it
// before Opened counts the client.
func (g *Group) Fewest(id NodeID, now time.Time) (fewest, judged bool) {
	g.settle(now)
	piles := g.piles()
	at := slices.IndexFunc(piles, func(p pile) bool { return p.id == id })
	if at < 0 || len(piles) < 2 {
		return false, false
	}
	worth, mine := g.worth(), piles[at]
	for _, other := range piles {
		byLoad := mine.load*other.share <= (other.load+worth)*mine.share
		byClients := mine.bound*other.share <= (other.bound+1)*mine.share
		if !byLoad && !byClients {
			return false, true
		}
	}
	return true, true
}
