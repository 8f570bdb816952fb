package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

// boot drives a Startup through rounds of probes of 5555 and 5022, one an interval.
type boot struct {
	*testing.T
	s      *Startup
	now    time.Time
	starts []api.Start
}

// newBoot is a node that ran before it does what the test is about.
func newBoot(t *testing.T) *boot {
	return (&boot{T: t, s: NewStartup(rule), now: noon}).rounds(1, api.Open, api.Open)
}

func (b *boot) rounds(n int, spoc, ts api.Outcome) *boot {
	for range n {
		for i, o := range []api.Outcome{spoc, ts} {
			port := rule.Ports[i]
			if start, measured := b.s.Observe(b.now, port, probe(o)); measured {
				b.starts = append(b.starts, start)
			}
		}
		b.now = b.now.Add(rule.Interval)
	}
	return b
}

// steady is long enough for a start to be over.
func (b *boot) steady() *boot { return b.rounds(steadyRounds+1, api.Open, api.Open) }

// took wants these starts, in rounds.
func (b *boot) took(rounds ...int) {
	b.Helper()
	same := len(b.starts) == len(rounds)
	for i := 0; same && i < len(rounds); i++ {
		same = time.Duration(b.starts[i].Took) == time.Duration(rounds[i])*rule.Interval
	}
	if !same {
		b.Errorf("measured %v, want %v rounds", b.starts, rounds)
	}
}

func TestStartIsMeasuredFromTheFirstSignOfLifeToSteadyAnswers(t *testing.T) {
	off, refused, open := api.Absent, api.Refused, api.Open
	b := newBoot(t).rounds(2, refused, refused).rounds(30, off, off)
	sign := b.now
	b.rounds(10, refused, refused).rounds(5, open, refused).rounds(3, open, open).rounds(1, open, refused).steady()
	b.took(19)
	if !b.starts[0].At.Equal(sign) {
		t.Errorf("began %v, want %v", b.starts[0].At, sign)
	}
	b.steady().took(19)
	b.rounds(10, off, off).rounds(7, refused, refused).steady().took(19, 7)
}

func TestWhatCountsAsAStart(t *testing.T) {
	off, silent, refused, open := api.Absent, api.TimedOut, api.Refused, api.Open
	for _, c := range []struct {
		name string
		do   func(*boot)
		want []int
	}{
		{"firewall that is silent until it is configured", func(b *boot) { b.rounds(9, off, off).rounds(4, silent, silent).rounds(6, refused, refused).steady() }, []int{6}},
		{"router that says so of a machine that is off", func(b *boot) { b.rounds(9, api.Unreachable, silent).rounds(6, refused, refused).steady() }, []int{6}},
		{"services that were stopped on a machine that stayed", func(b *boot) { b.rounds(50, refused, refused).rounds(8, open, refused).steady() }, []int{8}},
		{"two restarts for updates: the last one", func(b *boot) {
			b.rounds(9, off, off).rounds(30, refused, refused).rounds(9, off, off).rounds(6, refused, refused).steady()
		}, []int{6}},
		{"services that crash in the start", func(b *boot) {
			b.rounds(9, off, off).rounds(4, refused, refused).rounds(10, open, open).rounds(5, refused, refused).steady()
		}, []int{19}},
		{"services that stop again while they start", func(b *boot) {
			b.rounds(9, refused, refused).rounds(4, open, refused).rounds(9, refused, refused).rounds(3, refused, open).steady()
		}, []int{3}},

		{"one port alone", func(b *boot) { b.rounds(50, open, refused).steady() }, nil},
		{"a flap that is no miss too many", func(b *boot) { b.rounds(2, off, off).rounds(9, refused, refused).rounds(2, open, open) }, nil},
		{"a cable: all answers at once", func(b *boot) { b.rounds(20, off, off).steady() }, nil},
		{"a cable, seen in the middle of a round", func(b *boot) { b.rounds(20, off, off).rounds(1, off, open).steady() }, nil},
		{"not steady yet", func(b *boot) {
			b.rounds(9, off, off).rounds(6, refused, refused).rounds(steadyRounds-1, open, open)
		}, nil},
		{"an hour of work on the server", func(b *boot) { b.rounds(9, off, off).rounds(800, refused, refused).steady() }, nil},
		{"the box was frozen meanwhile", func(b *boot) {
			b.rounds(9, off, off).rounds(6, refused, refused)
			b.now = b.now.Add(time.Minute)
			b.rounds(6, refused, refused).steady()
		}, nil},
		{"the box had no way to the node meanwhile", func(b *boot) {
			b.rounds(9, off, off).rounds(6, refused, refused).rounds(1, api.NoRoute, api.Failed).rounds(6, refused, refused).steady()
		}, nil},
		{"the box suspected itself meanwhile", func(b *boot) { b.rounds(9, off, off); b.s.Lose(); b.rounds(6, refused, refused).steady() }, nil},
		{"the ports to probe changed meanwhile", func(b *boot) {
			b.rounds(9, off, off).rounds(6, refused, refused)
			other := rule
			other.Ports = []uint16{5022, 5555}
			b.s.SetRule(other)
			b.rounds(6, refused, refused).steady()
		}, nil},
		{"a longer up-delay changes nothing", func(b *boot) {
			b.rounds(9, off, off).rounds(6, refused, refused)
			other := rule
			other.UpDelay *= 2
			b.s.SetRule(other)
			b.rounds(6, refused, refused).steady()
		}, []int{12}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoot(t)
			c.do(b)
			b.took(c.want...)
		})
	}
}

// A box that starts with the servers has not seen their first sign of life.
func TestBoxThatStartsInTheMiddleOfAStartMeasuresNothing(t *testing.T) {
	b := &boot{T: t, s: NewStartup(rule), now: noon}
	b.rounds(20, api.Refused, api.Refused).rounds(5, api.Open, api.Refused).steady().took()
	b.rounds(9, api.Absent, api.Absent).rounds(6, api.Refused, api.Refused).steady().took(6)
}

// Whatever a node does: a start that is measured began with an answer after
// silence or refusals, and its end was followed by nothing but answers.
func TestNoMeasuredStartWasBroken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now := NewStartup(rule), noon
		steady := map[uint16]time.Time{} // of each port, since when it answers
		outcomes := []api.Outcome{api.Open, api.Refused, api.Absent, api.TimedOut, api.NoRoute}
		for range rapid.IntRange(1, 40).Draw(t, "spells") {
			spoc, ts := rapid.SampledFrom(outcomes).Draw(t, "5555"), rapid.SampledFrom(outcomes).Draw(t, "5022")
			for range rapid.IntRange(1, 40).Draw(t, "rounds") {
				for i, o := range []api.Outcome{spoc, ts} {
					port := rule.Ports[i]
					if o != api.Open {
						delete(steady, port)
					} else if _, ok := steady[port]; !ok {
						steady[port] = now
					}
					start, measured := s.Observe(now, port, probe(o))
					if !measured {
						continue
					}
					end := start.At.Add(time.Duration(start.Took))
					if len(steady) != 2 || end.Before(steady[5555]) || end.Before(steady[5022]) || now.Sub(end) < steadyRounds*rule.Interval {
						t.Fatalf("%+v at %s: answers since %v", start, clock(now), steady)
					}
				}
				now = now.Add(rule.Interval)
			}
		}
	})
}
