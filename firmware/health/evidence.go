package health

import (
	"maps"
	"slices"
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
// the node. A minute without complaints, a complaint of another port, or a probe that
// fails ends that.
//
// The zero Evidence is that of a node that nobody complained of. It is for one
// goroutine.
type Evidence struct {
	complained time.Time // last complaint
	open       bool      // not every port has answered since it
	asked      time.Time // last round that was asked for
	settled    time.Time // last of them that found nothing wrong
	pause      time.Duration
	ports      map[uint16]refusal // that clients complained of
}

// refusal is what clients complain of at one port.
type refusal struct {
	first, last time.Time
	believed    bool // a whole round since found the node serving
}

const (
	// hurry is the least time between two rounds that are asked for.
	hurry = time.Second
	// forgetting is how long after the last complaint a node counts as one that
	// nobody complained of.
	forgetting = time.Minute
)

// Complain takes the complaint of a client, which was refused or not answered at a port,
// and reports whether the node is to be probed at once.
func (e *Evidence) Complain(now time.Time, s Status, port uint16, refused bool) (probe bool) {
	if now.Sub(e.complained) > forgetting {
		e.pause = hurry
	}
	if refused && s.Health == api.Up {
		e.refuse(now, port)
	}
	e.complained, e.open = now, true
	return e.due(now, s)
}

// refuse notes a refusal for which there is no reason yet.
func (e *Evidence) refuse(now time.Time, port uint16) {
	maps.DeleteFunc(e.ports, func(_ uint16, r refusal) bool { return now.Sub(r.last) > forgetting })
	if e.ports == nil {
		e.ports = map[uint16]refusal{}
	}
	r, known := e.ports[port]
	if !known {
		e.pause, r.first = hurry, now
	}
	r.last = now
	e.ports[port] = r
}

// Served takes a connection that the node answered at a port: if it refuses the next
// one there, that is news.
func (e *Evidence) Served(port uint16) { delete(e.ports, port) }

// Follow takes what is known of the node after a probe and reports whether it is
// to be probed again at once. interval is the time between two ordinary rounds.
func (e *Evidence) Follow(now time.Time, s Status, interval time.Duration) (probe bool) {
	if !e.open {
		return false
	}
	switch {
	case s.Health == api.Checking:
		e.pause = hurry
	case !e.settled.Equal(e.asked) && cleared(s, e.asked):
		e.settled, e.pause = e.asked, max(hurry, min(2*e.pause, interval))
	}
	e.open = !cleared(s, e.complained)
	for port, r := range e.ports {
		r.believed = r.believed || s.Health == api.Up && heard(s, r.first)
		e.ports[port] = r
	}
	return e.due(now, s)
}

// Believed are the ports of which a client that the node refuses there is to be told:
// the node was probed since somebody complained of it, and serves. At any other it may
// have just died. What it refused before it was found to be in trouble had that reason.
func (e *Evidence) Believed(now time.Time, h api.Health) (ports []uint16) {
	if h != api.Up {
		clear(e.ports)
	}
	for port, r := range e.ports {
		if r.believed && now.Sub(r.last) <= forgetting {
			ports = append(ports, port)
		}
	}
	slices.Sort(ports)
	return ports
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

// cleared reports whether a whole round since then found nothing wrong, or what makes
// no difference: a node may serve by its Windows services alone.
func cleared(s Status, then time.Time) bool {
	silent := slices.ContainsFunc(s.Ports, func(p api.Port) bool { return p.Outcome != api.Open })
	return heard(s, then) && (s.Health == api.Up || !silent)
}
