package dataplane

import (
	"errors"
	"fmt"
	"slices"
	"sync"
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
		// The clients come first, those that still wait for the node's first answer too:
		// they wait for another node. Whatever fails, all is done that can be.
		ended, unheard := t.end(talking)
		there, err := t.conntrack.delete(rest)
		for i, was := range there {
			if was && !rest[i].over() && rest[i].answered() {
				total++
			}
		}
		total += len(ended)
		if err := errors.Join(unheard, err, t.poker.nodes(ended)); err != nil {
			return total, err
		}
	}
	return total, nil
}

// end deletes connections whose ends believe in them, and has their clients notice, the
// first of them while the entries of others are still deleted. It returns those that were
// there. To poke a client has its answer handled at once, by the processor that pokes: all
// take part.
func (t *Table) end(talking []connection) (ended []connection, failed error) {
	some := slices.Collect(slices.Chunk(talking, changesPerSend))
	poked := make([]error, len(some))
	var pokes sync.WaitGroup
	for i := 0; i < len(some) && failed == nil; i++ {
		var there []bool
		there, failed = t.conntrack.delete(some[i])
		from := len(ended)
		for k, was := range there {
			if was {
				ended = append(ended, some[i][k])
			}
		}
		gone := ended[from:]
		pokes.Go(func() { poked[i] = t.poker.clients(gone) })
	}
	pokes.Wait()
	return ended, errors.Join(failed, errors.Join(poked...))
}
