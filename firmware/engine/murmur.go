package engine

import "time"

// murmur bounds how often it is told that a node misses a probe and answers the next
// one. On a bad line that happens twice a minute, and would crowd everything else out
// of the journal.
type murmur struct {
	since time.Time
	told  int
}

// A node misses and answers six times an hour before it is passed over in silence.
// The probes themselves are kept by its machine.
const (
	murmurs      = 12
	murmurWindow = time.Hour
)

// tell reports whether this time is told, and what to add to the last one.
func (m *murmur) tell(now time.Time) (bool, string) {
	if passed := now.Sub(m.since); m.since.IsZero() || passed >= murmurWindow || passed < 0 {
		*m = murmur{since: now}
	}
	m.told++
	if m.told == murmurs {
		return true, ". That happens often: until " + m.since.Add(murmurWindow).Format(time.TimeOnly) + " it is not told again; its probes show it"
	}
	return m.told < murmurs, ""
}
