package dataplane

import (
	"errors"
	"fmt"
	"slices"
)

// Cut ends all connections of nodes, so that both ends notice at once, and
// returns how many were open. First take the nodes out of service (Change), or
// their clients come back to them.
//
// The entries are deleted; an end that sends next is reset as an orphan, an
// idle one is poked: a bogus ACK, which it answers with an ACK of its own that
// is reset in turn.
func (t *Table) Cut(marks ...Mark) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := 0
	for _, m := range marks {
		if m == 0 || m > MaxMark {
			return total, fmt.Errorf("cut connections: mark %d is no node's", m)
		}
		n, err := t.cut(m)
		total += n
		if err != nil {
			return total, fmt.Errorf("cut connections of mark %d: %w", m, err)
		}
	}
	return total, nil
}

// cut looks again until nothing is left: a connection that was being set up
// may have been missed the first time.
func (t *Table) cut(mark Mark) (int, error) {
	total := 0
	for range 3 {
		var found []connection
		err := t.conntrack.dump(ofNode(mark), func(c *connection) {
			if c.ours() {
				c := *c
				c.rawOriginal = slices.Clone(c.rawOriginal)
				found = append(found, c)
			}
		})
		if err != nil || len(found) == 0 {
			return total, err
		}
		there, err := t.conntrack.delete(found)
		var poked []error
		for i, was := range there {
			if !was || found[i].over() || !found[i].answered() {
				continue
			}
			total++
			if found[i].talking() {
				poked = append(poked, t.poker.poke(found[i]))
			}
		}
		if err := errors.Join(err, errors.Join(poked...)); err != nil {
			return total, err
		}
	}
	return total, nil
}
