package health

import (
	"fmt"
	"time"
)

// A node that goes Down again soon after it came Up is held back longer each time:
// its MFDs would move to it and away from it with every turn. The up-delay doubles
// with each fall within flapWindow up-delays, up to mostHeldBack up-delays, and is
// the plain one again for a node that has stayed Up for that long.
const (
	flapWindow   = 20 // an hour, with an up-delay of 3 minutes
	mostHeldBack = 8  // 24 minutes
)

// fell notes that the node was serving and went Down.
func (m *Machine) fell(now time.Time) {
	recent := m.falls[:0]
	for _, t := range m.falls {
		if now.Sub(t) < flapWindow*m.rule.UpDelay {
			recent = append(recent, t)
		}
	}
	m.falls = append(recent, now)
}

// upDelay is how long the node must answer without a failure before it is Up.
func (m *Machine) upDelay() time.Duration {
	factor := 1
	for i := 1; i < len(m.falls) && factor < mostHeldBack; i++ {
		factor *= 2
	}
	return time.Duration(factor) * m.rule.UpDelay
}

// heldBack says in words that the delay is longer than the plain one, and why.
func (m *Machine) heldBack() string {
	if m.upDelay() == m.rule.UpDelay {
		return ""
	}
	return fmt.Sprintf("; it went Down %s since %s, so it is held back for %v instead of %v", times(len(m.falls)), clock(m.falls[0]), m.upDelay(), m.rule.UpDelay)
}
