package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// story is a book, and what it reported.
type story struct {
	*testing.T
	book *Book
	now  time.Time
	told []string // phase, ID, severity and title of each report with an incident
}

func tell(t *testing.T) *story {
	return &story{T: t, book: NewBook(DefaultPace(), nil, start), now: start}
}

func (s *story) note(reports ...api.Report) {
	for _, r := range reports {
		if r.Incident != nil && r.Phase != api.Update {
			s.told = append(s.told, fmt.Sprintf("%s %d %s %s", r.Phase, r.Incident.ID, r.Incident.Severity, r.Incident.Title))
		}
	}
}

func (s *story) take(ev api.Event) *story {
	s.note(s.book.Take(ev, s.now))
	return s
}

func (s *story) pass(d time.Duration) *story {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(time.Second)
		s.note(s.book.Tick(s.now)...)
	}
	return s
}

func (s *story) node(name string, h api.Health) *story {
	severity := event.Notice
	if h == api.Down {
		severity = event.Warning
	}
	return s.take(api.Event{Kind: event.NodeHealth, Severity: severity, Group: "print", Node: name, State: string(h), Text: name + " is " + string(h)})
}

func (s *story) group(state api.BoxState) *story {
	severity := map[api.BoxState]string{api.OK: event.Notice, api.NoSpare: event.Warning, api.NothingServing: event.Alert}[state]
	return s.take(api.Event{Kind: event.GroupState, Severity: severity, Group: "print", State: string(state), Text: "group print: " + string(state)})
}

func (s *story) suspects(severity string) *story {
	return s.take(api.Event{Kind: event.BoxSuspicion, Severity: severity, Text: "it is probably this box"})
}

func (s *story) want(told ...string) *story {
	s.Helper()
	if got, want := strings.Join(s.told, "\n"), strings.Join(told, "\n"); got != want {
		s.Fatalf("told:\n%s\nwant:\n%s", got, want)
	}
	return s
}

func (s *story) open(n int) []api.Incident {
	s.Helper()
	got := s.book.Open()
	if len(got) != n {
		s.Fatalf("%d incidents are open, want %d: %+v", len(got), n, got)
	}
	return got
}

const downA = "begin 1 warning Node A of group print is Down"

func TestDeadNodeIsOneIncidentWithAllThatFollowsFromIt(t *testing.T) {
	s := tell(t).node("A", api.Checking).node("A", api.Down)
	s.take(api.Event{Kind: event.NodeCut, Severity: event.Notice, Group: "print", Node: "A", Count: 3, Text: "3 connections cut"})
	s.group(api.NoSpare).pass(time.Second)
	s.take(api.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: "print", Node: "B", From: "A", Count: 61, Text: "61 MFDs now on B"})
	s.take(api.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: "print", Node: "B", From: "A", Count: 2, Text: "2 MFDs now on B"})
	i := s.open(1)[0]
	if i.Moved != 63 || i.Cause != "A is Down" || i.Do == "" || len(i.Evidence) != 5 || i.Severity != event.Warning {
		t.Errorf("%+v", i)
	}
	s.pass(time.Hour).node("A", api.Starting).pass(3*time.Minute).node("A", api.Up).group(api.OK).pass(time.Hour)
	s.want(downA, "clear 1 warning Node A of group print is Down").open(0)
}

func TestLastNodeMakesTheIncidentAnAlert(t *testing.T) {
	s := tell(t).node("A", api.Down).group(api.NoSpare).node("B", api.Down).group(api.NothingServing)
	if open := s.open(2); open[0].Node != "B" || open[0].Severity != event.Alert || open[1].Severity != event.Warning {
		t.Errorf("%+v", open)
	}
	s.node("B", api.Up).group(api.NoSpare).pass(time.Minute)
	if open := s.open(1); open[0].Node != "A" || open[0].Severity != event.Warning {
		t.Errorf("%+v", open)
	}
}

func TestDrainedNodeThatLeavesNoSpareIsAnIncidentOfTheGroup(t *testing.T) {
	tell(t).group(api.OK).group(api.NoSpare).pass(time.Minute).group(api.OK).pass(time.Hour).
		want("begin 1 warning Group print has no spare node", "clear 1 warning Group print has no spare node")
}

