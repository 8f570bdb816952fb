package engine

import (
	"time"

	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/phrase"
)

// connections counts what the kernel tells of connections, and reports whether some of
// it was dealt by the plan: a first contact, or a move. Who looks sees it with the next
// second: to tell of it ten times in one took more than to count.
func (e *Engine) connections(b dataplane.Batch) (dealt bool) {
	now := e.opts.Now()
	if b.Busy {
		for _, g := range e.groups {
			g.policy.Hush(now)
		}
	}
	if b.Resync {
		e.resync(b)
		e.dirty = true
		return true
	}
	for _, ev := range b.Events {
		if ev.Ended != nil {
			e.history.transfers.put(*ev.Ended)
		}
		g := e.byVIP[ev.VirtualAddress]
		if ev.Unserved() {
			e.complaint(ev, now)
		}
		_, counted := e.open[ev.ID]
		switch {
		case ev.Kind == dataplane.Opened && !counted && g != nil:
			dealt = e.opened(g, ev, now) || dealt
		case ev.Kind == dataplane.Bound && g != nil:
			dealt = e.met(g, ev, now) || dealt
		case ev.Kind == dataplane.Closed && counted:
			e.closed(g, ev, now)
		case ev.Kind == dataplane.Closed && g != nil:
			g.prove(ev)
		}
	}
	return dealt
}

// opened counts a connection that has begun, and reports whether it was dealt.
func (e *Engine) opened(g *group, ev dataplane.Event, now time.Time) (dealt bool) {
	id := balance.NodeID(ev.Mark)
	e.open[ev.ID] = now.Sub(e.startedAt)
	g.seen.Opened(&g.Group, sighted(ev))
	if ev.Unsaid {
		// It may be older than a move of its client, and binds nobody.
		g.policy.Recount(ev.Client, id)
	} else {
		dealt = g.see(ev, now)
		if m, moved := g.policy.Opened(ev.Client, id, ev.Related, now); moved {
			dealt = true
			e.moved(g, m)
		}
	}
	if m := e.members[id]; m != nil {
		e.learnOpened(m, ev, now)
	}
	return dealt
}

// met takes note of whom a connection binds that does not count, and reports whether
// it was dealt.
func (e *Engine) met(g *group, ev dataplane.Event, now time.Time) (dealt bool) {
	dealt = g.see(ev, now)
	if m, moved := g.policy.Bound(ev.Client, balance.NodeID(ev.Mark), ev.ID, now); moved {
		dealt = true
		e.moved(g, m)
	}
	return dealt
}

// moved takes note of a client that changed nodes.
func (e *Engine) moved(g *group, m balance.Move) {
	k := moveKey{g, m.From, m.To, m.Cause}
	e.moves[k] = append(e.moves[k], m.Client)
	e.movedBy(g, m.Client, m.From, m.To, m.Cause)
	g.seen.Moved(m.Cause != balance.Unexplained)
}

// closed counts a connection that is over. Its group may be gone.
func (e *Engine) closed(g *group, ev dataplane.Event, now time.Time) {
	id, opened := balance.NodeID(ev.Mark), e.startedAt.Add(e.open[ev.ID])
	delete(e.open, ev.ID)
	if g != nil {
		g.prove(ev)
		if ev.Replied {
			g.seen.Answered(&g.Group, sighted(ev), now)
		} else {
			g.seen.Unanswered(&g.Group, sighted(ev))
		}
		g.policy.Closed(ev.Client, id, now)
	}
	if m := e.members[id]; m != nil {
		e.learnClosed(m, ev, opened, now)
	}
}

// prove takes note of whether a client confirmed a connection that is over.
func (g *group) prove(ev dataplane.Event) {
	if ev.Established {
		g.policy.Prove(ev.Client)
	} else {
		g.policy.Doubt(ev.Client, ev.ID)
	}
}

// resync counts everything anew: at the start, and when events were lost.
func (e *Engine) resync(b dataplane.Batch) {
	bindings, err := e.opts.Kernel.Bindings()
	if err != nil {
		e.tell(event.Event{Kind: event.KernelFault, Severity: event.Alert, Once: true,
			Text: "who is where could not be read from the kernel: " + err.Error()})
		return
	}
	e.adopt(bindings, nil)
	before, now := e.open, e.opts.Now()
	e.open = make(map[uint64]time.Duration, len(b.Events))
	for _, ev := range b.Events {
		if g := e.byVIP[ev.VirtualAddress]; g != nil && ev.Kind == dataplane.Opened {
			opened, seen := before[ev.ID]
			if !seen {
				g.seen.Opened(&g.Group, sighted(ev))
				opened = now.Sub(e.startedAt)
			}
			e.open[ev.ID] = opened
			g.policy.Recount(ev.Client, balance.NodeID(ev.Mark))
		}
	}
	if e.started {
		e.tell(event.Event{Kind: event.Resynchronised, Severity: event.Notice,
			Text: "connection events came faster than they could be read; " + phrase.Count(len(b.Events), "open connection") + " counted anew, no binding is lost"})
	}
	e.started = true
}

// adopt makes the kernel's bindings those of the groups. origins is what the
// journals know of them, which the kernel does not keep.
func (e *Engine) adopt(bindings []dataplane.Binding, origins map[place]origin) {
	now := e.opts.Now()
	byGroup := map[*group][]balance.Binding{}
	for _, b := range bindings {
		g, m := e.byVIP[b.VirtualAddress], e.members[balance.NodeID(b.Mark)]
		if g != nil && m != nil {
			o := origins[place{b.VirtualAddress, b.Client, m.Address}]
			byGroup[g] = append(byGroup[g], balance.Binding{Client: b.Client, Node: m.id, Left: b.Left, Since: o.since, Earlier: o.earlier, Why: o.why})
		}
	}
	for _, g := range e.groups {
		g.policy.Adopt(byGroup[g], now)
	}
}
