package engine

import (
	"math"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
	"spoolgate/firmware/mistake"
)

// past is what the journal of events tells of the time before this start, by the names
// that groups and nodes had then.
type past struct {
	moves    []pastMove                       // oldest first
	last     map[served]moving                // of each MFD
	complete time.Time                        // since then every move is known
	healths  map[mistake.Place][]health.Spell // oldest first
	services map[mistake.Place]event.Event    // the last of each node
}

// served is an MFD in a group.
type served struct {
	group string
	mfd   netip.Addr
}

// moving is an MFD's change of nodes; to is empty when it was forgotten.
type moving struct {
	at       time.Time
	from, to string
	cause    balance.Cause
}

// recall reads what happened, oldest first.
func recall(reports []api.Report) past {
	p := past{last: map[served]moving{}, healths: map[mistake.Place][]health.Spell{}, services: map[mistake.Place]event.Event{}}
	for i, r := range reports {
		ev := r.Event
		if i == 0 {
			p.complete = ev.Time // what was before it has given way
		}
		switch ev.Kind {
		case event.ClientMoved, event.ClientFault, event.ClientForgotten:
			p.move(ev)
		case event.NodeHealth:
			at := mistake.Place{Group: ev.Group, Node: ev.Node}
			since := ev.Since
			if since.IsZero() {
				since = ev.Time
			}
			p.healths[at] = append(p.healths[at], health.Spell{Health: api.Health(ev.State), Since: since})
		case event.NodeService:
			p.services[mistake.Place{Group: ev.Group, Node: ev.Node}] = ev
		case event.EventsFault:
			p.complete = ev.Time // some did not get there
		}
	}
	p.moves = p.moves[max(0, len(p.moves)-kept):]
	return p
}

func (p *past) move(ev api.Event) {
	if ev.Moves == nil {
		p.complete = ev.Time // told by an earlier version, which counted them only
		return
	}
	cause, known := balance.ParseCause(ev.Moves.Cause)
	if !known {
		p.complete = ev.Time
		return
	}
	m := moving{at: ev.Time, from: ev.Moves.From, to: ev.Node, cause: cause}
	for _, a := range ev.Moves.MFDs {
		p.moves = append(p.moves, pastMove{a, m.told(ev.Group)})
		p.last[served{ev.Group, a}] = m
	}
}

// recallService tells the policy since when a node is in its service. A node that was
// never taken out of it since its first event is in service for that long at least.
func (e *Engine) recallService(m *member, p past) {
	ev, told := p.services[m.place()]
	switch now := m.service().Service; {
	case told && ev.State == string(now):
		m.group.policy.Recall(m.id, ev.Time)
	case !told && now == api.InService && len(p.healths[m.place()]) > 0:
		m.group.policy.Recall(m.id, p.healths[m.place()][0].Since)
	}
}

// told is the change as people read it.
func (m moving) told(group string) api.Moved {
	why := "forgotten by the operator"
	if m.to != "" {
		why = balance.Why{Cause: m.cause, From: gone}.Text(func(balance.NodeID) string { return m.from })
	}
	return api.Moved{Time: m.at, Group: group, From: m.from, To: m.to, Why: why}
}

// gone is the number of a node that is not configured any more. None is given it:
// marks are counted from 1.
const gone balance.NodeID = math.MaxUint16

// origin is how a binding came to be, as far as it is known: since is zero if not.
type origin struct {
	since time.Time
	why   balance.Why
}

// tellingTakes is how much later than a move its event may be: a tick, and the second
// that the journal of who is where rounds down to.
const tellingTakes = 3 * time.Second

// origins joins what the two journals know of bindings. Who is where is written once a
// minute, moves at once; the kernel, which has the last word, knows no times.
func (e *Engine) origins(bindings []dataplane.Binding, r dataplane.Record, p past) map[place]origin {
	since := ages(r)
	out := make(map[place]origin, len(bindings))
	for _, b := range bindings {
		g, m := e.byVIP[b.VirtualAddress], e.members[balance.NodeID(b.Mark)]
		if g == nil || m == nil {
			continue
		}
		at := place{b.VirtualAddress, b.Client, m.Address}
		o := origin{since[at], balance.Why{Cause: balance.Remembered}}
		last, moved := p.last[served{g.Name, b.Client}]
		switch {
		case moved && last.to == m.Name && !o.since.After(last.at):
			o.why = balance.Why{Cause: last.cause, From: g.numberOf(last.from)}
			if last.at.Sub(o.since) > tellingTakes {
				o.since = last.at
			}
		case moved && !o.since.After(last.at):
			o.since = time.Time{} // it has moved since, and back, and nobody knows when
		case o.since.After(p.complete) && !p.complete.IsZero():
			o.why = balance.Why{Cause: balance.FirstContact}
		}
		out[at] = o
	}
	return out
}

// numberOf is the number of the node of that name.
func (g *group) numberOf(name string) balance.NodeID {
	for _, m := range g.members {
		if m.Name == name {
			return m.id
		}
	}
	return gone
}