// The drain came first, then the other node died and returned: the drain still
// leaves no spare.
func TestWhatIsStillWrongIsToldWhenItsCauseIsOver(t *testing.T) {
	s := tell(t).node("A", api.Down).group(api.NoSpare).node("A", api.Up)
	s.pass(3*time.Second).want(downA, "clear 1 warning Node A of group print is Down")
	s.pass(time.Minute).want(downA, "clear 1 warning Node A of group print is Down", "begin 2 warning Group print has no spare node")
}

func TestPulledCableOfTheBoxIsOneIncident(t *testing.T) {
	s := tell(t).suspects(event.Alert).pass(3*time.Minute).node("A", api.Down).node("B", api.Down).group(api.NothingServing).pass(time.Minute)
	s.want("begin 1 alert This box reaches none of its nodes").open(1)
	s.suspects(event.Notice).node("A", api.Starting).pass(3*time.Minute).node("A", api.Up).group(api.NoSpare).pass(time.Minute)
	// B stays away: that is its own trouble now.
	if open := s.open(1); open[0].Node != "B" {
		t.Errorf("%+v", open)
	}
}

// ACCEPTANCE B9: a node that flaps makes a begin, a clear, summaries and a last
// word, and not a message each time.
func TestFlapBecomesADigest(t *testing.T) {
	s := tell(t)
	for range 30 {
		s.node("A", api.Down).pass(10*time.Second).node("A", api.Up).pass(10 * time.Second)
	}
	again := "digest 1 warning Node A of group print is Down"
	s.want(downA, "clear 1 warning Node A of group print is Down", again, again)
	s.pass(time.Hour).want(downA, "clear 1 warning Node A of group print is Down", again, again, again, "clear 1 warning Node A of group print is Down").open(0)
	s.pass(time.Hour).node("A", api.Down).open(1)
	if i := s.open(1)[0]; i.ID != 2 || i.Times != 1 {
		t.Errorf("hours later it is told as %+v", i)
	}
}

func TestRestartOfADaemonEndsByItself(t *testing.T) {
	s := tell(t)
	for range 3 {
		s.take(api.Event{Kind: event.ServiceRestarted, Severity: event.Warning, Text: "webd was restarted"}).pass(time.Minute)
	}
	if i := s.open(1)[0]; i.Times != 3 {
		t.Errorf("%+v", i)
	}
	s.pass(time.Hour).want("begin 1 warning A program of this box was started anew", "clear 1 warning A program of this box was started anew")
}

func TestLesserEventOfTheSameKindEndsATrouble(t *testing.T) {
	s := tell(t)
	s.take(api.Event{Kind: event.KernelFault, Severity: event.Alert, Text: "the kernel refused a change: busy"})
	s.take(api.Event{Kind: event.KernelFault, Severity: event.Notice, Text: "the kernel takes changes again"})
	s.take(api.Event{Kind: event.ConfigRefused, Severity: event.Warning, Text: "not used"})
	s.take(api.Event{Kind: event.ConfigChanged, Severity: event.Info, Text: "configuration changed"})
	s.take(api.Event{Kind: "naming.reverse", Severity: event.Warning, Group: "print", Text: "the PTR record is missing: add one"})
	s.take(api.Event{Kind: "naming.reverse", Severity: event.Notice, Group: "print", Text: "is there again"})
	s.take(api.Event{Kind: event.NodeService, Severity: event.Notice, Group: "print", Node: "A", State: string(api.Draining), Text: "drained"})
	s.want("begin 1 alert The kernel does not do what this box wants of it", "clear 1 alert The kernel does not do what this box wants of it",
		"begin 2 warning The configuration that was written is not in use", "clear 2 warning The configuration that was written is not in use",
		"begin 3 warning The PTR record is missing", "clear 3 warning The PTR record is missing").open(0)
}

func TestRestartOfTheBalancerGoesOnWithWhatIsTrue(t *testing.T) {
	s := tell(t)
	var kept []api.Report
	for _, ev := range []api.Event{
		{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down), Text: "A is Down"},
		{Kind: event.KernelFault, Severity: event.Alert, Text: "refused"},
	} {
		kept = append(kept, s.book.Take(ev, s.now))
	}
	s.book, s.told = NewBook(DefaultPace(), kept, s.now), nil
	s.open(2)
	// The node is still Down, which is the same incident; of the kernel nothing more is heard.
	s.node("A", api.Down).pass(5 * time.Minute).want("clear 2 alert The kernel does not do what this box wants of it")
	s.node("B", api.Down)
	if open := s.open(2); open[1].ID != 3 || open[0].Node != "A" {
		t.Errorf("%+v", open)
	}
	s.note(s.book.Keep(func(_, node string) bool { return node != "B" }, s.now)...)
	if open := s.open(1); open[0].Node != "A" {
		t.Errorf("after B was taken out of the configuration: %+v", open)
	}
}

