package health

import (
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rule = Rule{Ports: []uint16{5555, 5022}, Misses: 3, UpDelay: 120 * time.Second, Interval: 5 * time.Second}
)

// walk drives a machine through rounds of probes, one round an interval.
type walk struct {
	*testing.T
	m   *Machine
	now time.Time
}

func start(t *testing.T) *walk { return &walk{t, NewMachine(rule, noon), noon} }

func restored(t *testing.T, prior api.Health) *walk {
	return &walk{t, NewMachineFrom(rule, prior, noon), noon}
}

func probe(o api.Outcome) api.Probe { return api.Probe{Outcome: o} }

// round probes 5555 and 5022 with these outcomes and wants this health after it.
func (w *walk) round(spoc, ts api.Outcome, want api.Health) *walk {
	w.Helper()
	w.m.Observe(w.now, 5555, probe(spoc))
	w.m.Observe(w.now, 5022, probe(ts))
	if s := w.m.Status(); s.Health != want {
		w.Fatalf("%s: %s, %s: health %q (%s), want %q", clock(w.now), spoc, ts, s.Health, s.Reason, want)
	}
	w.now = w.now.Add(rule.Interval)
	return w
}

func (w *walk) rounds(n int, spoc, ts api.Outcome, want api.Health) *walk {
	w.Helper()
	for range n {
		w.round(spoc, ts, want)
	}
	return w
}

func (w *walk) reason(want string) *walk {
	w.Helper()
	if got := w.m.Status().Reason; !strings.Contains(got, want) {
		w.Errorf("reason %q does not say %q", got, want)
	}
	return w
}

func TestNodeThatWasThereBeforeTheBoxIsUpAtOnce(t *testing.T) {
	w := start(t)
	w.m.Observe(w.now, 5555, probe(api.Open))
	if h := w.m.Status().Health; h != api.Unknown {
		t.Fatalf("after one of two ports: %s", h)
	}
	w.round(api.Open, api.Open, api.Up).reason("first probe of every port")
}

func TestNodeThatFailsItsFirstProbeWaitsForTheUpDelay(t *testing.T) {
	for _, miss := range []api.Outcome{api.Refused, api.Unreachable, api.Absent, api.TimedOut} {
		w := start(t).round(api.Open, miss, api.Unknown).reason("miss 1 of 3")
		w.rounds(24, api.Open, api.Open, api.Starting)
		w.round(api.Open, api.Open, api.Up)
	}
}

func TestReasonCountsBeforeItExplains(t *testing.T) {
	w := start(t)
	for range 3 {
		w.m.Observe(w.now, 5555, api.Probe{Outcome: api.Unreachable, Detail: "host unreachable, says 198.18.0.1"})
		w.m.Observe(w.now, 5022, probe(api.Absent))
		w.now = w.now.Add(rule.Interval)
	}
	w.reason("port 5555 could not be reached 3 times in a row (host unreachable, says 198.18.0.1)")
	start(t).rounds(2, api.Open, api.Absent, api.Unknown).round(api.Open, api.Absent, api.Down).
		reason("port 5022 could not be reached 3 times in a row: no machine answers for that address, it is off or its cable is out")
}

func TestNodeThatIsDownAtBootIsNeverUsed(t *testing.T) {
	start(t).rounds(2, api.Refused, api.Refused, api.Unknown).rounds(100, api.Refused, api.Refused, api.Down).
		reason("port 5555 refused the connection 102 times in a row")
}

func TestBoxWithoutNetworkAtBootLearnsNothingFromIt(t *testing.T) {
	w := start(t)
	w.m.Hold(w.now, Verdict{Suspect: true, Certain: true, Since: w.now})
	w.rounds(20, api.NoRoute, api.Failed, api.Unknown).reason("this box has no way to the node")
	w.m.Hold(w.now, Verdict{})
	w.round(api.NoRoute, api.Open, api.Unknown).round(api.Open, api.Open, api.Up)
}

// The box reaches others, and has had the time to find its network: a gateway is missing.
func TestNodeThatTheBoxHasNoWayToIsDownAfterAWhile(t *testing.T) {
	start(t).rounds(3, api.NoRoute, api.NoRoute, api.Unknown).round(api.Open, api.Open, api.Up)
	start(t).rounds(5, api.NoRoute, api.NoRoute, api.Unknown).round(api.NoRoute, api.NoRoute, api.Down).
		reason("this box has no way to the node").round(api.Open, api.Open, api.Starting)
}

