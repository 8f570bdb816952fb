package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

// TestRestartForgetsNoFall walks a node through probes and restarts the daemon
// somewhere: what it is held back for is what it would have been without that.
func TestRestartForgetsNoFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := rule, noon
		r.UpDelay = 20 * time.Second
		m := NewMachine(r, now)
		told, murmured := []Spell{}, false
		for range rapid.IntRange(1, 30).Draw(t, "stretches") {
			o := rapid.SampledFrom([]api.Outcome{api.Open, api.Open, api.Refused}).Draw(t, "outcome")
			for range rapid.IntRange(1, 90).Draw(t, "rounds") {
				before := m.Status().Health
				for _, p := range r.Ports {
					m.Observe(now, p, probe(o))
				}
				m.Tick(now)
				s := m.Status()
				// What a node murmurs is passed over in silence; see the engine.
				silent := serves(before) && serves(s.Health) && rapid.Bool().Draw(t, "silent")
				if s.Health != before && !silent {
					told = append(told, Spell{s.Health, s.Since})
				}
				murmured = murmured || silent
				now = now.Add(r.Interval)
			}
		}
		s := m.Status()
		prior := api.Down
		if serves(s.Health) {
			prior = api.Up
		}
		again := NewMachineFrom(r, prior, now)
		again.Recall(told)
		if got := again.Status(); got.Health == s.Health && !murmured && !got.Since.Equal(s.Since) {
			t.Fatalf("%s since %v, was so since %v", got.Health, got.Since, s.Since)
		}
		want, got := m.flaps, again.flaps
		if serves(s.Health) { // what counts is the next fall
			want.fell(now, r.UpDelay)
			got.fell(now, r.UpDelay)
		}
		if want.times != got.times || want.times > 0 && !want.first.Equal(got.first) {
			t.Fatalf("it went Down %d times since %v, want %d since %v; told were %v", got.times, got.first, want.times, want.first, told)
		}
	})
}

func TestWhatIsRecalledIsOnlyWhatIsStillSo(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for name, c := range map[string]struct {
		prior api.Health
		past  []Spell
		since time.Time
		times int
	}{
		"nothing is known":                        {api.Up, nil, noon, 0},
		"Up since long":                           {api.Up, []Spell{{api.Down, at(-600)}, {api.Up, at(-500)}}, at(-500), 0},
		"Up, and steady since it flapped":         {api.Up, []Spell{{api.Up, at(-600)}, {api.Down, at(-590)}, {api.Up, at(-500)}}, at(-500), 0},
		"Up, and not steady since":                {api.Up, []Spell{{api.Up, at(-60)}, {api.Down, at(-50)}, {api.Up, at(-5)}}, at(-5), 1},
		"Down since long":                         {api.Down, []Spell{{api.Up, at(-600)}, {api.Down, at(-500)}}, at(-500), 1},
		"another health than the last one told":   {api.Down, []Spell{{api.Up, at(-60)}, {api.Down, at(-50)}, {api.Starting, at(-5)}}, noon, 1},
		"told with a clock that has been set":     {api.Down, []Spell{{api.Down, at(60)}}, noon, 0},
		"after a start of the box: falls only":    {api.Unknown, []Spell{{api.Up, at(-60)}, {api.Down, at(-50)}}, noon, 1},
		"two falls, with a steady time before it": {api.Down, []Spell{{api.Up, at(-600)}, {api.Down, at(-300)}, {api.Up, at(-200)}, {api.Down, at(-100)}}, at(-100), 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachineFrom(rule, c.prior, noon)
			m.Recall(c.past)
			if got := m.Status(); !got.Since.Equal(c.since) || m.flaps.times != c.times {
				t.Errorf("%s since %v after %d falls, want since %v after %d", got.Health, got.Since, m.flaps.times, c.since, c.times)
			}
		})
	}
}

// A box that was started anew remembers what it told of its nodes: who did not serve
// then may be starting still. Of whom it knows nothing was there before it.
func TestFirstAnswerAfterAStartOfTheBoxIsBelievedOfWhoServedBefore(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for name, c := range map[string]struct {
		past []Spell
		want api.Health
	}{
		"nothing is known":       {nil, api.Up},
		"it was Up":              {[]Spell{{api.Down, at(-9)}, {api.Starting, at(-8)}, {api.Up, at(-5)}}, api.Up},
		"it was Checking":        {[]Spell{{api.Up, at(-9)}, {api.Checking, at(-1)}}, api.Up},
		"it was Starting":        {[]Spell{{api.Up, at(-9)}, {api.Down, at(-2)}, {api.Starting, at(-1)}}, api.Starting},
		"it was Down":            {[]Spell{{api.Up, at(-9)}, {api.Down, at(-2)}}, api.Starting},
		"told by a clock ahead":  {[]Spell{{api.Down, at(2)}}, api.Up},
		"it was never seen well": {[]Spell{{api.Down, at(-2)}}, api.Starting},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(rule, noon)
			m.Recall(c.past)
			for _, p := range rule.Ports {
				m.Observe(noon, p, probe(api.Open))
			}
			if got := m.Status(); got.Health != c.want {
				t.Errorf("%s: %s, want %s", got.Health, got.Reason, c.want)
			}
		})
	}
}