// Whatever happens: no incident is open twice, an end follows a beginning, all ends
// when all is well, and messages to people are few.
func TestNoStoryOpensTwiceOrNeverEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pace := DefaultPace()
		b := NewBook(pace, nil, start)
		now := start
		open := map[uint64]bool{}
		messages := map[uint64]int{}
		var journal []api.Report
		note := func(reports ...api.Report) {
			for _, r := range reports {
				journal = append(journal, r)
				if r.Incident == nil {
					continue
				}
				if r.Event.Incident != r.Incident.ID || r.Incident.Title == "" || r.Incident.Cause == "" {
					rt.Fatalf("%+v", r)
				}
				switch r.Phase {
				case api.Begin:
					if open[r.Incident.ID] || messages[r.Incident.ID] > 0 {
						rt.Fatalf("begins again: %+v", r.Incident)
					}
					open[r.Incident.ID] = true
				case api.Clear:
					if r.Incident.Open() {
						rt.Fatalf("cleared and open: %+v", r.Incident)
					}
					open[r.Incident.ID] = false
				default:
					open[r.Incident.ID] = true
				}
				if r.Phase != api.Update {
					messages[r.Incident.ID]++
				}
			}
		}
		health := rapid.SampledFrom([]api.Health{api.Up, api.Down, api.Starting, api.Checking})
		state := rapid.SampledFrom([]api.BoxState{api.OK, api.NoSpare, api.NothingServing})
		node := rapid.SampledFrom([]string{"A", "B"})
		severity := rapid.SampledFrom([]string{event.Notice, event.Alert})
		steps := rapid.IntRange(1, 150).Draw(rt, "steps")
		for range steps {
			ev := api.Event{Group: "print", Text: "x"}
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0, 1:
				h := health.Draw(rt, "health")
				ev.Kind, ev.Node, ev.State, ev.Severity = event.NodeHealth, node.Draw(rt, "node"), string(h), event.Notice
				if h == api.Down {
					ev.Severity = event.Warning
				}
			case 2:
				st := state.Draw(rt, "state")
				ev.Kind, ev.State = event.GroupState, string(st)
				ev.Severity = map[api.BoxState]string{api.OK: event.Notice, api.NoSpare: event.Warning, api.NothingServing: event.Alert}[st]
			case 3:
				ev.Kind, ev.Group, ev.Severity = event.BoxSuspicion, "", severity.Draw(rt, "severity")
			case 4:
				ev.Kind, ev.From, ev.Node, ev.Count, ev.Severity = event.ClientMoved, node.Draw(rt, "from"), "B", 3, event.Notice
			case 5:
				b = NewBook(pace, journal, now)
				continue
			default:
				for range rapid.IntRange(1, 400).Draw(rt, "seconds") {
					now = now.Add(time.Second)
					note(b.Tick(now)...)
				}
				continue
			}
			note(b.Take(ev, now))
		}
		for _, n := range []string{"A", "B"} {
			note(b.Take(api.Event{Kind: event.NodeHealth, Severity: event.Notice, Group: "print", Node: n, State: string(api.Up), Text: "x"}, now))
		}
		note(b.Take(api.Event{Kind: event.BoxSuspicion, Severity: event.Notice, Text: "x"}, now))
		note(b.Take(api.Event{Kind: event.GroupState, Severity: event.Notice, Group: "print", State: string(api.OK), Text: "x"}, now))
		for range int(2*pace.Steady/time.Second) + 60 {
			now = now.Add(time.Second)
			note(b.Tick(now)...)
		}
		if left := b.Open(); len(left) > 0 {
			rt.Fatalf("all is well, and open are %+v", left)
		}
		for id, is := range open {
			if is {
				rt.Fatalf("incident %d was never told to be over", id)
			}
		}
	})
}
