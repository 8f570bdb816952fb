package health

import (
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

// Health is that of the node, as of the last call of another method.
func (m *Machine) Health() api.Health { return m.health }

// Status says how the node is, as of the last call of another method.
func (m *Machine) Status() Status {
	s := Status{Health: m.health, Reason: m.reason(), Since: m.since, UpAt: m.upAt(), Stopping: m.stopping()}
	for _, p := range m.ports {
		last := p.probe()
		s.Ports = append(s.Ports, api.Port{
			Port: p.number, Outcome: last.Outcome, Misses: p.misses, Last: p.last, RTT: last.RTT,
		})
	}
	for _, v := range m.services {
		s.Services = append(s.Services, api.WindowsService{
			Name: v.name, State: v.answer.State, Detail: v.answer.Detail, Since: v.since, Last: v.last, Misses: v.misses, Counts: v.read,
		})
	}
	return s
}

func (m *Machine) reason() string {
	worst := m.worst()
	switch m.health {
	case api.Up:
		return m.why + m.aside()
	case api.Down:
		switch {
		case m.halted() != nil && !m.rule.Services.Any:
			return m.halted().sentence()
		case worst != nil && m.rule.Services.Any:
			return fmt.Sprintf("port %d %s", worst.number, Words(worst.probe())) + m.aside()
		case worst != nil && worst.misses > 0:
			what, why := words(worst.probe())
			return fmt.Sprintf("port %d %s %s in a row%s", worst.number, what, phrase.Count(worst.misses, "time"), why)
		case worst != nil:
			return worst.sentence()
		case m.silentService() != nil:
			return m.silentService().sentence() + ", " + phrase.Count(m.silentService().misses, "time") + " in a row"
		}
		return "was Down, and not every port has answered since"
	case api.Checking:
		switch {
		case worst == nil && m.silentService() != nil:
			return m.silentService().sentence() + m.silentService().missed(m.rule.Services.misses())
		case worst == nil:
			return "not every port has been probed since the daemon restarted"
		case m.held(m.now):
			return worst.sentence() + "; kept in use because " + m.hold.Reason
		}
		return worst.sentence() + m.missed(worst)
	case api.Starting:
		if s := m.silentService(); worst == nil && s != nil {
			return fmt.Sprintf("%s: the up-delay of %v starts anew when all services run", s.sentence(), m.upDelay()) + m.heldBack()
		}
		if worst != nil {
			return fmt.Sprintf("%s: the up-delay of %v starts anew when all ports answer", worst.sentence(), m.upDelay()) + m.heldBack()
		}
		if m.answers.IsZero() {
			return fmt.Sprintf("not every port has answered yet; the up-delay of %v starts when all do", m.upDelay()) + m.heldBack()
		}
		left := max(m.upAt().Sub(m.now), 0)
		return fmt.Sprintf("answers since %s, Up in %.0f s", clock(m.answers), left.Seconds()) + m.heldBack() + m.aside()
	}
	if worst == nil && m.allAnswer() {
		return "its Windows services have not been asked yet"
	}
	if worst == nil {
		return "not every port has been probed yet"
	}
	return worst.sentence() + m.missed(worst)
}

func (m *Machine) missed(p *port) string {
	if p.misses == 0 {
		return ", which says nothing about the node"
	}
	return fmt.Sprintf(": miss %d of %d", p.misses, m.rule.misses())
}

func (p *port) sentence() string { return fmt.Sprintf("port %d %s", p.number, Words(p.probe())) }

// Words is what a probe's end looks like to somebody who stands before the rack, as
// a clause whose subject is the port.
func Words(p api.Probe) string {
	what, why := words(p)
	return what + why
}

// words takes the clause apart: what happened, which can be counted, and what is
// known of why, with the signs that it follows after.
func words(p api.Probe) (what, why string) {
	switch p.Outcome {
	case api.Open:
		return "answered", ""
	case api.Refused:
		what = "refused the connection"
	case api.Unreachable:
		what = "could not be reached"
	case api.Absent:
		what, why = "could not be reached", ": no machine answers for that address, it is off or its cable is out"
	case api.TimedOut:
		what = "did not answer"
	case api.NoRoute:
		what, why = "could not be probed", ": this box has no way to the node"
	case api.Failed:
		what = "could not be probed by this box"
	}
	if p.Detail != "" {
		why += " (" + p.Detail + ")"
	}
	return what, why
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }
