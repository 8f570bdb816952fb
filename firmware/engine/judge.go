package engine

import (
	"fmt"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// probed takes the result of a probe.
func (e *Engine) probed(p probed) {
	now := e.opts.Now()
	e.heard = e.heard || p.probe.Outcome != api.NoRoute && p.probe.Outcome != api.Failed
	e.suspicion.Observe(now, p.target.Address, p.probe)
	e.doubts(now)
	for _, m := range e.members {
		if m.Address != p.target.Address.Addr() {
			continue
		}
		if m.machine.Observe(now, p.target.Address.Port(), p.probe) {
			e.judge(m)
		}
		e.follow(m, now)
		e.learnProbed(m, p.target.Address.Port(), p.probe.Outcome, now)
	}
	e.measure(now, p)
	e.dirty = true
}

// probeNow probes a node and asks for its services at once, beside their turn.
func (e *Engine) probeNow(m *member) {
	e.schedule.Now(m.Address)
	e.windows.Now(m.Address)
}

// doubts tells all members when the box begins or ends to suspect itself.
func (e *Engine) doubts(now time.Time) {
	v := e.suspicion.Verdict()
	if v == e.doubt {
		return
	}
	e.doubt = v
	for _, m := range e.members {
		if m.machine.Hold(now, v) {
			e.judge(m)
		}
	}
	e.tellDoubt(now)
}

// settlingIn is how long after its own start a box may be without an address
// before that is worth an alarm: netd is still asking for it.
const settlingIn = 10 * time.Second

func (e *Engine) tellDoubt(now time.Time) {
	switch v := e.doubt; {
	case v.Suspect && !e.doubtTold && (e.heard || now.Sub(e.startedAt) >= settlingIn):
		e.doubtTold = true
		e.tell(event.Event{Kind: event.BoxSuspicion, Severity: event.Alert,
			Text: "it is probably this box and not the nodes: " + v.Reason + ". The last plan goes on. Check the cable, the switch port and the VLAN of the service interface"})
	case !v.Suspect && e.doubtTold:
		e.doubtTold = false
		e.tell(event.Event{Kind: event.BoxSuspicion, Severity: event.Notice, Text: "probes are answered again; the box no longer suspects itself"})
	}
}

// judge takes over what a member's machine says and tells changes.
func (e *Engine) judge(m *member) {
	s := m.machine.Status()
	now := e.opts.Now()
	m.group.policy.SetHealthy(m.id, s.Health == api.Up || s.Health == api.Checking, now)
	e.dirty = true
	// What a service on its way to the end still does for its MFDs is not cut short.
	dead := s.Health == api.Down && !s.Stopping
	if dead && !m.dead {
		e.dead = append(e.dead, m)
	}
	m.dead = dead
	if s.Health == m.health {
		return
	}
	was := m.health
	m.health = s.Health
	if was == "" && s.Health == api.Unknown {
		return
	}
	severity := event.Notice
	switch {
	case s.Health == api.Down:
		severity = event.Warning
	case s.Health == api.Checking, was == api.Checking && s.Health == api.Up:
		severity = event.Info
	}
	told, more := true, ""
	if severity == event.Info {
		told, more = m.murmur.tell(now)
	}
	if !told {
		return
	}
	e.tell(event.Event{Kind: event.NodeHealth, Severity: severity, Group: m.group.Name, Node: m.Name, State: string(s.Health),
		Text: fmt.Sprintf("%s is %s: %s%s", m.Name, s.Health, s.Reason, more), Evidence: m.evidence(s)})
}

// serviceOf names what listens on a checked port, in the words of the requirement's
// table "Ports required to be monitored".
var serviceOf = map[uint16]string{5555: " (SPOC Service)", 5022: " (Terminal Server)"}

// evidence is what the last probes of a node that is Down say of each port, and of each service.
func (m *member) evidence(s health.Status) (lines []string) {
	if s.Health != api.Down {
		return nil
	}
	for _, p := range s.Ports {
		if last := m.machine.Probes(p.Port); len(last) > 0 {
			lines = append(lines, fmt.Sprintf("port %d%s %s", p.Port, serviceOf[p.Port], health.Words(last[len(last)-1])))
		}
	}
	for _, v := range s.Services {
		lines = append(lines, health.ServiceSentence(v))
	}
	return lines
}

// groupVerdict answers "can people print now, and is there a spare?". It is
// final once every node has been probed.
func groupVerdict(g *group) (state api.BoxState, reason string, final bool) {
	serving, unknown := 0, 0
	var lost string
	for i, n := range g.policy.Nodes() {
		h := g.members[i].machine.Status().Health
		switch {
		case n.Serving:
			serving++
		case h == api.Unknown:
			unknown++
			lost = join(lost, g.members[i].Name+" is not probed yet")
		case n.Service != api.InService:
			lost = join(lost, g.members[i].Name+" is "+lower(string(n.Service)))
		default:
			lost = join(lost, g.members[i].Name+" is "+string(h))
		}
	}
	final = unknown == 0
	switch {
	case serving == 0 && unknown == len(g.members):
		return api.NothingServing, "the first probes are under way", final
	case serving == 0:
		return api.NothingServing, lastResort(g), final
	case serving == 1 && len(g.members) == 1:
		return api.NoSpare, "only one node is configured; a second one would be a spare", final
	case serving == 1:
		return api.NoSpare, "one node carries everything: " + lost, final
	case lost != "":
		return api.OK, fmt.Sprintf("%d of %d nodes serve; %s", serving, len(g.members), lost), final
	}
	return api.OK, fmt.Sprintf("all %d nodes serve", serving), final
}

// serves reports whether MFDs can be dealt to a node of the group.
func (g *group) serves() bool {
	return slices.ContainsFunc(g.policy.Nodes(), func(n balance.NodeState) bool { return n.Serving })
}

// lastResort says why no node takes MFDs, and what is tried. A Starting node is not
// taken before its time (requirement: "Node shall not be considered up immediately
// but after defined time"): a server that accepts before it can serve loses jobs,
// and an MFD that is refused tries again.
func lastResort(g *group) string {
	text := "no node takes MFDs, which are refused and try again: "
	for i, n := range g.policy.Nodes() {
		m, s := g.members[i], g.members[i].machine.Status()
		if i > 0 {
			text += "; "
		}
		if s.Health == api.Up || s.Health == api.Checking {
			text += fmt.Sprintf("%s is %s: return it to service", m.Name, lower(string(n.Service)))
			continue
		}
		text += fmt.Sprintf("%s is %s: %s", m.Name, s.Health, s.Reason)
	}
	return text + fmt.Sprintf(". Every node is probed every %v; the first that answers for its up-delay serves", g.Checks.Interval)
}

var rank = map[api.BoxState]int{api.OK: 0, api.NoSpare: 1, api.NothingServing: 2}

// verdicts judges groups and box, and tells what changed.
func (e *Engine) verdicts() {
	now := e.opts.Now()
	worst := judged{state: api.OK}
	if len(e.groups) == 0 {
		worst = judged{state: api.NothingServing, reason: "this box has no configuration yet"}
	}
	if len(e.groups) == 0 && e.unused != "" {
		worst.reason = "the configuration is wrong, and there is no earlier one"
	}
	for _, g := range e.groups {
		state, reason, final := groupVerdict(g)
		if away := e.unreached(g, now); away != "" {
			state, reason = api.NothingServing, away
		}
		e.tellReach(g, now)
		if g.state.state != state {
			g.state.state, g.state.since = state, now
		}
		if final && g.told != state {
			g.told = state
			e.tell(event.Event{Kind: event.GroupState, Severity: severityOf(g, state), Group: g.Name, State: string(state),
				Text: fmt.Sprintf("group %s: %s: %s", g.Name, state, reason)})
		}
		g.state.reason = reason
		if rank[state] >= rank[worst.state] {
			if rank[state] > rank[worst.state] {
				worst.reason = ""
			}
			worst.state = state
			if len(e.groups) > 1 {
				reason = g.Name + ": " + reason
			}
			worst.reason = join(worst.reason, reason)
		}
	}
	worst.since = e.box.since
	if e.box.state != worst.state {
		worst.since = now
	}
	e.box = worst
}

func severityOf(g *group, s api.BoxState) string {
	switch {
	case s == api.NothingServing:
		return event.Alert
	case s == api.NoSpare && len(g.members) > 1:
		return event.Warning
	}
	return event.Notice
}

// tellMoves tells of the MFDs that changed nodes since the last tick, one
// event for all of one cause.
func (e *Engine) tellMoves() {
	for k, n := range e.moves {
		why := balance.Why{Cause: k.cause, From: k.from}.Text(e.name)
		ev := event.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: k.group.Name, Node: e.name(k.to), Count: n,
			Text: fmt.Sprintf("%s now on %s: %s", count(n, "MFD"), e.name(k.to), why)}
		if k.cause == balance.NodeLeft {
			ev.From = e.name(k.from)
		}
		if k.cause == balance.Unexplained {
			ev.Kind, ev.Severity = event.ClientFault, event.Alert
			ev.Text += ". This must not happen: save a support bundle and report it"
		}
		e.tell(ev)
	}
	clear(e.moves)
}

// name is the name of a node, also of one that is not configured any more.
func (e *Engine) name(id balance.NodeID) string {
	if m := e.members[id]; m != nil {
		return m.Name
	}
	return "a removed node"
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func lower(s string) string {
	if s == "" {
		return s
	}
	return string(s[0]|0x20) + s[1:]
}
