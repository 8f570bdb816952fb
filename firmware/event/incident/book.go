// Package incident makes incidents of events: one for each trouble, however many
// events it makes, from its beginning to its end.
//
// It is pure: events and time come in, reports go out. Who is told, and by which
// way, is not its business.
package incident

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// Pace is how incidents follow each other. It is for trouble that comes and goes:
// a person shall hear of it twice or three times, and not of each time.
type Pace struct {
	// Again is how soon after its end a trouble that comes back is the same one.
	Again time.Duration
	// Steady is how long a trouble that came back must stay away to be over.
	Steady time.Duration
	// FirstDigest and LongestDigest are the pauses between two digests: the first,
	// and the longest that it grows to, doubling.
	FirstDigest, LongestDigest time.Duration
	// Single is how long a trouble lasts that has no end of its own, such as a
	// daemon that was restarted.
	Single time.Duration
	// Confirm is how long after a restart of the balancer an incident of before
	// it may stay without a sign that it lasts.
	Confirm time.Duration
}

// DefaultPace is that of a box on a site.
func DefaultPace() Pace {
	return Pace{Again: 30 * time.Minute, Steady: 10 * time.Minute, FirstDigest: 2 * time.Minute, LongestDigest: time.Hour,
		Single: 10 * time.Minute, Confirm: 2 * time.Minute}
}

// key is what makes two troubles the same one.
type key struct{ kind, group, node string }

// entry is an incident while it may still change.
type entry struct {
	api.Incident
	key        key
	base       string    // severity without what it leads to
	quiet      time.Time // the trouble is away since; zero while it is there
	nextDigest time.Time // zero while it came once
	pause      time.Duration
	endsAlone  bool
	confirmed  bool
}

// seen is the last event of a state, and when it was that.
type seen struct {
	api.Event
	at time.Time
}

// Book has the incidents that are open, and those that ended so recently that they
// may come back. It is for one goroutine.
type Book struct {
	pace    Pace
	next    uint64
	entries map[key]*entry
	nodes   map[key]seen // nodes that do not serve after they were Down
	groups  map[string]seen
	since   time.Time // of the book
}

// NewBook continues a journal: reports are what was kept of before, oldest first.
func NewBook(pace Pace, reports []api.Report, now time.Time) *Book {
	b := &Book{pace: pace, next: 1, entries: map[key]*entry{}, nodes: map[key]seen{}, groups: map[string]seen{}, since: now}
	for _, r := range reports {
		if r.Incident == nil {
			continue
		}
		b.next = max(b.next, r.Incident.ID+1)
		k := key{r.Incident.Kind, r.Incident.Group, r.Incident.Node}
		e := &entry{Incident: *r.Incident, key: k, base: r.Incident.Severity, endsAlone: rules[k.kind].single}
		if !e.Open() {
			e.quiet, e.confirmed = e.Cleared, true
		}
		if e.Times > 1 {
			e.pause, e.nextDigest = pace.LongestDigest, now.Add(pace.FirstDigest)
		}
		b.entries[k] = e
	}
	return b
}

