package health

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

// patient is a node that is probed as the engine does it: each interval, and when
// the evidence asks for it.
type patient struct {
	m       *Machine
	e       Evidence
	now     time.Time
	answer  func() api.Outcome
	pending bool // a round was asked for
	asked   []time.Time
	rounds  int // beside the ordinary ones
}

func newPatient(answer func() api.Outcome) *patient {
	p := &patient{m: NewMachineFrom(rule, api.Up, noon), now: noon, answer: answer}
	p.observe(api.Open)
	return p
}

// observe takes the answers of a round; they come a little later than it was asked for.
func (p *patient) observe(o api.Outcome) {
	at := p.now.Add(time.Millisecond)
	for _, port := range rule.Ports {
		p.m.Observe(at, port, probe(o))
		p.ask(p.e.Follow(at, p.m.Status(), rule.Interval))
	}
}

func (p *patient) complain() { p.ask(p.e.Complain(p.now, p.m.Status(), 5011, true)) }

func (p *patient) ask(probe bool) {
	if probe {
		p.pending, p.asked = true, append(p.asked, p.now)
	}
}

// pass lets time go by in steps of 200 ms, with a complaint at each step or none.
func (p *patient) pass(d time.Duration, complaints bool) {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(200 * time.Millisecond)
		if complaints {
			p.complain()
		}
		if p.now.Sub(noon)%time.Second == 0 {
			p.m.Tick(p.now)
			p.ask(p.e.Follow(p.now, p.m.Status(), rule.Interval))
		}
		asked := p.pending
		if p.pending = false; asked {
			p.rounds++
		}
		if asked || p.now.Sub(noon)%rule.Interval == 0 {
			p.observe(p.answer())
		}
	}
}

func TestDeadServiceIsFoundInSecondsWhenOneClientIsRefused(t *testing.T) {
	p := newPatient(func() api.Outcome { return api.Refused })
	p.pass(200*time.Millisecond, false)
	p.complain()
	p.pass(4*time.Second, false)
	if s := p.m.Status(); s.Health != api.Down {
		t.Errorf("after 4 s and one complaint: %s (%s)", s.Health, s.Reason)
	}
	rounds := p.rounds
	p.pass(time.Minute, true)
	if p.rounds != rounds {
		t.Errorf("a node that is Down was probed %d times beside its turn", p.rounds-rounds)
	}
}

// A silent node's probes take their whole time-out, during which clients go on to
// complain. The next round follows as soon as the last port has failed.
func TestSilentNodeIsProbedAgainAsSoonAsItsLastProbeTimedOut(t *testing.T) {
	const timeout = 2500 * time.Millisecond
	p := newPatient(nil)
	p.now = p.now.Add(time.Second)
	begun := p.now
	p.complain()
	for round := range rule.Misses {
		if len(p.asked) != round+1 {
			t.Fatalf("%d rounds were asked for by the end of round %d", len(p.asked), round)
		}
		for range int(timeout / (100 * time.Millisecond)) {
			p.now = p.now.Add(100 * time.Millisecond)
			p.complain()
		}
		p.observe(api.TimedOut)
	}
	if s := p.m.Status(); s.Health != api.Down || p.now.Sub(begun) != time.Duration(rule.Misses)*timeout {
		t.Errorf("%s after %s", s.Health, p.now.Sub(begun))
	}
}

func TestWithoutComplaintsTheRequirementsIntervalStands(t *testing.T) {
	p := newPatient(func() api.Outcome { return api.Refused })
	p.pass(2*rule.Interval+4*time.Second, false)
	if s := p.m.Status(); s.Health != api.Checking || p.rounds != 0 {
		t.Errorf("after two intervals: %s, %d rounds beside the ordinary ones", s.Health, p.rounds)
	}
	p.pass(time.Second, false)
	if s := p.m.Status(); s.Health != api.Down {
		t.Errorf("after three: %s", s.Health)
	}
}

