package naming

import (
	"net/netip"
	"time"
)

const (
	// asked is how many questions a second one asker may put, and burst how many
	// at once. An MFD puts a few an hour, a name server of a large site a few a
	// second.
	asked = 50
	burst = 200
	// askers bounds the memory of who asked how much.
	askers = 4096
	// reclaimEvery is the time between two searches for those who need not be
	// remembered any more.
	reclaimEvery = 100 * time.Millisecond
)

// budgets is how much each asker may still ask.
type budgets struct {
	by        map[netip.Addr]budget
	others    budget // of those that there is no memory for: they share one
	reclaimed time.Time
}

type budget struct {
	left float64
	at   time.Time
}

func newBudgets() *budgets { return &budgets{by: map[netip.Addr]budget{}} }

// take takes a question off the asker's budget, and reports whether it had one.
func (b *budgets) take(asker netip.Addr, now time.Time) bool {
	mine, known := b.by[asker]
	if !known && len(b.by) >= askers {
		b.reclaim(now)
	}
	if !known && len(b.by) >= askers {
		return b.others.take(now)
	}
	ok := mine.take(now)
	b.by[asker] = mine
	return ok
}

// reclaim forgets those whose budget is whole again. Who sends in the name of ever
// new others does not lengthen anybody's: a question is earned back in 20 ms.
func (b *budgets) reclaim(now time.Time) {
	if now.Sub(b.reclaimed) < reclaimEvery {
		return
	}
	b.reclaimed = now
	for asker, one := range b.by {
		if one.grown(now) >= burst {
			delete(b.by, asker)
		}
	}
}

func (b *budget) take(now time.Time) bool {
	b.left, b.at = b.grown(now), now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (b *budget) grown(now time.Time) float64 {
	if b.at.IsZero() {
		return burst
	}
	return min(burst, b.left+max(0, now.Sub(b.at).Seconds())*asked)
}
