package supervise

import "slices"

func (s *Supervisor) readMail(v *service, stopped <-chan struct{}) {
	err := v.mailbox.read(v.spec.Name, func(m mail) {
		select {
		case s.mails <- m:
		case <-stopped:
			m.close()
		}
	})
	select {
	case <-stopped:
	default:
		s.options.Log.Error("no more messages from a service", "service", v.spec.Name, "error", err)
	}
}

// take judges one mail and does what it says.
func (s *Supervisor) take(m mail) {
	defer func() { m.close() }() // what is kept is taken out of m below
	i := slices.IndexFunc(s.services, func(v *service) bool { return v.spec.Name == m.service })
	v := s.services[i]
	if m.mark {
		if v.exit != "" {
			s.exited(v)
		}
		return
	}
	if m.anonymous || m.uid != v.spec.UID || m.pid != v.machine.Daemon().PID {
		if !v.complained {
			s.options.Log.Warn("message of a stranger dropped", "service", m.service, "pid", m.pid, "uid", m.uid)
			v.complained = true
		}
		return
	}
	if m.message.Barrier {
		return // closing its descriptor is the answer
	}
	if m.message.Remove {
		v.keep.remove(m.message.FDName)
	}
	if m.message.Store {
		if refused := v.keep.take(m.files); refused > 0 {
			s.options.Log.Warn("descriptors not kept: limit reached", "service", m.service, "refused", refused, "limit", v.keep.limit)
		}
		m.files = nil
	}
	if m.message.Ask != "" {
		s.asked(v, m.message.Ask)
	}
	s.do(v, v.machine.Notify(s.options.Now(), m.message))
}

func (s *Supervisor) asked(v *service, what string) {
	switch {
	case slices.Contains(v.spec.Asks, what):
		s.options.Asked(v.spec.Name, what)
	case !v.complained:
		s.options.Log.Warn("service asks for what it may not have", "service", v.spec.Name, "ask", what)
		v.complained = true
	}
}
