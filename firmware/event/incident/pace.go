package incident

import "time"

// Pace is how incidents follow each other. It is for trouble that comes and goes:
// a person shall hear of it twice or three times, and not of each time.
type Pace struct {
	// Again is how soon after its end a trouble that comes back is the same one.
	Again time.Duration
	// Steady is how long a trouble that came and went must stay away to be over.
	Steady time.Duration
	// FirstDigest and LongestDigest are the pauses between two digests: the first,
	// and the longest that it grows to, doubling.
	FirstDigest, LongestDigest time.Duration
	// Single is how long a trouble lasts that has no end of its own, such as a
	// daemon that was restarted.
	Single time.Duration
	// Confirm is how long after a restart of the balancer an incident of before
	// it may stay without a sign that it lasts.
	Confirm time.Duration
}

// DefaultPace is that of a box on a site.
func DefaultPace() Pace {
	return Pace{Again: 30 * time.Minute, Steady: 10 * time.Minute, FirstDigest: 5 * time.Minute, LongestDigest: time.Hour,
		Single: 10 * time.Minute, Confirm: 2 * time.Minute}
}

// flapping is how often a trouble that was never told to be over must come to be one
// that comes and goes. A server that starts may answer and fall silent once.
const flapping = 3

// How long a state may go without an incident that explains it.
const (
	// grace is for the state of a group: the events of one trouble come one after
	// the other.
	grace = 5 * time.Second
	// patience is for a node that is Down when the box no longer suspects itself:
	// its next probe may be a while away.
	patience = 30 * time.Second
)
