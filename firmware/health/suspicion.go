package health

import (
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
)

// Verdict is what the box thinks of itself.
type Verdict struct {
	// Suspect: every probe of every node fails, and it is probably the box.
	Suspect bool
	// Certain: the probes did not even leave the box.
	Certain bool
	// Deaf: nobody has answered yet since the box started, not even for an address
	// on the network. The switch may not forward yet.
	Deaf   bool
	Since  time.Time // of the first failure
	Reason string    // a clause: "every probe of all 2 nodes fails since ..."
}

// Suspicion watches all probes of the box for the moment when every one fails. It
// is for one goroutine.
//
// Two nodes or more that were fine and fall silent within one round are
// suspicious. One node alone is not: nothing tells it apart from that node's own
// end, unless the box has no cable (Blame). A refused connection ends all doubt, as
// it proves the way there and back. Two nodes that really lose power in the same round look the same as a pulled
// cable; then the plan is held for the up-delay (Machine.Hold), and MFDs get no
// answer from nodes that have none to give.
type Suspicion struct {
	round   time.Duration
	targets map[netip.AddrPort]*sighting
	first   time.Time // observation
	last    time.Time
	heard   bool      // somebody has answered
	blamed  string    // what is known to be wrong with the box; empty for nothing
	freed   time.Time // certain trouble of the box lasted until; zero once somebody answered
}

// deafFor is how long a switch may take to forward what a box sends that has just
// been switched on: the spanning tree of IEEE 802.1D listens and learns for 15 s
// each, after up to 20 s for the age of what it knew.
const deafFor = time.Minute

type sighting struct {
	outcome api.Outcome
	fine    bool      // answered before it failed
	failing time.Time // first failure in a row; zero: it answers
}

// NewSuspicion takes the length of a round: the longest interval between two
// probes of a port and the time that a probe may take.
func NewSuspicion(round time.Duration) *Suspicion {
	return &Suspicion{round: round, targets: map[netip.AddrPort]*sighting{}}
}

// Observe takes the result of a probe of the box, of whichever group.
func (s *Suspicion) Observe(now time.Time, target netip.AddrPort, p api.Probe) {
	t := s.targets[target]
	if t == nil {
		t = &sighting{}
		s.targets[target] = t
	}
	t.outcome = p.Outcome
	if s.first.IsZero() {
		s.first = now
	}
	s.last = now
	s.heard = s.heard || p.Outcome != api.Absent && !ownTrouble(p.Outcome)
	switch {
	case p.Outcome == api.Open || p.Outcome == api.Refused:
		t.fine, t.failing = p.Outcome == api.Open, time.Time{}
	case t.failing.IsZero():
		t.failing = now
	}
}

// Recall goes on with a doubt that was open before the daemon was restarted: targets
// of nodes that were fine until then are silent since. Somebody has answered the box
// before, so that it is not new to its switch. As ever, the first answer ends the doubt.
func (s *Suspicion) Recall(targets []netip.AddrPort, since time.Time) {
	for _, t := range targets {
		s.targets[t] = &sighting{fine: true, failing: since}
	}
	s.heard = true
}

// Keep forgets all targets but these, after a change of the configuration; round
// is the new length of a round. Another port of a node that is silent is as silent until
// it is probed: that what is looked at has changed ends no doubt.
func (s *Suspicion) Keep(targets []netip.AddrPort, round time.Duration) {
	kept := map[netip.AddrPort]*sighting{}
	for _, t := range targets {
		if seen := s.targets[t]; seen != nil {
			kept[t] = seen
		} else if silent := s.silent(t.Addr()); silent != nil {
			as := *silent
			kept[t] = &as
		}
	}
	s.round, s.targets = round, kept
}

// Answered reports whether some probe is answered now.
func (s *Suspicion) Answered() bool {
	for _, t := range s.targets {
		if t.failing.IsZero() {
			return true
		}
	}
	return false
}

// silent is a port of a node that does not answer, nil when there is none.
func (s *Suspicion) silent(node netip.Addr) *sighting {
	for at, t := range s.targets {
		if at.Addr() == node && !t.failing.IsZero() {
			return t
		}
	}
	return nil
}

// Blame says what is known to be wrong with the box itself, such as a cable that is
// out; empty when that is over. It makes silence certainly the box's own, of however
// few nodes.
func (s *Suspicion) Blame(why string) { s.blamed = why }

// Verdict judges what was observed so far. A doubt ends with the first probe that is
// answered. Certain trouble of the box leaves a doubt behind for a while: the cable is
// in again, and the switch does not forward yet.
func (s *Suspicion) Verdict() Verdict {
	v, silent, lost := s.judge()
	switch {
	case !silent:
		s.freed = time.Time{}
	case v.Certain:
		s.freed = s.last
	case v.Suspect && v.Since.Before(s.freed):
		v.Since = s.freed
	case !v.Suspect && !v.Deaf && lost && !s.freed.IsZero() && s.last.Sub(s.freed) < deafFor:
		v = Verdict{Suspect: true, Since: s.freed, Reason: "this box could not send probes until " + clock(s.freed) + ", and nobody answers yet: the switch may not forward"}
	}
	return v
}

// judge reports, beside its verdict, whether nobody answers, and whether one of the
// silent ones was fine before.
func (s *Suspicion) judge() (v Verdict, silent, lost bool) {
	own := len(s.targets) > 0
	var latest time.Time
	turned := map[netip.Addr]time.Time{} // nodes that were fine, and their first failure
	for at, t := range s.targets {
		if t.failing.IsZero() {
			return Verdict{}, false, false
		}
		own = own && ownTrouble(t.outcome)
		if !t.fine {
			continue
		}
		if first, ok := turned[at.Addr()]; !ok || t.failing.Before(first) {
			turned[at.Addr()] = t.failing
		}
	}
	for _, t := range turned {
		if t.After(latest) {
			latest = t
		}
	}
	since, together := latest, 0
	for _, t := range turned {
		if latest.Sub(t) > s.round {
			continue
		}
		together++
		if t.Before(since) {
			since = t
		}
	}
	switch {
	case !own && !s.heard && len(s.targets) > 0 && s.last.Sub(s.first) < deafFor:
		v = Verdict{Deaf: true, Since: s.first}
	case s.blamed != "" && len(s.targets) > 0:
		v = Verdict{Suspect: true, Certain: true, Since: s.earliest(), Reason: s.blamed}
	case own:
		v = Verdict{Suspect: true, Certain: true, Since: s.earliest(), Reason: "this box cannot send probes at all: look at its own cable, address and gateway"}
	case together >= 2:
		v = Verdict{Suspect: true, Since: since, Reason: fmt.Sprintf(
			"%d nodes fell silent in the same round at %s, which is probably the network of this box: look at its cable, switch port and VLAN", together, clock(since))}
	}
	return v, len(s.targets) > 0, len(turned) > 0
}

func (s *Suspicion) earliest() (first time.Time) {
	for _, t := range s.targets {
		if first.IsZero() || t.failing.Before(first) {
			first = t.failing
		}
	}
	return first
}
