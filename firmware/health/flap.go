package health

import (
	"fmt"
	"time"

	"spoolgate/firmware/phrase"
)

// A node that goes Down again soon after it came Up is held back longer each time:
// its MFDs would move to it and away from it with every turn. The up-delay doubles
// with each fall, up to mostHeldBack up-delays or longestHeldBack, and is the plain one
// again for a node that was steady, which served for steadyFor up-delays before it fell.
// While no other node serves it is the plain one, too: a node that works now and then is
// better than none. A restart of the daemon forgets no fall: see Recall.
const (
	steadyFor       = 20 // an hour, with an up-delay of 3 minutes
	mostHeldBack    = 8  // 24 minutes
	longestHeldBack = time.Hour
)

// flaps are the falls of a node that served, since it was steady.
type flaps struct {
	serving time.Time // since
	first   time.Time // of the falls
	times   int
	needed  bool // no node of its group serves
}

// fell notes that the node was serving and went Down.
func (f *flaps) fell(now time.Time, upDelay time.Duration) {
	if f.times == 0 || f.steady(now, upDelay) {
		f.first, f.times = now, 0
	}
	f.times++
}

// steady reports whether a node that serves has done so for long.
func (f *flaps) steady(now time.Time, upDelay time.Duration) bool {
	return now.Sub(f.serving) >= steadyFor*upDelay
}

// Need tells whether no node of the group serves, so that this one must not be held
// back for longer than the plain up-delay. It counts from the next Tick on.
func (m *Machine) Need(needed bool) { m.flaps.needed = needed }

// upDelay is how long the node must answer without a failure before it is Up.
func (m *Machine) upDelay() time.Duration {
	if m.flaps.needed {
		return m.rule.UpDelay
	}
	return m.flaps.delay(m.rule.UpDelay)
}

func (f *flaps) delay(plain time.Duration) time.Duration {
	factor := 1
	for i := 1; i < f.times && factor < mostHeldBack; i++ {
		factor *= 2
	}
	return max(plain, min(time.Duration(factor)*plain, longestHeldBack))
}

// heldBack says in words that the delay is longer than the plain one, and why.
func (m *Machine) heldBack() string {
	delay := m.flaps.delay(m.rule.UpDelay)
	if delay == m.rule.UpDelay {
		return ""
	}
	fell := fmt.Sprintf("; it went Down %s since %s, ", phrase.Count(m.flaps.times, "time"), clock(m.flaps.first))
	if m.flaps.needed {
		return fell + "and is not held back for longer because no other node serves"
	}
	return fell + fmt.Sprintf("so it is held back for %v instead of %v", delay, m.rule.UpDelay)
}
