package health

import (
	"time"

	"spoolgate/firmware/api"
)

// Startup measures how long one node takes to start: from the first sign of life to
// steady answers of all ports. It only watches; what comes of it is Advise's.
// Its phases:
//
//	lost      nobody knows where the node stands: the box has just started, or cannot
//	          trust what it sees. Running when all ports answer; gone when the machine
//	          was silent for the misses.
//	running   all ports answered. Gone when every port failed for the misses.
//	gone      a machine that is silent is off: its first answer of any kind, a refusal
//	          too, is the sign of life. A machine that refused all along had its
//	          services stopped: then it is the first port that answers.
//	starting  it has given a sign of life. Gone when the machine falls silent again, as
//	          a server does that restarts twice for its updates.
//	settling  all ports answer. Starting when one fails. After 24 rounds without a
//	          failure, two minutes at the requirement's period, the start is over: it
//	          ended when they began.
//
// What ends in less than two rounds was no start but a cable or a flap, and what
// lasts for more than an hour is somebody at work on the server: neither counts.
//
// A Startup is for one goroutine.
type Startup struct {
	rule     Rule
	ports    map[uint16]*lately
	phase    phase
	silent   bool      // gone: no machine answers
	sign     time.Time // of life
	answered time.Time // settling: all ports answer since
}

type phase int

const (
	lost phase = iota
	running
	gone
	starting
	settling
)

const (
	steadyRounds   = 24
	shortestRounds = 2
	longestStart   = time.Hour
)

// lately is what the last probes of a port said.
type lately struct {
	last    time.Time // zero: not probed yet
	open    bool
	misses  int // consecutive
	silence int // consecutive
}

// NewStartup is a node that nothing is known of.
func NewStartup(rule Rule) *Startup {
	s := &Startup{}
	s.SetRule(rule)
	return s
}

// SetRule changes the rule; a start under way is measured no further if it says
// other ports or times.
func (s *Startup) SetRule(rule Rule) {
	if s.ports != nil && same(s.rule, rule) {
		s.rule = rule
		return
	}
	s.rule, s.ports = rule, map[uint16]*lately{}
	for _, p := range rule.Ports {
		s.ports[p] = &lately{}
	}
	s.Lose()
}

func same(a, b Rule) bool {
	if a.Interval != b.Interval || a.misses() != b.misses() || len(a.Ports) != len(b.Ports) {
		return false
	}
	for i := range a.Ports {
		if a.Ports[i] != b.Ports[i] {
			return false
		}
	}
	return true
}

// Lose tells that what is seen says nothing of the node, as while the box suspects
// itself.
func (s *Startup) Lose() {
	s.phase = lost
	for _, p := range s.ports {
		*p = lately{}
	}
}

// Observe takes the result of a probe, and returns a start when it has been
// measured.
func (s *Startup) Observe(now time.Time, number uint16, p api.Probe) (start api.Start, measured bool) {
	at := s.ports[number]
	if at == nil {
		return start, false
	}
	unwatched := !at.last.IsZero() && now.Sub(at.last) > time.Duration(s.rule.misses()+1)*s.rule.Interval
	if unwatched || ownTrouble(p.Outcome) {
		s.Lose()
	}
	if ownTrouble(p.Outcome) {
		return start, false
	}
	at.observe(now, p.Outcome)
	return s.step(now, p.Outcome)
}

func (l *lately) observe(now time.Time, o api.Outcome) {
	l.last, l.open = now, o == api.Open
	l.misses, l.silence = l.misses+1, l.silence+1
	if l.open {
		l.misses = 0
	}
	if !quiet(o) {
		l.silence = 0
	}
}

// quiet reports whether no machine answered. A router that says that it can't
// reach one is no sign of life.
func quiet(o api.Outcome) bool {
	return o == api.Absent || o == api.TimedOut || o == api.Unreachable
}

// step is the only place where the phase changes.
func (s *Startup) step(now time.Time, o api.Outcome) (start api.Start, measured bool) {
	misses := s.rule.misses()
	open := s.all(func(l *lately) bool { return l.open })
	down := s.all(func(l *lately) bool { return l.misses >= misses })
	off := s.all(func(l *lately) bool { return l.silence >= misses })
	switch {
	case off:
		s.phase, s.silent = gone, true
	case s.phase == lost && open:
		s.phase = running
	case down && (s.phase == running || (s.phase == starting || s.phase == settling) && !s.silent):
		s.phase, s.silent = gone, false
	case s.phase == gone && (o == api.Open || s.silent && !quiet(o)):
		s.phase, s.sign, s.answered = starting, now, time.Time{}
	}
	if s.phase != starting && s.phase != settling {
		return start, false
	}
	switch {
	case now.Sub(s.sign) > longestStart+steadyRounds*s.rule.Interval:
		s.Lose()
	case !open:
		s.phase = starting
	case s.phase == starting:
		s.phase, s.answered = settling, now
	case now.Sub(s.answered) >= steadyRounds*s.rule.Interval:
		s.phase = running
		took := s.answered.Sub(s.sign)
		return api.Start{At: s.sign, Took: api.Duration(took)}, took >= shortestRounds*s.rule.Interval && took <= longestStart
	}
	return start, false
}

func (s *Startup) all(is func(*lately) bool) bool {
	for _, p := range s.ports {
		if !is(p) {
			return false
		}
	}
	return len(s.ports) > 0
}