func TestComplaintsAloneNeitherTakeANodeOutNorHammerIt(t *testing.T) {
	p := newPatient(func() api.Outcome { return api.Open })
	p.pass(time.Hour, true)
	if s := p.m.Status(); s.Health != api.Up {
		t.Errorf("after an hour of complaints: %s (%s)", s.Health, s.Reason)
	}
	if most := int(time.Hour/rule.Interval) + 3; p.rounds > most || p.rounds < most/2 {
		t.Errorf("%d rounds beside the ordinary ones in an hour, want at most %d", p.rounds, most)
	}
}

func TestFirstComplaintAfterAQuietMinuteIsHeardAtOnce(t *testing.T) {
	p := newPatient(func() api.Outcome { return api.Open })
	p.pass(10*time.Minute, true)
	p.pass(61*time.Second, false)
	rounds := p.rounds
	p.pass(200*time.Millisecond, true)
	if p.rounds != rounds+1 {
		t.Error("not probed at once")
	}
	if p.pass(4*time.Second, true); p.rounds < rounds+2 {
		t.Error("the pauses of before the quiet minute go on")
	}
}

func TestNodeThatLosesTwoOfThreeProbesIsNeverDownHoweverManyComplain(t *testing.T) {
	n := 0
	p := newPatient(func() api.Outcome {
		if n++; n%3 == 0 {
			return api.Open
		}
		return api.TimedOut
	})
	for range 600 {
		p.pass(time.Second, true)
		if s := p.m.Status(); s.Health == api.Down {
			t.Fatalf("Down after %d rounds: %s", n, s.Reason)
		}
	}
	if p.rounds < 300 {
		t.Errorf("only %d rounds were asked for in ten minutes", p.rounds)
	}
}

// TestNoMixtureOfComplaintsHastensAVerdictWithoutMisses: whatever clients say and
// whenever, a node is Down only after three misses in a row of a port, and is not
// probed more often than once a second beside its turn.
func TestNoMixtureOfComplaintsHastensAVerdictWithoutMisses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		missed := 0
		p := newPatient(func() api.Outcome {
			if rapid.IntRange(0, 2).Draw(t, "answers") == 0 {
				missed = 0
				return api.Open
			}
			missed++
			return api.Refused
		})
		for range rapid.IntRange(1, 60).Draw(t, "seconds") {
			p.pass(time.Second, rapid.Bool().Draw(t, "complaints"))
			if p.m.Status().Health == api.Down {
				if missed < rule.Misses {
					t.Fatalf("Down after %d misses", missed)
				}
				break
			}
		}
		for i := range p.asked[min(1, len(p.asked)):] {
			if gap := p.asked[i+1].Sub(p.asked[i]); gap < time.Second {
				t.Fatalf("%s between two rounds", gap)
			}
		}
	})
}

// A port that nobody serves is asked for again and again, and then the service of another
// one dies: only of the first is a client told that it is refused.
func TestRefusalIsBelievedOfThePortThatWasLookedIntoAlone(t *testing.T) {
	answer := api.Open
	p := newPatient(func() api.Outcome { return answer })
	believed := func(want ...uint16) {
		t.Helper()
		if got := p.e.Believed(p.now, p.m.Status().Health); !slices.Equal(got, want) {
			t.Errorf("believed at %v, want %v", got, want)
		}
	}
	complain := func(port uint16) { p.ask(p.e.Complain(p.now, p.m.Status(), port, true)) }
	for range 100 {
		complain(5014)
		p.pass(time.Second, false)
	}
	believed(5014)
	answer = api.Refused
	complain(5012)
	believed(5014)
	rounds := p.rounds
	if p.pass(time.Second, false); p.rounds == rounds {
		t.Error("the first complaint of another port is not heard at once")
	}
	believed()
	complain(5012)
	answer = api.Open
	p.pass(2*rule.Interval, false)
	believed() // it was the node's trouble, which is over
	complain(5014)
	p.pass(rule.Interval, false)
	believed(5014)
	p.e.Served(5014)
	believed()
	complain(5014)
	p.pass(rule.Interval, false)
	believed(5014)
	p.pass(forgetting, false)
	believed()
	p.ask(p.e.Complain(p.now, p.m.Status(), 5011, false))
	p.pass(rule.Interval, false)
	believed() // it was lost on the way, and is no refusal
}
