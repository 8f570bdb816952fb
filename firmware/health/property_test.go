package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

// TestNoWalkBreaksThePromises drives nodes through arbitrary probes, pauses and
// doubts and checks the promises against an account of its own.
func TestNoWalkBreaksThePromises(t *testing.T) { rapid.Check(t, promises) }

func FuzzNoWalkBreaksThePromises(f *testing.F) { f.Fuzz(rapid.MakeFuzz(promises)) }

func promises(t *rapid.T) {
	r := Rule{
		Ports:    []uint16{5555, 5022},
		Misses:   rapid.IntRange(1, 4).Draw(t, "misses"),
		UpDelay:  time.Duration(rapid.IntRange(1, 60).Draw(t, "up-delay")) * time.Second,
		Interval: 5 * time.Second,
	}
	now := noon
	m := NewMachine(r, now)
	if prior := rapid.SampledFrom([]api.Health{"", api.Up, api.Checking, api.Starting, api.Down, api.Unknown}).Draw(t, "prior"); prior != "" {
		m = NewMachineFrom(r, prior, now)
	}
	outcomes := rapid.SampledFrom([]api.Outcome{api.Open, api.Open, api.Open, api.Refused, api.TimedOut, api.Unreachable, api.Absent, api.NoRoute, api.Failed})
	inARow := map[uint16]int{}
	open := map[uint16]bool{}
	var allSince time.Time // all ports answer without a failure since
	neverFailed, hold, trusted := true, Verdict{}, time.Duration(0)
	var unsent time.Time // the last probe that could not leave the box
	excused := map[uint16]bool{}
	for range rapid.IntRange(1, 200).Draw(t, "steps") {
		before := m.Status()
		pass := func(d time.Duration) {
			now = now.Add(d)
			if !hold.Deaf && !hold.Suspect {
				trusted += d
			}
		}
		var changed bool
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			pass(time.Duration(rapid.IntRange(0, 30).Draw(t, "pause")) * time.Second)
			m.Need(rapid.Bool().Draw(t, "needed"))
			changed = m.Tick(now)
		case 1:
			hold = Verdict{Deaf: rapid.Bool().Draw(t, "deaf"), Since: now, Reason: "x"}
			hold.Suspect = !hold.Deaf && rapid.Bool().Draw(t, "suspect")
			changed = m.Hold(now, hold)
		default:
			pass(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			number := rapid.SampledFrom(r.Ports).Draw(t, "port")
			o := outcomes.Draw(t, "outcome")
			open[number] = o == api.Open
			if o == api.Open {
				inARow[number] = 0
			} else {
				inARow[number]++
				if ownTrouble(o) {
					unsent = now
				}
				early := quiet(o) && !excused[number] && !unsent.IsZero() && now.Sub(unsent) < soon && m.Health() == api.Unknown
				excused[number] = excused[number] || early
				searching := hold.Suspect || hold.Deaf || trusted < time.Duration(r.Misses)*r.Interval
				neverFailed = neverFailed && (o == api.Failed || o == api.NoRoute && searching || o == api.Absent && hold.Deaf || early)
			}
			switch all := open[5555] && open[5022]; {
			case !all:
				allSince = time.Time{}
			case allSince.IsZero():
				allSince = now
			}
			changed = m.Observe(now, number, api.Probe{Time: now, Outcome: o})
		}
		after := m.Status()
		if changed != (before.Health != after.Health || !before.UpAt.Equal(after.UpAt)) {
			t.Fatalf("changed is %v: %+v, then %+v", changed, before, after)
		}
		if after.Reason == "" {
			t.Fatalf("%s without a reason", after.Health)
		}
		if before.Health == after.Health {
			continue
		}
		switch after.Health {
		case api.Up:
			switch before.Health {
			case api.Checking:
			case api.Unknown:
				if !neverFailed {
					t.Fatal("Up at once although a probe had failed")
				}
			default:
				if allSince.IsZero() || now.Sub(allSince) < r.UpDelay {
					t.Fatalf("%s to Up after %v of success, up-delay %v", before.Health, now.Sub(allSince), r.UpDelay)
				}
			}
		case api.Down:
			if max(inARow[5555], inARow[5022]) < r.Misses {
				t.Fatalf("Down after %v misses, want %d", inARow, r.Misses)
			}
		case api.Checking:
			if before.Health != api.Up {
				t.Fatalf("%s became Checking, which serves", before.Health)
			}
		case api.Unknown:
			t.Fatal("what was known is forgotten")
		}
	}
}
