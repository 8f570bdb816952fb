// Package incident makes incidents of events: one for each trouble, however many
// events it makes, from its beginning to its end.
//
// It is pure: events and time come in, reports go out. Who is told, and by which
// way, is not its business.
package incident

import (
	"cmp"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// Book has the incidents that are open, and those that ended so recently that they
// may come back. It is for one goroutine. What an event does to an incident:
//
//	there is none     begins it, if the event is trouble (a warning or worse)
//	it is open        trouble: an update. Its end: clears it, or, if it comes and
//	                  goes, an update; it is over when it has stayed away
//	it was over       trouble within Pace.Again opens it anew: it comes and goes
//	                  from now on, and is summed up, with growing pauses
//
// One that no event ends is over when it has not happened again for a while. What
// follows from an incident belongs to it: see nodes.go.
type Book struct {
	pace    Pace
	next    uint64
	entries map[key]*entry
	nodes   map[key]*lostNode
	groups  map[string]api.Event // the last state of each
	away    map[string]api.Event // those that MFDs do not reach, and why
	ordered map[string]bool      // those whose nodes an order was the last to change
	loose   map[key]time.Time    // wrong and without an incident since
	orphans []*entry             // open by the journal, and another one took their place
	since   time.Time            // of the book

	absorbed map[key]*absorbed // troubles that a wider one explains
}

// NewBook goes on from what a journal remembers.
func NewBook(pace Pace, h event.History, now time.Time) *Book {
	b := &Book{pace: pace, next: h.LastIncident + 1, entries: map[key]*entry{}, nodes: map[key]*lostNode{},
		groups: map[string]api.Event{}, away: map[string]api.Event{}, ordered: map[string]bool{}, loose: map[key]time.Time{}, since: now, absorbed: map[key]*absorbed{}}
	for _, r := range h.Reports {
		b.recallAbsorbed(r)
		if r.Incident != nil {
			b.restore(*r.Incident, now)
		}
	}
	for _, i := range h.Open {
		b.restore(i, now)
	}
	return b
}

// restore takes over an incident of before this book; of one kind the last one goes
// on.
func (b *Book) restore(i api.Incident, now time.Time) {
	b.next = max(b.next, i.ID+1)
	e := &entry{Incident: i, base: i.Severity, raisedTo: i.Severity, alone: rules[i.Kind].single, summed: i.Times}
	if i.Kind == event.NodeDown {
		e.base = event.Warning // what followed from it may have made it graver
	}
	e.confirmed = !e.Open() || e.alone // of a single trouble no more is to be heard
	if !e.passing() {
		e.Away = time.Time{} // what followed from it is not known any more
	} else {
		e.wasAway, e.Away = e.Away, now // nobody has watched it since
	}
	if e.ComesAndGoes {
		e.pause, e.nextDigest = b.pace.LongestDigest, now.Add(b.pace.FirstDigest)
	}
	before := b.entries[keyOf(i)]
	switch {
	case before == nil || before.ID == i.ID:
		b.entries[keyOf(i)] = e
	case before.ID > i.ID:
		if e.Open() {
			b.orphans = append(b.orphans, e)
		}
	default:
		b.entries[keyOf(i)] = e
		if before.Open() {
			b.orphans = append(b.orphans, before)
		}
	}
}

// Open are the incidents that last, the gravest first, then the oldest.
func (b *Book) Open() []api.Incident {
	var out []api.Incident
	for _, e := range b.entries {
		if e.Open() {
			i := e.Incident
			i.Evidence = slices.Clone(i.Evidence)
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(x, y api.Incident) int {
		return cmp.Or(grave(y.Severity)-grave(x.Severity), cmp.Compare(x.ID, y.ID))
	})
	return out
}

// Take finds the incident that an event belongs to, and what the event does to it.
// The report of an event that is no trouble has no incident.
func (b *Book) Take(ev api.Event, now time.Time) api.Report {
	e, phase := b.take(ev, now)
	if e == nil {
		return api.Report{Event: ev}
	}
	e.Updated = now
	return e.report(ev, phase)
}

func (b *Book) take(ev api.Event, now time.Time) (*entry, api.Phase) {
	switch ev.Kind {
	case event.NodeHealth:
		return b.nodeHealth(ev, now)
	case event.NodeService:
		b.ordered[ev.Group] = true
		return nil, ""
	case event.NodeCut, event.ClientMoved:
		return update(b.blamed(ev), ev)
	case event.GroupState:
		return b.groupState(ev, now)
	case event.GroupUnreached:
		return b.groupUnreached(ev, now)
	}
	rule := rules[ev.Kind]
	k := key{cmp.Or(rule.of, ev.Kind), ev.Group, ev.Node, ev.Program}
	if rule.within != "" {
		if wider := b.absorb(k, ev); wider != nil {
			return update(wider, ev)
		}
	}
	if grave(ev.Severity) >= grave(event.Warning) {
		return b.begin(k, ev, now)
	}
	if k.kind == event.BoxSuspicion {
		return b.trusted(ev, now)
	}
	return b.end(b.entries[k], ev, now)
}

// Confirm says of an incident of before a restart that it is known to last.
func (b *Book) Confirm(kind, group, node string) {
	k := key{kind: kind, group: group, node: node}
	if e := b.entries[k]; e != nil && e.Open() {
		e.confirmed = true
	}
	if a := b.absorbed[k]; a != nil {
		a.confirmed = true
	}
}

// Resume says of a group that it is in the state that was told before a restart, in
// which it has been since: what that belongs to does not change.
func (b *Book) Resume(state api.Event) {
	b.groups[state.Group] = state
	b.Confirm(event.GroupState, state.Group, "")
}

// update adds an event to an incident, if there is one.
func update(e *entry, ev api.Event) (*entry, api.Phase) {
	if e == nil {
		return nil, ""
	}
	e.add(ev)
	return e, api.Update
}

// begin begins an incident, or adds to the one that lasts or has come back.
func (b *Book) begin(k key, ev api.Event, now time.Time) (*entry, api.Phase) {
	rule, e := rules[k.kind], b.entries[k]
	alone := rule.single || ev.Once
	if e == nil || !e.Open() && now.Sub(e.Cleared) >= b.pace.Again {
		e = &entry{base: ev.Severity, raisedTo: ev.Severity, alone: alone, confirmed: true, summed: 1, Incident: api.Incident{
			ID: b.next, Kind: k.kind, Severity: ev.Severity, Group: k.group, Node: k.node, Program: k.program,
			Title: rule.title(k, ev), Cause: clip(ev.Text, longestCause), Do: rule.do, Began: now, Updated: now, Times: 1,
		}}
		b.next++
		e.add(ev)
		b.entries[k] = e
		return e, api.Begin
	}
	title := rule.title(k, ev)
	switch {
	case !e.Open() || !e.Away.IsZero() || e.eased:
		e.comeAgain(title, ev, now, b.pace)
	case alone:
		e.Times++
	}
	e.rename(title, ev)
	e.alone, e.confirmed = e.alone && alone, true
	e.raise(ev.Severity)
	return update(e, ev)
}

// end is the sign that a trouble is over. One that comes and goes is over only when
// it stays away.
func (b *Book) end(e *entry, ev api.Event, now time.Time) (*entry, api.Phase) {
	if e == nil || !e.Open() {
		return nil, ""
	}
	e.add(ev)
	e.confirmed = true
	if !e.ComesAndGoes {
		e.end(now)
		return e, api.Clear
	}
	e.goAway(now)
	return e, api.Update
}
