package engine

import (
	"fmt"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/engine/proof"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
	"spoolgate/firmware/phrase"
)

// probed takes the result of a probe.
func (e *Engine) probed(p probed) {
	now := e.opts.Now()
	e.heard = e.heard || p.probe.Outcome != api.NoRoute && p.probe.Outcome != api.Failed
	e.suspicion.Observe(now, p.target.Address, p.probe)
	e.doubts(now)
	e.endPastDoubt(p.probe.Outcome)
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
	m.group.seen.Health(proof.Change{Node: m.Address, Was: was, Is: s.Health, Ports: s.Ports, Misses: m.group.Checks.Misses, Services: m.Services.Watched(), At: now})
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
	e.tell(event.Event{Kind: event.NodeHealth, Severity: severity, Group: m.group.Name, Node: m.Name, State: string(s.Health), Since: s.Since,
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

// tellMoves tells of the MFDs that changed nodes since the last tick, one
// event for all of one cause.
func (e *Engine) tellMoves() {
	for k, mfds := range e.moves {
		n := len(mfds)
		why := balance.Why{Cause: k.cause, From: k.from}.Text(e.name)
		ev := event.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: k.group.Name, Node: e.name(k.to), Count: n,
			Moves: &api.Moves{MFDs: mfds, From: e.name(k.from), Cause: k.cause.String()},
			Text:  fmt.Sprintf("%s now on %s: %s", phrase.Count(n, "MFD"), e.name(k.to), why)}
		if k.cause == balance.NodeLeft {
			ev.From = e.name(k.from)
		}
		if k.cause == balance.Unexplained {
			ev.Kind, ev.Severity = event.ClientFault, event.Alert
			ev.Text += ". This must not happen: save a support bundle (spoolctl support FILE) and report it"
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
