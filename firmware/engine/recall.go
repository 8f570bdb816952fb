package engine

import (
	"math"
	"net/netip"
	"slices"
	"strings"
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
	groups   map[string]event.Event           // the last state of each
	mistakes mistake.Remembered
	delays   map[mistake.Place]string // what was last told of an up-delay and the starts of each node
	doubted  time.Time                // since then the box suspects itself; zero when it does not
	// places are what names stood for in the configuration that was in use last; empty
	// where none was.
	places map[mistake.Place]netip.Addr
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

// recall reads what happened, oldest first. What bears a time to come was told by a
// clock that was set back since, and is left out.
func recall(reports []api.Report, now time.Time) past {
	p := past{last: map[served]moving{}, healths: map[mistake.Place][]health.Spell{}, services: map[mistake.Place]event.Event{}, groups: map[string]event.Event{}, delays: map[mistake.Place]string{}}
	for i, r := range reports {
		ev := r.Event
		if i == 0 || ev.Time.After(now) {
			p.complete = ev.Time // what was before the first has given way
		}
		if ev.Time.After(now) {
			continue
		}
		p.mistake(r)
		switch ev.Kind {
		case event.ClientMoved, event.ClientFault, event.ClientForgotten:
			p.move(ev)
		case event.NodeHealth:
			at := mistake.Place{Group: ev.Group, Node: ev.Node}
			p.healths[at] = append(p.healths[at], health.Spell{Health: api.Health(ev.State), Since: stateSince(ev)})
		case event.GroupState:
			p.groups[ev.Group] = ev
		case event.NodeService:
			p.services[mistake.Place{Group: ev.Group, Node: ev.Node}] = ev
		case event.NodeStart:
			if strings.Contains(ev.Text, "up_delay of group") {
				p.delays[mistake.Place{Group: ev.Group, Node: ev.Node}] = ev.Text
			}
		case event.BoxSuspicion:
			p.doubted = time.Time{}
			if ev.Severity == event.Alert {
				p.doubted = stateSince(ev)
			}
		case event.IncidentCleared:
			if r.Incident != nil && r.Incident.Kind == event.BoxSuspicion {
				p.doubted = time.Time{}
			}
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

// recallService tells the policy since when and why a node is in its service. A node
// that was never taken out of it since its first event is in service for that long at
// least.
func (p past) recallService(m *member) {
	ev, told := p.services[m.place()]
	now := m.service()
	reason, same := strings.CutPrefix(ev.Text, m.inService(now.Service))
	switch {
	case told && same:
		m.group.policy.Recall(m.id, ev.Time, reason)
	case !told && now.Service == api.InService && len(p.healths[m.place()]) > 0:
		m.group.policy.Recall(m.id, p.healths[m.place()][0].Since, now.Reason)
	}
}

// need says which groups have nobody who serves, before any of their nodes is judged:
// one that came and went is not said to be held back where it is not.
func (e *Engine) need(r dataplane.Record) {
	for _, g := range e.groups {
		serves := slices.ContainsFunc(g.members, func(m *member) bool {
			_, drained := r.Services[m.Address]
			h := m.machine.Health()
			return !drained && (h == api.Up || h == api.Checking)
		})
		for _, m := range g.members {
			m.machine.Need(!serves)
		}
	}
}

// recallStates tells since when groups are in the state that was told of them, if they
// still are: the kernel went on without this daemon, and then it is no news. The box is
// as it is since the last of them changed, at least, where each is known.
func (e *Engine) recallStates(p past) {
	var box judged
	for _, g := range e.groups {
		ev, told := p.groups[g.Name]
		if !told {
			box.since = e.startedAt
			continue
		}
		g.before = api.BoxState(ev.State)
		g.state = judged{state: g.before, since: stateSince(ev)}
		if box.state == "" || rank[g.state.state] > rank[box.state] {
			box.state = g.state.state
		}
		if g.state.since.After(box.since) {
			box.since = g.state.since
		}
	}
	e.box = box
}

// stateSince is since when what an event tells of is in its state. Those of an earlier
// version say only when they came.
func stateSince(ev api.Event) time.Time {
	if ev.Since.IsZero() {
		return ev.Time
	}
	return ev.Since
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
	since   time.Time
	earlier bool // since is the latest that it can have been
	why     balance.Why
}

// tellingTakes is how much later than a move its event may be: a tick, and the second
// that the journal of who is where rounds down to.
const tellingTakes = 3 * time.Second

// origins joins what the two journals know of bindings. Who is where is written once a
// minute, moves at once; the kernel, which has the last word, knows no times.
func (e *Engine) origins(bindings []dataplane.Binding, r dataplane.Record, p past) map[place]origin {
	written := entries(r)
	out := make(map[place]origin, len(bindings))
	for _, b := range bindings {
		g, m := e.byVIP[b.VirtualAddress], e.members[balance.NodeID(b.Mark)]
		if g == nil || m == nil {
			continue
		}
		at := place{b.VirtualAddress, b.Client, m.Address}
		o := origin{written[at].Since, written[at].Earlier, balance.Why{Cause: balance.Remembered}}
		last, moved := p.last[served{g.Name, b.Client}]
		switch {
		case moved && last.to == m.Name && !o.since.After(last.at):
			o.why = balance.Why{Cause: last.cause, From: g.numberOf(last.from)}
			if last.at.Sub(o.since) > tellingTakes {
				o.since, o.earlier = last.at, false
			}
		case moved && !o.since.After(last.at):
			o.since = time.Time{} // it has moved since, and back, and nobody knows when
		case !o.earlier && o.since.After(p.complete) && !p.complete.IsZero():
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
