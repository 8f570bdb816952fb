package incident

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// lostNode is a node that does not serve since it was Down.
type lostNode struct {
	down     api.Event // that said so
	starting bool      // it answers again
	boxs     bool      // it went Down with all others: the box's own incident explains it
}

// nodeHealth: a node that is Down is an incident, unless the box itself is in
// trouble, which then explains it. It ends when the node is Up; that it is Starting
// is news of it.
func (b *Book) nodeHealth(ev api.Event, now time.Time) (*entry, api.Phase) {
	k := key{kind: event.NodeDown, group: ev.Group, node: ev.Node}
	e, lost, own := b.entries[k], b.nodes[k], b.suspicion()
	open := e.lasts()
	delete(b.ordered, ev.Group)
	explained := lost != nil && lost.boxs && own != nil
	switch api.Health(ev.State) {
	case api.Down:
		doubted := own != nil && own.Away.IsZero() && !open
		b.nodes[k] = &lostNode{down: ev, boxs: doubted}
		if doubted {
			return update(own, ev)
		}
		return b.begin(k, ev, now)
	case api.Up:
		delete(b.nodes, k)
		if explained {
			return update(own, ev)
		}
		if e != nil {
			e.awaySince(ev.Since)
		}
		return b.end(e, ev, now)
	case api.Starting:
		if lost != nil {
			lost.starting = true
		}
		if explained {
			return update(own, ev)
		}
		if open {
			e.eased, e.confirmed = true, true
			return update(e, ev)
		}
	}
	return nil, ""
}

// trusted: the box no longer suspects itself. Its incident lasts until the nodes are
// Up again that went Down with it: nobody can print before.
func (b *Book) trusted(ev api.Event, now time.Time) (*entry, api.Phase) {
	own := b.entries[key{kind: event.BoxSuspicion}]
	if own == nil || !own.Open() || own.ComesAndGoes || len(b.comingBack()) == 0 {
		return b.end(own, ev, now)
	}
	own.Away, own.confirmed = now, true
	return update(own, ev)
}

// comingBack are the nodes that went Down with the box's own trouble and have not
// come back, nor become a trouble of their own.
func (b *Book) comingBack() (out []key) {
	for k, n := range b.nodes {
		if n.boxs {
			out = append(out, k)
		}
	}
	return out
}

// groupState: that a group has no spare, or that nobody is served, follows from a
// node that is Down or from the box's own trouble, and makes that as grave as it
// is. Without such a cause, as when nodes were drained, it is its own, and stays so: an
// operator's order is no evidence of a failure. A group of one node has no spare for as
// long as it has one node: that is no trouble.
func (b *Book) groupState(ev api.Event, now time.Time) (*entry, api.Phase) {
	b.groups[ev.Group] = ev
	k := key{kind: event.GroupState, group: ev.Group}
	if grave(ev.Severity) < grave(event.Warning) {
		for _, e := range b.entries {
			if e.Kind == event.NodeDown && e.Group == ev.Group {
				e.Severity = e.base
			}
		}
		return b.end(b.entries[k], ev, now)
	}
	cause := b.explains(ev.Group)
	if cause == nil || cause.Kind == event.NodeDown && (b.ordered[ev.Group] || b.entries[k].lasts()) {
		e, phase := b.begin(k, ev, now)
		e.base, e.Severity = ev.Severity, ev.Severity
		e.Title, e.Cause = rules[k.kind].title(k, ev), clip(ev.Text, longestCause)
		return e, phase
	}
	cause.Severity = cause.base
	if grave(ev.Severity) > grave(cause.base) {
		cause.Severity = ev.Severity
	}
	return update(cause, ev)
}

