package health

import (
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

const (
	spoc = "YSoftSQ-SPOC"
	ts   = "YSoftSQ-TS"
)

func watching(anyWillDo bool) Rule {
	r := rule
	r.Services = ServiceRule{Names: []string{spoc, ts}, Any: anyWillDo, Misses: 3, Interval: 5 * time.Second}
	return r
}

// shift drives a machine whose services are watched too, one round an interval.
type shift struct {
	*testing.T
	m   *Machine
	now time.Time
}

func begin(t *testing.T, anyWillDo bool) *shift {
	return &shift{t, NewMachine(watching(anyWillDo), noon), noon}
}

func answers(states ...api.WindowsState) (out []api.WindowsAnswer) {
	for i, name := range []string{spoc, ts} {
		out = append(out, api.WindowsAnswer{Name: name, State: states[min(i, len(states)-1)]})
	}
	return out
}

// round has both ports end like this, and the services, the last for all that are
// left, and wants this health after it.
func (s *shift) round(port api.Outcome, want api.Health, states ...api.WindowsState) *shift {
	s.Helper()
	s.m.Observe(s.now, 5555, probe(port))
	s.m.Observe(s.now, 5022, probe(port))
	s.m.ObserveServices(s.now, answers(states...))
	if got := s.m.Status(); got.Health != want {
		s.Fatalf("%s: ports %s, services %s: %s (%s), want %s", clock(s.now), port, states, got.Health, got.Reason, want)
	}
	s.now = s.now.Add(rule.Interval)
	return s
}

func (s *shift) rounds(n int, port api.Outcome, want api.Health, states ...api.WindowsState) *shift {
	s.Helper()
	for range n {
		s.round(port, want, states...)
	}
	return s
}

func (s *shift) reason(want string) *shift {
	s.Helper()
	if got := s.m.Status().Reason; !strings.Contains(got, want) {
		s.Errorf("reason %q does not say %q", got, want)
	}
	return s
}

func TestNodeWhoseServicesAreWatchedWaitsForBothAtFirst(t *testing.T) {
	s := begin(t, false)
	s.m.Observe(s.now, 5555, probe(api.Open))
	s.m.Observe(s.now, 5022, probe(api.Open))
	if got := s.m.Status(); got.Health != api.Unknown || got.Reason != "its Windows services have not been asked yet" {
		t.Fatalf("%s: %s", got.Health, got.Reason)
	}
	s.round(api.Open, api.Up, api.WindowsRunning).reason("answered the first probe of every port, and all its services run")
}

func TestServiceThatDoesNotRunTakesTheNodeOutAtOnce(t *testing.T) {
	for state, words := range map[api.WindowsState]string{
		api.WindowsStopped: "is stopped", api.WindowsStopPending: "is stopping", api.WindowsStartPending: "is starting",
		api.WindowsPaused: "is paused", api.WindowsPausePending: "is being paused", api.WindowsContinuePending: "is being resumed",
	} {
		begin(t, false).round(api.Open, api.Up, api.WindowsRunning).
			round(api.Open, api.Down, api.WindowsRunning, state).reason("service "+ts+" "+words).
			round(api.Open, api.Starting, api.WindowsRunning).rounds(23, api.Open, api.Starting, api.WindowsRunning).
			round(api.Open, api.Up, api.WindowsRunning)
		// And it is not used at the first look.
		begin(t, false).round(api.Open, api.Down, state, api.WindowsRunning).round(api.Open, api.Starting, api.WindowsRunning)
		// Nor does it end the up-delay.
		begin(t, false).round(api.Open, api.Down, state).rounds(10, api.Open, api.Starting, api.WindowsRunning).
			round(api.Open, api.Down, state).rounds(100, api.Open, api.Down, state)
	}
}

func TestStopPendingComesBeforeThePortDies(t *testing.T) {
	begin(t, false).round(api.Open, api.Up, api.WindowsRunning).round(api.Open, api.Down, api.WindowsStopPending).
		rounds(5, api.Refused, api.Down, api.WindowsStopped).reason("is stopped")
}

func TestPortsTakeANodeOutWhoseServicesRun(t *testing.T) {
	begin(t, false).round(api.Open, api.Up, api.WindowsRunning).rounds(2, api.Refused, api.Checking, api.WindowsRunning).
		round(api.Refused, api.Down, api.WindowsRunning).reason("port 5555 refused the connection 3 times in a row")
}

func TestUnansweredQuestionsCountLikeMisses(t *testing.T) {
	for _, silent := range []api.WindowsState{api.WindowsHostDown, api.WindowsUnreachable, api.WindowsRefused, api.WindowsTimedOut, api.WindowsProtocolError, api.WindowsUnknown} {
		begin(t, false).round(api.Open, api.Up, api.WindowsRunning).
			round(api.Open, api.Checking, silent).reason("miss 1 of 3").
			round(api.Open, api.Checking, silent).round(api.Open, api.Down, silent).reason("3 times in a row").
			round(api.Open, api.Starting, api.WindowsRunning)
		begin(t, false).round(api.Open, api.Up, api.WindowsRunning).rounds(2, api.Open, api.Checking, silent).
			round(api.Open, api.Up, api.WindowsRunning).reason("all ports answer and all services run again").rounds(2, api.Open, api.Checking, silent)
	}
}

// People print: what could never be read is trouble of the configuration.
func TestServiceThatCouldNeverBeReadLeavesTheDecisionToThePorts(t *testing.T) {
	for _, state := range []api.WindowsState{
		api.WindowsAccessDenied, api.WindowsWrongPassword, api.WindowsSealedPassword, api.WindowsInsecure,
		api.WindowsHostDown, api.WindowsUnreachable, api.WindowsRefused, api.WindowsTimedOut, api.WindowsProtocolError, api.WindowsUnknown,
	} {
		for _, anyWillDo := range []bool{false, true} {
			begin(t, anyWillDo).rounds(50, api.Open, api.Up, state).reason("only its ports are judged: service "+spoc+" "+ServiceWords(state)).
				rounds(2, api.Refused, api.Checking, state).round(api.Refused, api.Down, state)
		}
	}
}

func TestPasswordThatExpiresTakesNoNodeOut(t *testing.T) {
	for _, state := range []api.WindowsState{api.WindowsAccessDenied, api.WindowsWrongPassword, api.WindowsSealedPassword, api.WindowsInsecure} {
		begin(t, false).rounds(5, api.Open, api.Up, api.WindowsRunning).rounds(50, api.Open, api.Up, state).
			rounds(50, api.Open, api.Up, api.WindowsTimedOut).round(api.Open, api.Up, api.WindowsRunning).
			round(api.Open, api.Down, api.WindowsStopped)
	}
}

func TestAnyIsContentWithPortsOrServices(t *testing.T) {
	s := begin(t, true).round(api.Open, api.Up, api.WindowsRunning)
	s.rounds(20, api.Open, api.Up, api.WindowsStopped).reason("service " + spoc + " is stopped, but its ports answer")
	s.round(api.Open, api.Up, api.WindowsRunning)
	s.rounds(20, api.Refused, api.Up, api.WindowsRunning).reason("port 5555 refused the connection, but its services run")
	s.round(api.Refused, api.Down, api.WindowsRunning, api.WindowsStopPending).reason("port 5555 refused the connection; service " + ts + " is stopping")
	s.round(api.Refused, api.Starting, api.WindowsRunning).rounds(23, api.Refused, api.Starting, api.WindowsRunning).
		round(api.Refused, api.Up, api.WindowsRunning)
	s.rounds(2, api.Refused, api.Checking, api.WindowsTimedOut).round(api.Refused, api.Down, api.WindowsTimedOut)
}

func TestStatementOfTheNodeItselfIsStrongerThanTheDoubtOfTheBox(t *testing.T) {
	s := begin(t, false).round(api.Open, api.Up, api.WindowsRunning)
	s.m.Hold(s.now, Verdict{Suspect: true, Certain: true, Since: s.now, Reason: "x"})
	s.rounds(9, api.TimedOut, api.Checking, api.WindowsTimedOut).round(api.TimedOut, api.Down, api.WindowsStopped)
}

func TestServicesThatLeaveTheRuleAreForgotten(t *testing.T) {
	s := begin(t, false).round(api.Open, api.Up, api.WindowsRunning).round(api.Open, api.Down, api.WindowsRunning, api.WindowsStopped)
	fewer := watching(false)
	fewer.Services.Names = []string{spoc}
	s.m.SetRule(fewer, s.now)
	if got := s.m.Status(); got.Health != api.Starting || len(got.Services) != 1 || got.Services[0].State != api.WindowsRunning {
		t.Errorf("%+v", got)
	}
	s.m.SetRule(rule, s.now)
	if got := s.m.Status(); len(got.Services) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestStatusSaysSinceWhenAServiceIsInItsState(t *testing.T) {
	s := begin(t, false).rounds(3, api.Open, api.Up, api.WindowsRunning).rounds(2, api.Open, api.Down, api.WindowsStopped)
	got := s.m.Status().Services[0]
	if want := (api.WindowsService{Name: spoc, State: api.WindowsStopped, Since: noon.Add(15 * time.Second), Last: noon.Add(20 * time.Second), Counts: true}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
