package health

import (
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// ServiceRule is how the Windows services of a node count (requirement: "based on
// the state of appropriate Windows Services as reported by Service Control Manager
// ... AND/OR based on the availability of selected TCP ports").
//
// What a service's state is worth:
//
//	running            all services have to be for the node to be well by them.
//	stopped, pending,  The node says itself that it does not serve: that counts at
//	paused             once. A service that stops thus takes its node out before its
//	                   port dies, and one that starts never brings it Up.
//	no answer          counted by misses, like those of a port, when the state could be
//	                   read before. One that could never be read says nothing: a
//	                   firewall before port 445 or a misspelt name are no reason to
//	                   take a node out that prints.
//	account trouble    (wrong password, access denied, no agreement on security) says
//	                   nothing either, whether it could be read before or not: a
//	                   password that expires would take all nodes out in one moment.
//
// What says nothing leaves the decision to the ports, in both ways to combine; the
// node's reason names it.
type ServiceRule struct {
	Names    []string
	Any      bool // ports or services, not ports and services
	Misses   int  // consecutive questions without an answer; below 1 counts as 1
	Interval time.Duration
}

// service is what is known of one watched Windows service.
type service struct {
	name   string
	answer api.WindowsAnswer
	since  time.Time // the state is this one
	last   time.Time // zero: not asked yet
	misses int       // consecutive
	read   bool      // the state could be read, and it was not the account that ended that
}

// worth is what an answer is worth.
type worth int

const (
	runs worth = iota
	halts
	silence
	trouble // of the account
	nothing // the question did not leave the box
)

func worthOf(s api.WindowsState) worth {
	switch s {
	case api.WindowsRunning:
		return runs
	case api.WindowsStopped, api.WindowsStartPending, api.WindowsStopPending,
		api.WindowsPaused, api.WindowsPausePending, api.WindowsContinuePending:
		return halts
	case api.WindowsAccessDenied, api.WindowsWrongPassword, api.WindowsSealedPassword, api.WindowsInsecure:
		return trouble
	case api.WindowsNoRoute, api.WindowsNotAsked:
		return nothing
	}
	return silence
}

func (s *service) observe(now time.Time, a api.WindowsAnswer) {
	if s.answer.State != a.State {
		s.since = now
	}
	s.answer, s.last = a, now
	switch worthOf(a.State) {
	case runs, halts:
		s.read, s.misses = true, 0
	case trouble:
		s.read, s.misses = false, 0
	case silence:
		if s.read {
			s.misses++
		}
	}
}

func (s *service) worth() worth { return worthOf(s.answer.State) }

// setServices takes over the rule. Services that stay keep what is known of them.
func (m *Machine) setServices(rule ServiceRule) {
	old := m.services
	m.rule.Services, m.services = rule, nil
	for _, name := range rule.Names {
		i := slices.IndexFunc(old, func(s *service) bool { return s.name == name })
		if i < 0 {
			m.services = append(m.services, &service{name: name, answer: api.WindowsAnswer{Name: name, State: api.WindowsNotAsked}})
			continue
		}
		m.services = append(m.services, old[i])
	}
}

// ObserveServices takes what the node's Service Control Manager said, or why it
// said nothing. It reports whether health or the moment of Up changed. Services that
// are not in the rule are ignored.
func (m *Machine) ObserveServices(now time.Time, answers []api.WindowsAnswer) (changed bool) {
	for _, a := range answers {
		for _, s := range m.services {
			if s.name != a.Name {
				continue
			}
			if m.serviceGap(s, now) {
				m.answers = time.Time{}
			}
			s.observe(now, a)
		}
	}
	if m.notRunning() && !m.rule.Services.Any {
		m.first = false
	}
	return m.step(now)
}

func (m *Machine) serviceGap(s *service, now time.Time) bool {
	longest := time.Duration(m.rule.Services.misses()) * m.rule.Services.Interval
	return longest > 0 && s.read && now.Sub(s.last) > longest
}

func (m *Machine) servicesStale(now time.Time) bool {
	return slices.ContainsFunc(m.services, func(s *service) bool { return m.serviceGap(s, now) })
}

func (r ServiceRule) misses() int { return max(r.Misses, 1) }
