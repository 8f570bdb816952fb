package incident

import (
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// grace is how long a state may go without an incident that explains it: the
// events of one trouble come one after the other.
const grace = 5 * time.Second

// nodeHealth: a node that is Down is an incident, unless the box itself is in
// trouble, which then explains it. It ends when the node is Up; that it is Starting
// is news of it.
func (b *Book) nodeHealth(ev api.Event, now time.Time) (*entry, api.Phase) {
	k := key{event.NodeDown, ev.Group, ev.Node}
	e := b.entries[k]
	open := e != nil && e.Open()
	switch api.Health(ev.State) {
	case api.Down:
		b.nodes[k] = seen{ev, now}
		if own := b.suspicion(); own != nil {
			own.add(ev)
			return own, api.Update
		}
		return b.begin(k, ev, now)
	case api.Up:
		delete(b.nodes, k)
		if open {
			return b.end(e, ev, now)
		}
	case api.Starting:
		if open {
			e.add(ev)
			return e, api.Update
		}
	}
	return nil, ""
}

// groupState: that a group has no spare, or that nobody is served, follows from a
// node that is Down or from the box's own trouble, and makes that as grave as it
// is. Without such a cause, as when nodes were drained, it is its own.
func (b *Book) groupState(ev api.Event, now time.Time) (*entry, api.Phase) {
	b.groups[ev.Group] = seen{ev, now}
	k := key{event.GroupState, ev.Group, ""}
	own := b.entries[k]
	if api.BoxState(ev.State) == api.OK {
		for _, e := range b.entries {
			if e.key.kind == event.NodeDown && e.Group == ev.Group {
				e.Severity = e.base
			}
		}
		if own != nil && own.Open() {
			return b.end(own, ev, now)
		}
		return nil, ""
	}
	if cause := b.explains(ev.Group); cause != nil {
		cause.add(ev)
		cause.Severity = cause.base
		if grave(ev.Severity) > grave(cause.base) {
			cause.Severity = ev.Severity
		}
		return cause, api.Update
	}
	return b.begin(k, ev, now)
}

// explains is the open incident that a group's state follows from, the newest.
func (b *Book) explains(group string) *entry {
	if own := b.suspicion(); own != nil {
		return own
	}
	var newest *entry
	for _, e := range b.entries {
		if e.key.kind == event.NodeDown && e.Group == group && e.Open() && (newest == nil || e.ID > newest.ID) {
			newest = e
		}
	}
	return newest
}

// blamed is the open incident that connections were cut or MFDs moved by.
func (b *Book) blamed(ev api.Event) *entry {
	node := ev.Node
	if ev.Kind == event.ClientMoved {
		node = ev.From
	}
	k := key{event.NodeDown, ev.Group, node}
	if e := b.entries[k]; e != nil && e.Open() {
		return e
	}
	if _, down := b.nodes[k]; down {
		return b.suspicion()
	}
	return nil
}

// suspicion is the open incident of the box's own trouble.
func (b *Book) suspicion() *entry {
	if e := b.entries[key{event.BoxSuspicion, "", ""}]; e != nil && e.Open() {
		return e
	}
	return nil
}

// unexplained begins the incidents of what is still wrong after what explained it
// has ended: the cable is back, and a node stays away.
func (b *Book) unexplained(now time.Time) (out []api.Report) {
	if b.suspicion() != nil {
		return nil
	}
	notice := func(k key, s seen) {
		ev := api.Event{Kind: event.IncidentNoticed, Severity: s.Severity, Group: s.Group, Node: s.Node, State: s.State, Text: s.Text, Evidence: s.Evidence}
		e, phase := b.begin(k, ev, now)
		e.Updated, e.confirmed = now, true
		out = append(out, e.report(ev, phase))
	}
	for k, s := range b.nodes {
		if e := b.entries[k]; now.Sub(s.at) >= grace && (e == nil || !e.Open()) {
			notice(k, s)
		}
	}
	for group, s := range b.groups {
		k := key{event.GroupState, group, ""}
		if e := b.entries[k]; now.Sub(s.at) >= grace && api.BoxState(s.State) != api.OK && b.explains(group) == nil && (e == nil || !e.Open()) {
			notice(k, s)
		}
	}
	return out
}