// The time in which the box doubts itself is not counted, and that before counts on.
func TestBoxThatDoubtsItselfBlamesNoNodeForTheWay(t *testing.T) {
	for _, doubt := range []Verdict{{Suspect: true}, {Deaf: true}} {
		w := start(t).rounds(2, api.NoRoute, api.NoRoute, api.Unknown)
		w.m.Hold(w.now, doubt)
		w.rounds(20, api.NoRoute, api.NoRoute, api.Unknown)
		w.m.Hold(w.now, Verdict{})
		w.round(api.NoRoute, api.NoRoute, api.Unknown).rounds(2, api.NoRoute, api.NoRoute, api.Unknown).round(api.NoRoute, api.NoRoute, api.Down)
	}
}

// The first probes leave while the box gets its address: some can't, and what the others
// asked is lost. Each port is excused once.
func TestSilenceWhileTheBoxGetsItsAddressDecidesNothing(t *testing.T) {
	for _, silence := range []api.Outcome{api.TimedOut, api.Absent, api.Unreachable} {
		start(t).round(api.NoRoute, silence, api.Unknown).round(api.Open, api.Open, api.Up)
		start(t).round(silence, api.NoRoute, api.Unknown).round(api.Open, api.Open, api.Starting)
		start(t).round(api.NoRoute, api.Refused, api.Unknown).round(api.Open, api.Open, api.Starting)
		start(t).round(api.NoRoute, silence, api.Unknown).round(api.Open, silence, api.Unknown).round(api.Open, api.Open, api.Starting)
		start(t).rounds(3, api.NoRoute, silence, api.Unknown).round(api.NoRoute, silence, api.Down)
		start(t).round(api.Open, api.Open, api.Up).round(api.NoRoute, silence, api.Checking).round(api.Open, silence, api.Checking).round(api.Open, silence, api.Down)
	}
}

// What left the box later than that was heard, and nobody answered.
func TestSilenceLaterThanTheBoxHasItsAddressCounts(t *testing.T) {
	for after, want := range map[time.Duration]api.Health{time.Second: api.Up, soon: api.Starting} {
		w := start(t).round(api.NoRoute, api.NoRoute, api.Unknown)
		for _, port := range rule.Ports {
			w.m.Observe(w.now, port, api.Probe{Time: noon.Add(after), Outcome: api.TimedOut})
		}
		w.now = w.now.Add(time.Second)
		w.round(api.Open, api.Open, want)
	}
}

func TestMachineTellsWhetherItIsWorthAskingAgainSoon(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		ts   api.Outcome
		want bool
	}{{api.NoRoute, true}, {api.Failed, true}, {api.TimedOut, true}, {api.TimedOut, false}, {api.NoRoute, false}, {api.Open, false}, {api.NoRoute, false}} {
		w.m.Observe(w.now, 5555, probe(api.Open))
		w.m.Observe(w.now, 5022, probe(c.ts))
		if got := w.m.Unsent(); got != c.want {
			t.Errorf("%s, %s: %v", c.ts, w.m.Status().Health, got)
		}
	}
}

func TestThirdMissInARowMakesDown(t *testing.T) {
	start(t).round(api.Open, api.Open, api.Up).
		round(api.Open, api.Refused, api.Checking).reason("port 5022 refused the connection: miss 1 of 3").
		round(api.Open, api.Refused, api.Checking).
		round(api.Open, api.Refused, api.Down).reason("port 5022 refused the connection 3 times in a row")
}

func TestMissesOfTwoPortsDoNotAddUp(t *testing.T) {
	w := start(t).round(api.Open, api.Open, api.Up)
	for range 50 {
		w.round(api.Open, api.TimedOut, api.Checking).round(api.TimedOut, api.Open, api.Checking)
	}
}

func TestTwoOfThreeLostForAnHourIsNeverDown(t *testing.T) {
	w := start(t).round(api.Open, api.Open, api.Up)
	for range 240 {
		w.rounds(2, api.TimedOut, api.TimedOut, api.Checking).round(api.Open, api.Open, api.Up)
	}
	w.rounds(2, api.TimedOut, api.TimedOut, api.Checking).round(api.TimedOut, api.TimedOut, api.Down)
}

func down(t *testing.T) *walk {
	return start(t).round(api.Open, api.Open, api.Up).rounds(2, api.Refused, api.Refused, api.Checking).
		round(api.Refused, api.Refused, api.Down)
}