// groupUnreached: a box whose cable is out has no address for MFDs either; that
// belongs to the box's own incident. Otherwise it is one of the group.
func (b *Book) groupUnreached(ev api.Event, now time.Time) (*entry, api.Phase) {
	k := key{kind: event.GroupUnreached, group: ev.Group}
	e, own := b.entries[k], b.suspicion()
	open := e.lasts()
	if grave(ev.Severity) < grave(event.Warning) {
		delete(b.away, ev.Group)
		if own != nil && !open {
			return update(own, ev)
		}
		return b.end(e, ev, now)
	}
	b.away[ev.Group] = ev
	if own != nil && own.Away.IsZero() && !open {
		return update(own, ev)
	}
	return b.begin(k, ev, now)
}

// explains is the open incident that a group's state follows from: that MFDs do not
// reach the box, that the box reaches nobody, or the newest of its nodes'.
func (b *Book) explains(group string) *entry {
	if e := b.entries[key{kind: event.GroupUnreached, group: group}]; e.lasts() {
		return e
	}
	if own := b.suspicion(); own != nil && (own.lasts() || len(b.comingBack()) > 0) {
		return own
	}
	var newest *entry
	for _, e := range b.entries {
		if e.Kind == event.NodeDown && e.Group == group && e.lasts() && (newest == nil || e.ID > newest.ID) {
			newest = e
		}
	}
	return newest
}

// blamed is the incident of the failure that connections were cut or MFDs moved by; an
// operator's order is none.
func (b *Book) blamed(ev api.Event) *entry {
	k := key{kind: event.NodeDown, group: ev.Group, node: ev.From}
	if e := b.entries[k]; e.lasts() {
		return e
	}
	if n := b.nodes[k]; n != nil && n.boxs {
		return b.suspicion()
	}
	return nil
}

// suspicion is the open incident of the box's own trouble. One of before a restart
// explains nothing until it is seen again.
func (b *Book) suspicion() *entry {
	if e := b.entries[key{kind: event.BoxSuspicion}]; e != nil && e.Open() && e.confirmed {
		return e
	}
	return nil
}

// unexplained begins the incidents of what is still wrong after what explained it
// has ended: the cable is back, and a node stays away.
func (b *Book) unexplained(now time.Time) (out []api.Report) {
	own := b.suspicion()
	wrong := map[key]api.Event{}
	for k, n := range b.nodes {
		explained := own != nil && own.Away.IsZero() || n.boxs && n.starting
		if e := b.entries[k]; !explained && !e.lasts() {
			wrong[k] = n.down
		}
	}
	for group, ev := range b.groups {
		k := key{kind: event.GroupState, group: group}
		if e := b.entries[k]; grave(ev.Severity) >= grave(event.Warning) && b.explains(group) == nil && !e.lasts() {
			wrong[k] = ev
		}
	}
	for group, ev := range b.away {
		k := key{kind: event.GroupUnreached, group: group}
		if e := b.entries[k]; own == nil && !e.lasts() {
			wrong[k] = ev
		}
	}
	b.released(wrong)
	maps.DeleteFunc(b.loose, func(k key, _ time.Time) bool { _, is := wrong[k]; return !is })
	for _, k := range slices.SortedFunc(maps.Keys(wrong), compare) {
		wait := grace
		if n := b.nodes[k]; n != nil && n.boxs {
			wait = patience
		}
		if since, known := b.loose[k]; !known {
			b.loose[k] = now
		} else if now.Sub(since) >= wait {
			out = append(out, b.notice(k, wrong[k], now))
		}
	}
	return out
}

func (b *Book) notice(k key, ev api.Event, now time.Time) api.Report {
	delete(b.loose, k)
	delete(b.absorbed, k)
	if n := b.nodes[k]; n != nil {
		n.boxs = false
	}
	ev.Kind, ev.Seq, ev.Time = event.IncidentNoticed, 0, time.Time{}
	e, phase := b.begin(k, ev, now)
	e.Updated = now
	return e.report(ev, phase)
}

func compare(x, y key) int {
	return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.group, y.group), cmp.Compare(x.node, y.node), cmp.Compare(x.program, y.program))
}
