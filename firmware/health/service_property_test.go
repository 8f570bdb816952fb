package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

// TestNoAnswerOfServicesBreaksThePromises drives nodes whose services are watched
// through arbitrary probes and answers.
func TestNoAnswerOfServicesBreaksThePromises(t *testing.T) { rapid.Check(t, servicePromises) }

func FuzzNoAnswerOfServicesBreaksThePromises(f *testing.F) { f.Fuzz(rapid.MakeFuzz(servicePromises)) }

func servicePromises(t *rapid.T) {
	r := watching(rapid.Bool().Draw(t, "any"))
	r.Misses, r.Services.Misses = rapid.IntRange(1, 4).Draw(t, "misses"), rapid.IntRange(1, 4).Draw(t, "service misses")
	now := noon
	m := NewMachine(r, now)
	if prior := rapid.SampledFrom([]api.Health{"", api.Up, api.Checking, api.Starting, api.Down, api.Unknown}).Draw(t, "prior"); prior != "" {
		m = NewMachineFrom(r, prior, now)
	}
	outcomes := rapid.SampledFrom([]api.Outcome{api.Open, api.Open, api.Open, api.Refused, api.TimedOut})
	states := rapid.SampledFrom([]api.WindowsState{
		api.WindowsRunning, api.WindowsRunning, api.WindowsRunning, api.WindowsStopped, api.WindowsStartPending, api.WindowsStopPending,
		api.WindowsPaused, api.WindowsUnknown, api.WindowsAccessDenied, api.WindowsWrongPassword, api.WindowsTimedOut, api.WindowsNoRoute,
	})
	portMisses, serviceMisses := map[uint16]int{}, map[string]int{}
	state := map[string]api.WindowsState{}
	for range rapid.IntRange(1, 200).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.IntRange(0, 6000).Draw(t, "ms")) * time.Millisecond)
		before := m.Status()
		if rapid.Bool().Draw(t, "port") {
			number, o := rapid.SampledFrom(r.Ports).Draw(t, "number"), outcomes.Draw(t, "outcome")
			portMisses[number]++
			if o == api.Open {
				portMisses[number] = 0
			}
			m.Observe(now, number, probe(o))
		} else {
			a := api.WindowsAnswer{Name: rapid.SampledFrom(r.Services.Names).Draw(t, "service"), State: states.Draw(t, "state")}
			state[a.Name] = a.State
			switch worthOf(a.State) {
			case silence:
				serviceMisses[a.Name]++
			case runs, halts, trouble:
				serviceMisses[a.Name] = 0
			}
			m.ObserveServices(now, []api.WindowsAnswer{a})
		}
		after := m.Status()
		if after.Reason == "" {
			t.Fatalf("%s without a reason", after.Health)
		}
		halted := worthOf(state[spoc]) == halts && state[spoc] != "" || worthOf(state[ts]) == halts && state[ts] != ""
		if !r.Services.Any && halted && serves(after.Health) {
			t.Fatalf("%s (%s) with services %v", after.Health, after.Reason, state)
		}
		if before.Health == after.Health {
			continue
		}
		portsDown := max(portMisses[5555], portMisses[5022]) >= r.Misses
		servicesDown := halted || max(serviceMisses[spoc], serviceMisses[ts]) >= r.Services.Misses
		switch {
		case after.Health == api.Down && !r.Services.Any && !portsDown && !servicesDown:
			t.Fatalf("Down (%s) with misses %v, services %v", after.Reason, portMisses, state)
		case after.Health == api.Down && r.Services.Any && !portsDown:
			t.Fatalf("Down (%s) although its ports answer", after.Reason)
		case after.Health == api.Down && r.Services.Any && state[spoc] == api.WindowsRunning && state[ts] == api.WindowsRunning:
			t.Fatalf("Down (%s) although its services run", after.Reason)
		case after.Health == api.Up && before.Health == api.Starting && now.Sub(before.Since) < r.UpDelay:
			t.Fatalf("Up %v after Starting", now.Sub(before.Since))
		case after.Health == api.Up && before.Health == api.Down, after.Health == api.Checking && before.Health != api.Up:
			t.Fatalf("%s to %s", before.Health, after.Health)
		}
	}
}
