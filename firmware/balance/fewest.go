package balance

import "time"

// Fewest reports whether a new client on the node is where the fewest connections are
// by the weights of the nodes, give or take one client: several first contacts are
// dealt at once and told of in another order. Of two nodes with as many connections
// that with the fewer clients is meant, so either measure will do. It is not judged
// of a node that takes no new clients now, or is the only one that does. Call it
// before Opened counts the client.
func (g *Group) Fewest(id NodeID, now time.Time) (fewest, judged bool) {
	g.settle(now)
	n := g.byID[id]
	if n == nil || !n.takesNew() {
		return false, false
	}
	worth := g.worth()
	for _, other := range g.nodes {
		if other == n || !other.takesNew() {
			continue
		}
		judged = true
		byLoad := n.load(worth)*other.Weight <= (other.load(worth)+worth)*n.Weight
		byClients := n.bound*other.Weight <= (other.bound+1)*n.Weight
		if !byLoad && !byClients {
			return false, true
		}
	}
	return judged, judged
}
