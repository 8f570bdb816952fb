package engine

import (
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
	"spoolgate/firmware/mistake"
)

// place is the node as mistakes name it.
func (m *member) place() mistake.Place { return mistake.Place{Group: m.group.Name, Node: m.Name} }

// observed is the node for what is observed of it now.
// client is whom it met.
func (e *Engine) observed(m *member, s health.Status, client netip.Addr) mistake.Node {
	n := mistake.Node{
		Place: m.place(), VirtualAddress: m.group.VirtualAddress, Address: m.Address,
		Transparent: m.group.Mode == config.Transparent, Gateway: e.source.find(m.Address),
		Adjacent: e.source.neighbours(m.Address, client),
		Patience: time.Duration(m.group.Checks.Misses) * m.group.Checks.Interval,
	}
	// One that serves by its Windows services alone is in trouble, and says so.
	if s.Health == api.Up && !slices.ContainsFunc(s.Ports, func(p api.Port) bool { return p.Misses > 0 }) {
		n.UpSince = s.Since
	}
	return n
}

// passes reports whether MFDs may use a port of the group.
func (g *group) passes(port uint16) bool {
	return slices.ContainsFunc(g.Ports, func(r config.PortRange) bool { return r.Contains(port) })
}

// fixed reports whether the port of a connection is one that the group passes, and
// none that an FTP server picked.
func fixed(g *group, ev dataplane.Event) bool {
	return !ev.Related && !g.PassivePorts.Contains(ev.Port)
}

// webDAV is the port that scans go to beside those of FTP (requirement: "5610,
// Terminal Server (WebDav)").
const webDAV = 5610

// learnOpened takes note of a connection that was sent to a node.
func (e *Engine) learnOpened(m *member, ev dataplane.Event, now time.Time) {
	e.mistakes.Opened(now, m.place(), ev.Port)
	c, bound := m.group.policy.Lookup(ev.Client, now)
	if !bound {
		return
	}
	e.crowded(m.group, ev.Client, c.Open, now)
	if c.Open >= mistake.Crowd || e.mistakes.Watched(m.group.Name, ev.Client) {
		e.mistakes.Busy(now, m.place(), ev.Client, c.Open)
	}
	// Of an MFD at work the first connection tells as much as all that follow.
	scans := ev.Port == webDAV || slices.Contains(m.group.FTPPorts, ev.Port)
	if fixed(m.group, ev) && (scans || c.Open == 1) {
		e.mistakes.Worked(now, m.group.Name, ev.Client, scans)
	}
}

// learnClosed takes note of the end of a connection.
func (e *Engine) learnClosed(m *member, ev dataplane.Event, opened, now time.Time) {
	if ev.Replied {
		m.complaints.Served(ev.Port)
		e.tellMistakes(e.mistakes.Served(m.place(), ev.Port, opened))
	}
	if !e.mistakes.Watched(m.group.Name, ev.Client) {
		return
	}
	c, _ := m.group.policy.Lookup(ev.Client, now)
	e.mistakes.Busy(now, m.place(), ev.Client, c.Open)
}

// learnUnserved takes note of a connection that a node refused or did not answer.
func (e *Engine) learnUnserved(m *member, s health.Status, ev dataplane.Event, now time.Time) {
	if fixed(m.group, ev) && (ev.Refused || ev.Kind == dataplane.Unanswered) {
		e.tellMistakes(e.mistakes.Unserved(now, e.observed(m, s, ev.Client), ev.Client, ev.Port, ev.Refused))
	}
}

// learnProbed takes note of the outcome of a probe.
func (e *Engine) learnProbed(m *member, port uint16, o api.Outcome, now time.Time) {
	node := mistake.Node{Place: m.place(), Address: m.Address, Startup: m.group.Checks.UpDelay, Answered: e.everOpen.has(m.Address, port)}
	if o == api.Open {
		e.answered(m, port)
	}
	e.tellMistakes(e.mistakes.Checked(now, node, port, o == api.Open, o == api.Refused))
}

// keepMistakes forgets those of nodes and ports that are not configured any more.
func (e *Engine) keepMistakes() {
	var nodes []mistake.Node
	for _, m := range e.members {
		nodes = append(nodes, mistake.Node{Place: m.place(), Address: m.Address, Checks: m.group.Checks.Ports, Passes: m.group.passes})
	}
	e.tellMistakes(e.mistakes.Keep(nodes))
}

func (e *Engine) tellMistakes(changes []mistake.Finding) {
	for _, f := range changes {
		e.tell(event.Event{Kind: f.Kind, Severity: f.Severity, Group: f.Group, Node: f.Node, Since: f.Since, About: f.About, Text: f.Text})
	}
}

// mistake takes from a report what it told of one.
func (p *past) mistake(r api.Report) {
	ev := r.Event
	at := mistake.Place{Group: ev.Group, Node: ev.Node}
	switch {
	case ev.Kind == event.IncidentCleared && r.Incident != nil:
		p.mistakes.Over(r.Incident.Kind, at)
	case mistake.Lasts(ev.Kind):
		p.mistakes.Told(mistake.Finding{Kind: ev.Kind, Severity: ev.Severity, Place: at, Text: ev.Text, Since: stateSince(ev), About: ev.About})
	}
}

// recallMistakes goes on with those that were open, of nodes that are still the same.
func (e *Engine) recallMistakes(before past, kernel dataplane.Adopted) {
	for _, f := range before.mistakes.Open() {
		same := slices.ContainsFunc(e.groups, func(g *group) bool {
			return g.Name == f.Group && (f.Node == "" || slices.ContainsFunc(g.members, func(m *member) bool { return m.Name == f.Node && before.stood(m, kernel) }))
		})
		if same {
			e.mistakes.Recall(e.startedAt, f)
		}
	}
	for _, g := range e.groups {
		for _, f := range e.mistakes.Open(g.Name) {
			e.book.Confirm(f.Kind, f.Group, f.Node)
		}
	}
	e.keepMistakes() // the configuration may have changed meanwhile
}

// mistakesOf are the open ones of a group, for people.
func (e *Engine) mistakesOf(g *group) (out []api.Mistake) {
	for _, f := range e.mistakes.Open(g.Name) {
		out = append(out, api.Mistake{Kind: f.Kind, Node: f.Node, Text: f.Text, Since: f.Since})
	}
	return out
}
