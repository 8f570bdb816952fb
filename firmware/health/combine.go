package health

// What ports and services say together. The state machine asks nothing else.

// well reports whether the node can serve as far as is known.
func (m *Machine) well() bool {
	ports := m.allAnswer()
	if m.rule.Services.Any {
		return ports || m.servicesVouch()
	}
	return ports && m.servicesAllow()
}

// down reports whether the node can't serve.
func (m *Machine) down() bool {
	worst := m.worst()
	ports := worst != nil && worst.misses >= m.rule.misses()
	services := m.notRunning() || m.silentService() != nil && m.silentService().misses >= m.rule.Services.misses()
	if m.rule.Services.Any {
		return ports && (services || !m.servicesRead())
	}
	return ports || services
}

// ailing reports whether something fails that would make the node Down if it went on.
func (m *Machine) ailing() bool {
	if m.rule.Services.Any {
		return m.worst() != nil && !m.well()
	}
	return m.worst() != nil || m.notRunning() || m.silentService() != nil
}

// notRunning reports whether a service is known not to run.
func (m *Machine) notRunning() bool { return m.halted() != nil }

func (m *Machine) halted() *service {
	for _, s := range m.services {
		if s.worth() == halts {
			return s
		}
	}
	return nil
}

// silentService is the service whose questions were left unanswered most often,
// nil when none is; one that could never be read does not count.
func (m *Machine) silentService() (worst *service) {
	for _, s := range m.services {
		if s.read && s.worth() == silence && (worst == nil || s.misses > worst.misses) {
			worst = s
		}
	}
	return worst
}

// servicesAllow reports whether no service speaks against the node. All must have
// been asked: what is not known yet may be a service that is stopping.
func (m *Machine) servicesAllow() bool {
	for _, s := range m.services {
		if s.last.IsZero() || s.worth() == halts || s.read && s.worth() == silence {
			return false
		}
	}
	return true
}

// servicesVouch reports whether the services alone show that the node is well: all
// of them run.
func (m *Machine) servicesVouch() bool {
	for _, s := range m.services {
		if s.worth() != runs {
			return false
		}
	}
	return len(m.services) > 0
}

// servicesRead reports whether the state of every service can be read, but for
// misses.
func (m *Machine) servicesRead() bool {
	for _, s := range m.services {
		if !s.read {
			return false
		}
	}
	return len(m.services) > 0
}
