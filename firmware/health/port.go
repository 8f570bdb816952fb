package health

import (
	"time"

	"spoolgate/firmware/api"
)

// kept is the number of probes kept of each port: five minutes at the
// requirement's period of 5 s.
const kept = 60

// port is what is known of one probed port.
type port struct {
	number  uint16
	misses  int // consecutive
	open    bool
	excused bool      // of one silence: see Machine.excuses
	last    time.Time // zero: not probed yet
	history []api.Probe
}

func find(ports []*port, number uint16) *port {
	for _, p := range ports {
		if p.number == number {
			return p
		}
	}
	return nil
}

func (p *port) observe(now time.Time, probe api.Probe, counts bool) {
	if len(p.history) == kept {
		p.history = append(p.history[:0], p.history[1:]...)
	}
	p.history = append(p.history, probe)
	p.last = now
	p.open = probe.Outcome == api.Open
	switch {
	case p.open:
		p.misses = 0
	case counts:
		p.misses++
	}
}

func (p *port) failing() bool { return !p.last.IsZero() && !p.open }

func (p *port) probe() api.Probe {
	if len(p.history) == 0 {
		return api.Probe{}
	}
	return p.history[len(p.history)-1]
}

// worst is the failing port with the most misses, nil when none fails.
func (m *Machine) worst() (w *port) {
	for _, p := range m.ports {
		if p.failing() && (w == nil || p.misses > w.misses) {
			w = p
		}
	}
	return w
}

func (m *Machine) allAnswer() bool {
	for _, p := range m.ports {
		if !p.open {
			return false
		}
	}
	return len(m.ports) > 0
}

// gap reports whether p was left unobserved for longer than a failing node needs
// to be noticed, as when the daemon was frozen: nobody knows what happened then.
func (m *Machine) gap(p *port, now time.Time) bool {
	longest := time.Duration(m.rule.misses()) * m.rule.Interval
	return longest > 0 && !p.last.IsZero() && now.Sub(p.last) > longest
}

func (m *Machine) stale(now time.Time) bool {
	for _, p := range m.ports {
		if m.gap(p, now) {
			return true
		}
	}
	return m.servicesStale(now)
}

func (m *Machine) upAt() time.Time {
	if m.health != api.Starting || m.answers.IsZero() {
		return time.Time{}
	}
	return m.answers.Add(m.upDelay())
}

// Probes returns the last 60 probes of a port, oldest first; nil for a port that
// is not in the rule.
func (m *Machine) Probes(number uint16) []api.Probe {
	p := find(m.ports, number)
	if p == nil {
		return nil
	}
	return append([]api.Probe(nil), p.history...)
}
