package health

import (
	"time"

	"spoolgate/firmware/api"
)

// Spell is a time that a node had one health, as events told it.
type Spell struct {
	Health api.Health
	Since  time.Time
}

// Served reports whether a node served at a time, by its spells, oldest first; known is
// false where none of them is that old.
func Served(past []Spell, at time.Time) (served, known bool) {
	for _, s := range past {
		if s.Since.After(at) {
			break
		}
		served, known = serves(s.Health), true
	}
	return served, known
}

// Recall tells a new Machine the spells of its node before it, oldest first. So a
// node that comes and goes is held back after a restart of the daemon as before it, and
// one that is still as it was last told is so since then. One that did not serve when it
// was last told of has no right to be Up at its first probe, also where the box itself
// was started anew: it was not "there before us", and may be starting still. Spells of
// the future, as after a clock was set back, are left out.
func (m *Machine) Recall(past []Spell) {
	f, last := flaps{serving: m.flaps.serving, needed: m.flaps.needed}, Spell{}
	for _, s := range past {
		if s.Since.After(m.now) {
			continue
		}
		switch {
		case serves(s.Health) && !serves(last.Health):
			f.serving = s.Since
		case s.Health == api.Down && serves(last.Health):
			f.fell(s.Since, m.rule.UpDelay)
		}
		last = s
	}
	switch {
	case serves(last.Health) && f.steady(m.now, m.rule.UpDelay):
		f.times = 0
	case serves(m.health) && !serves(last.Health):
		f.serving = m.since
	}
	if m.health == last.Health {
		m.since = last.Since
	}
	m.first = m.first && (last.Health == "" || serves(last.Health))
	m.flaps = f
}
