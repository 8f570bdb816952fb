package health

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

// site is nodes under one suspicion, probed round by round.
type site struct {
	*testing.T
	s     *Suspicion
	nodes []*Machine
	now   time.Time
}

func newSite(t *testing.T, n int) *site {
	s := &site{T: t, s: NewSuspicion(rule.Interval + 2500*time.Millisecond), now: noon}
	for range n {
		s.nodes = append(s.nodes, NewMachine(rule, noon))
	}
	return s
}

func (s *site) address(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 0, byte(10 + i)}) }

// round gives each node, on both ports, an outcome, and wants a health of each.
func (s *site) round(outcomes []api.Outcome, want ...api.Health) {
	s.Helper()
	for i, m := range s.nodes {
		at := s.now.Add(time.Duration(i) * 100 * time.Millisecond)
		for _, port := range rule.Ports {
			s.s.Observe(at, netip.AddrPortFrom(s.address(i), port), probe(outcomes[i]))
			for _, other := range s.nodes {
				other.Hold(at, s.s.Verdict())
			}
			m.Observe(at, port, probe(outcomes[i]))
		}
	}
	for i, m := range s.nodes {
		if st := m.Status(); st.Health != want[i] {
			s.Fatalf("%s: node %d is %s (%s), want %s", clock(s.now), i, st.Health, st.Reason, want[i])
		}
	}
	s.now = s.now.Add(rule.Interval)
}

type outcomes = []api.Outcome

func TestPulledCableOfTheBoxTakesNoNodeOut(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
	for range 10 {
		s.round(outcomes{api.TimedOut, api.Unreachable}, api.Checking, api.Checking)
	}
	v := s.s.Verdict()
	if !v.Suspect || v.Certain || !strings.Contains(v.Reason, "2 nodes fell silent in the same round at 12:00:05") {
		t.Errorf("verdict %+v", v)
	}
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
	if v := s.s.Verdict(); v.Suspect {
		t.Errorf("suspicion outlives the first success: %+v", v)
	}
}

func TestSilenceLongerThanTheUpDelayIsTheNodesOwn(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
	for range 24 {
		s.round(outcomes{api.TimedOut, api.TimedOut}, api.Checking, api.Checking)
	}
	s.round(outcomes{api.TimedOut, api.TimedOut}, api.Down, api.Down)
	s.round(outcomes{api.Open, api.TimedOut}, api.Starting, api.Down)
}

func TestBoxThatCannotSendKeepsItsNodesHoweverLong(t *testing.T) {
	for _, n := range []int{1, 3} {
		s := newSite(t, n)
		all := func(o api.Outcome, h api.Health) {
			var os outcomes
			var hs []api.Health
			for range n {
				os, hs = append(os, o), append(hs, h)
			}
			s.round(os, hs...)
		}
		all(api.Open, api.Up)
		for range 1000 {
			all(api.NoRoute, api.Checking)
		}
		if v := s.s.Verdict(); !v.Certain {
			t.Errorf("%d nodes: verdict %+v", n, v)
		}
		all(api.Open, api.Up)
	}
}

func TestLoneNodeIsBelieved(t *testing.T) {
	s := newSite(t, 1)
	s.round(outcomes{api.Open}, api.Up)
	s.round(outcomes{api.TimedOut}, api.Checking)
	s.round(outcomes{api.TimedOut}, api.Checking)
	s.round(outcomes{api.TimedOut}, api.Down)
}

func TestLastNodeThatFailsAfterTheOthersIsBelieved(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
	s.round(outcomes{api.TimedOut, api.Open}, api.Checking, api.Up)
	s.round(outcomes{api.TimedOut, api.Open}, api.Checking, api.Up)
	s.round(outcomes{api.TimedOut, api.TimedOut}, api.Down, api.Checking)
	s.round(outcomes{api.TimedOut, api.TimedOut}, api.Down, api.Checking)
	s.round(outcomes{api.TimedOut, api.TimedOut}, api.Down, api.Down)
}

func TestRefusalProvesTheWayAndEndsAllDoubt(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
	s.round(outcomes{api.Refused, api.Refused}, api.Checking, api.Checking)
	s.round(outcomes{api.Refused, api.Refused}, api.Checking, api.Checking)
	s.round(outcomes{api.Refused, api.Refused}, api.Down, api.Down)
}

func TestNodeThatStaysAwayAfterTheCableIsBackGoesDown(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
	for range 5 {
		s.round(outcomes{api.TimedOut, api.TimedOut}, api.Checking, api.Checking)
	}
	s.round(outcomes{api.Open, api.TimedOut}, api.Up, api.Checking)
	s.round(outcomes{api.Open, api.TimedOut}, api.Up, api.Checking)
	s.round(outcomes{api.Open, api.TimedOut}, api.Up, api.Down)
}

