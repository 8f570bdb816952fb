package balance

// Rehearsal is what would follow if a node left now.
type Rehearsal struct {
	// Moves are the clients that would be dealt anew, Cut their open connections.
	Moves, Cut int
	// Holds are the clients that each node would hold then; nodes that take no new
	// clients hold those that they have.
	Holds map[NodeID]int
	// Serves is whether anybody would be left to take them.
	Serves bool
}

// Rehearse works out what would follow if a node left now and all of its clients
// called again, dealt as they would be. It changes nothing.
func (g *Group) Rehearse(id NodeID) (Rehearsal, error) {
	leaving := g.byID[id]
	if leaving == nil {
		return Rehearsal{}, ErrUnknownNode
	}
	r := Rehearsal{Moves: leaving.bound, Cut: leaving.open, Holds: map[NodeID]int{}}
	for _, n := range g.nodes {
		if n.ID != id {
			r.Holds[n.ID] = n.bound
		}
	}
	var left []pile
	for _, p := range g.piles() {
		if p.id != id {
			left = append(left, p)
		}
	}
	if r.Serves = len(left) > 0; !r.Serves {
		return r, nil
	}
	for _, to := range g.layOut(left, r.Moves) {
		r.Holds[to]++
	}
	return r, nil
}
