package engine

import (
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/health"
)

// complaint takes a connection that its node refused or did not answer.
func (e *Engine) complaint(ev dataplane.Event, now time.Time) {
	m := e.members[balance.NodeID(ev.Mark)]
	if m == nil {
		return
	}
	s := m.machine.Status()
	if m.complaints.Complain(now, s, ev.Port, ev.Refused) {
		e.probeAgain(m, s)
	}
	e.learnUnserved(m, s, ev, now)
}

// follow probes a node again whose clients complained, while it fails.
func (e *Engine) follow(m *member, now time.Time) {
	if !m.complaints.Open() {
		return
	}
	if s := m.machine.Status(); m.complaints.Follow(now, s, m.group.Checks.Interval) {
		e.probeAgain(m, s)
	}
}

// probeAgain probes a node ahead of its turn, and all others with it once it is
// silent: a pulled cable of the box must not look like the end of the one node
// that a client complained of first.
func (e *Engine) probeAgain(m *member, s health.Status) {
	e.schedule.Now(m.Address)
	if !silent(s) {
		return
	}
	for _, other := range e.members {
		e.schedule.Now(other.Address)
	}
}

// silent reports whether a port failed without the refusal that proves the way
// to the node.
func silent(s health.Status) bool {
	for _, p := range s.Ports {
		if p.Misses > 0 && p.Outcome != api.Refused {
			return true
		}
	}
	return false
}