// Open are the incidents that last, the gravest first, then the oldest.
func (b *Book) Open() []api.Incident {
	var out []api.Incident
	for _, e := range b.entries {
		if e.Open() {
			out = append(out, e.Incident)
		}
	}
	slices.SortFunc(out, func(x, y api.Incident) int {
		if d := grave(y.Severity) - grave(x.Severity); d != 0 {
			return d
		}
		return int(x.ID) - int(y.ID)
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
	e.Updated, e.confirmed = now, true
	return e.report(ev, phase)
}

func (e *entry) report(ev api.Event, phase api.Phase) api.Report {
	ev.Incident = e.ID
	i := e.Incident
	i.Evidence = slices.Clone(i.Evidence)
	return api.Report{Event: ev, Incident: &i, Phase: phase}
}

func (b *Book) take(ev api.Event, now time.Time) (*entry, api.Phase) {
	switch ev.Kind {
	case event.NodeHealth:
		return b.nodeHealth(ev, now)
	case event.NodeCut, event.ClientMoved:
		if e := b.blamed(ev); e != nil {
			e.add(ev)
			return e, api.Update
		}
		return nil, ""
	case event.GroupState:
		return b.groupState(ev, now)
	}
	rule := rules[ev.Kind]
	k := key{cmp.Or(rule.of, ev.Kind), ev.Group, ev.Node}
	e := b.entries[k]
	if grave(ev.Severity) >= grave(event.Warning) {
		return b.begin(k, ev, now)
	}
	if e == nil || !e.Open() {
		return nil, ""
	}
	return b.end(e, ev, now)
}

// begin begins an incident, or adds to the one that lasts or has come back.
func (b *Book) begin(k key, ev api.Event, now time.Time) (*entry, api.Phase) {
	rule := rules[k.kind]
	e := b.entries[k]
	switch {
	case e != nil && e.Open() && e.quiet.IsZero():
		e.add(ev)
		e.raise(ev.Severity)
		if rule.single {
			e.Times++
		}
		return e, api.Update
	case e != nil && (e.Open() || now.Sub(e.Cleared) < b.pace.Again):
		e.Times++
		e.Cleared, e.quiet = time.Time{}, time.Time{}
		e.add(ev)
		e.raise(ev.Severity)
		if e.nextDigest.IsZero() {
			e.pause = b.pace.FirstDigest
			e.nextDigest = now.Add(e.pause)
		}
		return e, api.Update
	}
	e = &entry{key: k, base: ev.Severity, endsAlone: rule.single, Incident: api.Incident{
		ID: b.next, Kind: k.kind, Severity: ev.Severity, Group: k.group, Node: k.node,
		Title: rule.title(k, ev), Cause: ev.Text, Do: rule.do, Began: now, Times: 1,
	}}
	b.next++
	e.add(ev)
	b.entries[k] = e
	return e, api.Begin
}

// end is the sign that a trouble is over. One that came back is over only when it
// stays away.
func (b *Book) end(e *entry, ev api.Event, now time.Time) (*entry, api.Phase) {
	e.add(ev)
	if e.Times > 1 && !e.endsAlone {
		if e.quiet.IsZero() {
			e.quiet = now
		}
		return e, api.Update
	}
	e.Cleared, e.quiet = now, now
	return e, api.Clear
}

// mostEvidence is how many lines of evidence an incident keeps: the first, which
// say how it began, and the last.
const mostEvidence = 12

func (e *entry) add(ev api.Event) {
	lines := ev.Evidence
	if len(lines) == 0 {
		lines = []string{ev.Text}
	}
	for _, l := range lines {
		if !slices.Contains(e.Evidence, l) {
			e.Evidence = append(e.Evidence, l)
		}
	}
	if n := len(e.Evidence); n > mostEvidence {
		e.Evidence = slices.Concat(e.Evidence[:mostEvidence/2], e.Evidence[n-mostEvidence/2:])
	}
	if ev.Kind == event.ClientMoved {
		e.Moved += ev.Count
	}
}

// raise takes over a severity of the trouble itself.
func (e *entry) raise(severity string) {
	if grave(severity) > grave(e.base) {
		e.base = severity
	}
	if grave(e.base) > grave(e.Severity) {
		e.Severity = e.base
	}
}

// Tick is what time alone brings about: digests, and ends. Call it every second.
func (b *Book) Tick(now time.Time) []api.Report {
	var out []api.Report
	out = append(out, b.unexplained(now)...)
	keys := slices.SortedFunc(maps.Keys(b.entries), func(x, y key) int { return int(b.entries[x].ID) - int(b.entries[y].ID) })
	for _, k := range keys {
		e := b.entries[k]
		switch {
		case !e.Open():
			if now.Sub(e.Cleared) >= b.pace.Again {
				delete(b.entries, k)
			}
		case !e.confirmed && now.Sub(b.since) >= b.pace.Confirm:
			out = append(out, e.clear(now, "no sign of it since the balancer was started anew"))
		case e.endsAlone && now.Sub(e.Updated) >= b.pace.Single:
			out = append(out, e.clear(now, fmt.Sprintf("it has not happened again for %v", b.pace.Single)))
		case !e.quiet.IsZero() && now.Sub(e.quiet) >= b.pace.Steady:
			out = append(out, e.clear(now, fmt.Sprintf("over: it came %d times, and has stayed away for %v", e.Times, b.pace.Steady)))
		case !e.nextDigest.IsZero() && !now.Before(e.nextDigest):
			out = append(out, b.digest(e, now))
		}
	}
	return out
}

func (e *entry) clear(now time.Time, why string) api.Report {
	e.Cleared, e.quiet, e.Updated, e.confirmed = now, now, now, true
	return e.report(api.Event{Kind: event.IncidentCleared, Severity: event.Notice, Group: e.Group, Node: e.Node, Text: e.Title + ": " + why}, api.Clear)
}

func (b *Book) digest(e *entry, now time.Time) api.Report {
	e.pause = min(2*e.pause, b.pace.LongestDigest)
	e.nextDigest, e.Updated = now.Add(e.pause), now
	text := fmt.Sprintf("%s: it came %d times since %s. The next summary follows in %v, and a last message when it has stayed away for %v",
		e.Title, e.Times, e.Began.Format(time.TimeOnly), e.pause, b.pace.Steady)
	return e.report(api.Event{Kind: event.IncidentDigest, Severity: e.Severity, Group: e.Group, Node: e.Node, Text: text}, api.Digest)
}

// Keep ends the incidents of groups and nodes that are not configured any more.
func (b *Book) Keep(configured func(group, node string) bool, now time.Time) []api.Report {
	maps.DeleteFunc(b.nodes, func(k key, _ seen) bool { return !configured(k.group, k.node) })
	maps.DeleteFunc(b.groups, func(group string, _ seen) bool { return !configured(group, "") })
	var out []api.Report
	for _, i := range b.Open() {
		if i.Group != "" && !configured(i.Group, i.Node) {
			out = append(out, b.entries[key{i.Kind, i.Group, i.Node}].clear(now, "it is not configured any more"))
		}
	}
	return out
}

func grave(severity string) int {
	return slices.Index([]string{event.Info, event.Notice, event.Warning, event.Alert}, severity)
}
