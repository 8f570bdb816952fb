package health

import (
	"time"

	"spoolgate/firmware/api"
)

// Evidence decides when a node is probed ahead of its turn, because a client was
// refused or not answered by it. A round of probes follows at once, and as long as
// a port fails another one each second, so that a dead service is found in three
// or four seconds (or three time-outs of a probe) instead of the 15 s that three
// rounds of the requirement's 5 s take. Without complaints of clients there is no
// such round.
//
// Complaints alone change no health: the probes do, by the same rule, so that a
// node that loses two of three probes is not Down however many are made. A client
// that is refused where the probes find nothing wrong, as on a port that nobody
// serves, is heard ever less often: the pause between two rounds doubles from a
// second to the interval of the ordinary ones, which at most doubles the probes of
// the node. A minute without complaints, or a probe that fails, ends that.
//
// The zero Evidence is that of a node that nobody complained of. It is for one
// goroutine.
type Evidence struct {
	complained time.Time // last complaint
	open       bool      // not every port has answered since it
	asked      time.Time // last round that was asked for
	settled    time.Time // last of them that found nothing wrong
	pause      time.Duration
	believed   bool // a whole round since a complaint found the node serving
}

const (
	// hurry is the least time between two rounds that are asked for.
	hurry = time.Second
	// forgetting is how long after the last complaint a node counts as one that
	// nobody complained of.
	forgetting = time.Minute
)

// Complain takes the complaint of a client and reports whether the node is to be
// probed at once.
func (e *Evidence) Complain(now time.Time, s Status) (probe bool) {
	if now.Sub(e.complained) > forgetting {
		e.pause, e.believed = hurry, false
	}
	e.complained, e.open = now, true
	return e.due(now, s)
}

// Follow takes what is known of the node after a probe and reports whether it is
// to be probed again at once. interval is the time between two ordinary rounds.
func (e *Evidence) Follow(now time.Time, s Status, interval time.Duration) (probe bool) {
	if !e.open {
		return false
	}
	switch {
	case failing(s):
		e.pause = hurry
	case !e.settled.Equal(e.asked) && answered(s, e.asked):
		e.settled, e.pause = e.asked, max(hurry, min(2*e.pause, interval))
	}
	e.open = !answered(s, e.complained)
	e.believed = e.believed || s.Health == api.Up && heard(s, e.complained)
	return e.due(now, s)
}

// Believed reports whether a client that the node refuses is to be told: it was probed
// since somebody complained, and serves. Otherwise it may have just died.
func (e *Evidence) Believed(now time.Time, h api.Health) bool {
	return e.believed && h == api.Up && now.Sub(e.complained) <= forgetting
}

// Open reports whether there is a complaint that no whole round has answered.
func (e *Evidence) Open() bool { return e.open }

func (e *Evidence) due(now time.Time, s Status) bool {
	if !serves(s.Health) || !e.open || now.Sub(e.asked) < e.pause || underway(s, e.asked) {
		return false
	}
	e.asked = now
	return true
}

// underway reports whether a port has not been heard of since the last round that was
// asked for. Another one, asked for meanwhile, would begin nothing, and would put off
// the one that has to follow: a silent node was found 2 s late in 10.
func underway(s Status, asked time.Time) bool {
	for _, p := range s.Ports {
		if !p.Last.After(asked) {
			return true
		}
	}
	return false
}

// heard reports whether every port was probed since then, with whatever outcome.
func heard(s Status, then time.Time) bool {
	for _, p := range s.Ports {
		if p.Last.Before(then) {
			return false
		}
	}
	return true
}

// answered reports whether every port has answered since then.
func answered(s Status, then time.Time) bool {
	for _, p := range s.Ports {
		if p.Outcome != api.Open {
			return false
		}
	}
	return heard(s, then)
}

func failing(s Status) bool {
	for _, p := range s.Ports {
		if !p.Last.IsZero() && p.Outcome != api.Open {
			return true
		}
	}
	return false
}
