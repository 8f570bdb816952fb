package engine

import (
	"net/netip"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
)

// remembered transfers and moves, of all MFDs together: about a day of a busy
// floor, in half a megabyte each.
const kept = 4096

// history is what happened to MFDs.
type history struct {
	transfers ring[dataplane.Connection]
	moves     ring[pastMove]
}

type pastMove struct {
	client netip.Addr
	api.Moved
}

// ring keeps the last values that were put into it.
type ring[T any] struct {
	values []T
	next   int
}

func (r *ring[T]) put(v T) {
	if len(r.values) < kept {
		r.values = append(r.values, v)
		return
	}
	r.values[r.next] = v
	r.next = (r.next + 1) % kept
}

// newest yields the values, newest first, until yield returns false.
func (r *ring[T]) newest(yield func(T) bool) {
	for i := range r.values {
		if !yield(r.values[(r.next+len(r.values)-1-i)%len(r.values)]) {
			return
		}
	}
}

// movedBy remembers a change of an MFD's node; to is 0 when it was forgotten.
func (e *Engine) movedBy(g *group, client netip.Addr, from, to balance.NodeID, cause balance.Cause) {
	m := moving{at: e.opts.Now(), cause: cause}
	if from != 0 {
		m.from = e.name(from)
	}
	if to != 0 {
		m.to = e.name(to)
	}
	e.history.moves.put(pastMove{client, m.told(g.Name)})
}