func TestUpDelayCountsFromTheMomentWhenAllPortsAnswer(t *testing.T) {
	w := down(t).rounds(10, api.Open, api.Refused, api.Down)
	first := w.now
	w.round(api.Open, api.Open, api.Starting).reason("answers since " + clock(first) + ", Up in 120 s")
	if at := w.m.Status().UpAt; !at.Equal(first.Add(rule.UpDelay)) {
		t.Errorf("Up at %v, want %v", at, first.Add(rule.UpDelay))
	}
	w.rounds(23, api.Open, api.Open, api.Starting)
	if w.m.Tick(first.Add(rule.UpDelay - time.Nanosecond)) {
		t.Error("Up before the up-delay ran out")
	}
	if !w.m.Tick(first.Add(rule.UpDelay)) || w.m.Status().Health != api.Up {
		t.Error("time alone does not bring the node Up")
	}
	w.reason("whole up-delay of 2m0s")
}

func TestFailureInTheUpDelayStartsItAnew(t *testing.T) {
	down(t).rounds(23, api.Open, api.Open, api.Starting).
		round(api.Open, api.TimedOut, api.Starting).reason("starts anew when all ports answer").
		rounds(24, api.Open, api.Open, api.Starting).round(api.Open, api.Open, api.Up)
}

func TestThreeFailuresInTheUpDelayMakeDown(t *testing.T) {
	down(t).round(api.Open, api.Open, api.Starting).rounds(2, api.Refused, api.Open, api.Starting).
		round(api.Refused, api.Open, api.Down)
}

func TestTimeThatNobodyWatchedIsNoUpDelay(t *testing.T) {
	w := down(t).round(api.Open, api.Open, api.Starting)
	w.now = w.now.Add(time.Hour)
	w.m.Tick(w.now)
	w.round(api.Open, api.Open, api.Starting).rounds(23, api.Open, api.Open, api.Starting).round(api.Open, api.Open, api.Up)
}

func TestDaemonRestartNeitherDropsNorPromotesANode(t *testing.T) {
	restored(t, api.Up).round(api.Open, api.Open, api.Up)
	restored(t, api.Up).rounds(2, api.Refused, api.Open, api.Checking).round(api.Refused, api.Open, api.Down)
	restored(t, api.Checking).round(api.Open, api.Open, api.Up)
	restored(t, api.Down).round(api.Open, api.Refused, api.Down).rounds(24, api.Open, api.Open, api.Starting).round(api.Open, api.Open, api.Up)
	restored(t, api.Starting).rounds(24, api.Open, api.Open, api.Starting).round(api.Open, api.Open, api.Up)
	restored(t, api.Unknown).rounds(24, api.Open, api.Open, api.Starting).round(api.Open, api.Open, api.Up)
}

func TestChangedRuleKeepsWhatIsKnown(t *testing.T) {
	w := start(t).round(api.Open, api.Open, api.Up)
	three := rule
	three.Ports = []uint16{5555, 5022, 5610}
	w.m.SetRule(three, w.now)
	w.round(api.Open, api.Open, api.Up)
	for range 3 {
		w.m.Observe(w.now, 5610, probe(api.Refused))
	}
	w.reason("port 5610 refused")
	if h := w.m.Status().Health; h != api.Down {
		t.Fatalf("a new port that never answers: %s", h)
	}
	w.m.SetRule(rule, w.now)
	if s := w.m.Status(); s.Health != api.Starting || len(s.Ports) != 2 {
		t.Errorf("the failing port is not checked any more: %s, %d ports", s.Health, len(s.Ports))
	}
	if w.m.Observe(w.now, 5610, probe(api.Refused)) || w.m.Probes(5610) != nil {
		t.Error("a late probe of a removed port counts")
	}
	if got := len(w.m.Probes(5022)); got != 2 {
		t.Errorf("%d probes of 5022 kept, want 2", got)
	}
}

func TestBoxThatCannotProbeSaysNothingOfTheNode(t *testing.T) {
	start(t).round(api.Open, api.Open, api.Up).rounds(30, api.Failed, api.Failed, api.Checking).
		reason("says nothing about the node").round(api.Open, api.Open, api.Up)
}

func TestLastSixtyProbesAreKeptOldestFirst(t *testing.T) {
	w := start(t)
	for i := range 75 {
		w.m.Observe(w.now, 5022, api.Probe{Outcome: api.Open, Time: noon.Add(time.Duration(i))})
	}
	got := w.m.Probes(5022)
	if len(got) != 60 || !got[0].Time.Equal(noon.Add(15)) || !got[59].Time.Equal(noon.Add(74)) {
		t.Errorf("%d probes, from %v to %v", len(got), got[0].Time, got[len(got)-1].Time)
	}
}