func TestRemovedNodesNoLongerCount(t *testing.T) {
	s := newSite(t, 3)
	s.round(outcomes{api.Open, api.Open, api.Refused}, api.Up, api.Up, api.Unknown)
	s.s.Keep([]netip.AddrPort{netip.AddrPortFrom(s.address(0), 5555), netip.AddrPortFrom(s.address(1), 5555)}, 5*time.Second)
	for i := range 2 {
		s.s.Observe(s.now, netip.AddrPortFrom(s.address(i), 5555), probe(api.TimedOut))
	}
	if !s.s.Verdict().Suspect {
		t.Error("a node that was removed from the configuration hides that all fail")
	}
}

// A switch with a spanning tree forwards a new port's packets after half a minute.
// Nodes that were up all along are used as soon as it does (ACCEPTANCE, B10).
func TestSwitchThatForwardsLateCostsNoNodeItsPlace(t *testing.T) {
	s := newSite(t, 2)
	for range 6 {
		s.round(outcomes{api.Absent, api.Absent}, api.Unknown, api.Unknown)
	}
	if v := s.s.Verdict(); !v.Deaf || v.Suspect {
		t.Errorf("behind a switch that does not forward yet: %+v", v)
	}
	s.round(outcomes{api.Open, api.Open}, api.Up, api.Up)
}

// As after a power cut of the whole rack: the servers' machines answer for their
// addresses before their services do.
func TestNodesThatStartWithTheBoxHaveTheirUpDelay(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Absent, api.Absent}, api.Unknown, api.Unknown)
	s.round(outcomes{api.TimedOut, api.Absent}, api.Unknown, api.Unknown)
	s.round(outcomes{api.Refused, api.Refused}, api.Unknown, api.Unknown)
	s.round(outcomes{api.Open, api.Open}, api.Starting, api.Starting)
}

func TestNodeThatIsOffWhileOthersAnswerHasItsUpDelay(t *testing.T) {
	s := newSite(t, 2)
	s.round(outcomes{api.Absent, api.Open}, api.Unknown, api.Up)
	s.round(outcomes{api.Absent, api.Open}, api.Unknown, api.Up)
	s.round(outcomes{api.Open, api.Open}, api.Starting, api.Up)
}

func TestNodesThatStayOffAreDownAfterAMinute(t *testing.T) {
	s := newSite(t, 2)
	for range 12 {
		s.round(outcomes{api.Absent, api.Absent}, api.Unknown, api.Unknown)
	}
	s.round(outcomes{api.Absent, api.Absent}, api.Unknown, api.Unknown)
	s.round(outcomes{api.Absent, api.Absent}, api.Unknown, api.Unknown)
	s.round(outcomes{api.Absent, api.Absent}, api.Down, api.Down)
	if v := s.s.Verdict(); v.Deaf {
		t.Errorf("%+v", v)
	}
}

// The cable is out for longer than a server takes to start, and nothing was wrong with
// the nodes. When it is in again they have the time that a switch needs.
func TestCableThatIsBackLeavesTimeToAnswer(t *testing.T) {
	for n, answersAfter := range map[int]int{1: 10, 3: 20} { // rounds of 5 s
		s := newSite(t, n)
		all := func(o api.Outcome, h api.Health) {
			s.round(slices.Repeat(outcomes{o}, n), slices.Repeat([]api.Health{h}, n)...)
		}
		all(api.Open, api.Up)
		s.s.Blame("the cable is out")
		for range 100 {
			all(api.TimedOut, api.Checking)
		}
		if v := s.s.Verdict(); !v.Certain || v.Reason != "the cable is out" {
			t.Errorf("%d nodes: %+v", n, v)
		}
		s.s.Blame("")
		for range answersAfter {
			all(api.TimedOut, api.Checking)
		}
		all(api.Open, api.Up)
		if v := s.s.Verdict(); v.Suspect {
			t.Errorf("%d nodes: the doubt outlives an answer: %+v", n, v)
		}
	}
}

func TestNodeThatStaysSilentAfterTheCableIsBackGoesDown(t *testing.T) {
	s := newSite(t, 1)
	s.round(outcomes{api.Open}, api.Up)
	s.s.Blame("the cable is out")
	for range 100 {
		s.round(outcomes{api.TimedOut}, api.Checking)
	}
	s.s.Blame("")
	for range 12 + 1 { // a minute, and then three misses of its own
		s.round(outcomes{api.TimedOut}, api.Checking)
	}
	s.round(outcomes{api.TimedOut}, api.Down)
}
