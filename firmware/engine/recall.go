package engine

import (
	"math"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

// past is what the journal of events tells of the time before this start, by the names
// that groups and nodes had then.
type past struct {
	moves    []pastMove        // oldest first
	last     map[served]moving // of each MFD
	complete time.Time         // since then every move is known
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
	p := past{last: map[served]moving{}}
	for i, r := range reports {
		ev := r.Event
		if i == 0 {
			p.complete = ev.Time // what was before it has given way
		}
		switch ev.Kind {
		case event.ClientMoved, event.ClientFault, event.ClientForgotten:
			p.move(ev)
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
