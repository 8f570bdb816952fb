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
		var talking, rest []connection
		err := t.conntrack.dump(ofNode(mark), func(c *connection) {
			if !c.ours() {
				return
			}
			one := *c
			one.rawOriginal = slices.Clone(c.rawOriginal)
			if c.talking() && !c.over() {
				talking = append(talking, one)
			} else {
				rest = append(rest, one)
			}
		})
		if err != nil || len(talking)+len(rest) == 0 {
			return total, err
		}
		n, err := t.end(talking)
		if total += n; err != nil {
			return total, err
		}
		there, err := t.conntrack.delete(rest)
		for i, was := range there {
			if was && !rest[i].over() && rest[i].answered() {
				total++
			}
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// end ends connections whose ends believe in them. The clients hear of it first, of
// some while the entries of others are still deleted: they wait for another node.
func (t *Table) end(talking []connection) (int, error) {
	total := 0
	var poked []error
	var ended []connection
	for some := range slices.Chunk(talking, changesPerSend) {
		there, err := t.conntrack.delete(some)
		for i, was := range there {
			if was {
				ended = append(ended, some[i])
				poked = append(poked, t.poker.client(some[i]))
			}
		}
		if total = len(ended); err != nil {
			return total, errors.Join(err, errors.Join(poked...))
		}
	}
	for _, c := range ended {
		poked = append(poked, t.poker.node(c))
	}
	return total, errors.Join(poked...)
}
