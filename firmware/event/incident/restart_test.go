package incident

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

func TestRestartOfTheBalancerGoesOnWithWhatIsTrue(t *testing.T) {
	s := tell(t)
	var kept []api.Report
	for _, ev := range []api.Event{
		{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down), Text: "A is Down"},
		{Kind: event.KernelFault, Severity: event.Alert, Text: "refused"},
	} {
		kept = append(kept, s.book.Take(ev, s.now))
	}
	s.book, s.told = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 2}, s.now), nil
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

// A node that is Starting is on its way back from the same trouble, however long that
// takes.
func TestNodeThatIsHeldBackOverARestartKeepsItsIncident(t *testing.T) {
	s := tell(t)
	kept := []api.Report{s.book.Take(api.Event{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down), Text: "A is Down"}, s.now)}
	s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 1}, s.now)
	s.node("A", api.Starting).pass(24 * time.Minute).open(1)
	s.node("A", api.Up).open(0)
}

// The balancer is started anew while the box suspects itself, and never learns that it
// was so.
func TestSuspicionOfBeforeARestartExplainsNothingAndEnds(t *testing.T) {
	s := tell(t)
	kept := []api.Report{s.book.Take(api.Event{Kind: event.BoxSuspicion, Severity: event.Alert, Text: "it is probably this box"}, s.now)}
	s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 101}, s.now)
	s.node("A", api.Down).pass(3 * time.Minute)
	s.want("begin 102 warning Node A of group print is Down", "clear 1 alert This box reaches none of its nodes")
}

// A journal may have lost the end of one incident and kept the next one of its kind.
func TestIncidentWhoseEndWasLostIsTold(t *testing.T) {
	s := tell(t)
	first := s.book.Take(api.Event{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down), Text: "A is Down"}, s.now)
	second := first
	i := *first.Incident
	i.ID = 2
	second.Incident = &i
	s.book = NewBook(DefaultPace(), event.History{Reports: []api.Report{second}, Open: []api.Incident{*first.Incident, i}}, s.now)
	s.pass(time.Second).want(clearA)
	if open := s.open(1); open[0].ID != 2 {
		t.Errorf("%+v", open)
	}
}

// An incident that was told to be over and came back once comes and goes, and is over
// when it has stayed away: a restart in between changes nothing of that.
func TestIncidentThatCameTwiceStaysOneThatComesAndGoesOverARestart(t *testing.T) {
	for name, back := range map[string]bool{"the node is Down at the restart": false, "the node serves at the restart": true} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			var kept []api.Report
			node := func(h api.Health, severity string) {
				kept = append(kept, s.book.Take(api.Event{Kind: event.NodeHealth, Severity: severity, Group: "print", Node: "A", State: string(h), Text: "A is " + string(h)}, s.now))
				s.pass(time.Minute)
			}
			node(api.Down, event.Warning)
			node(api.Up, event.Notice)
			node(api.Down, event.Warning)
			if back {
				node(api.Up, event.Notice)
			}
			s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 1}, s.now)
			s.node("A", api.Up).pass(9 * time.Minute)
			if i := s.open(1)[0]; i.Times != 2 || !i.ComesAndGoes || i.Title != "Node A of group print went Down more than once" {
				t.Errorf("%+v", i)
			}
			s.pass(2 * time.Minute).open(0)
		})
	}
}

// Of a trouble of which nothing is heard again it is not known when it went away.
func TestIncidentThatComesAndGoesIsOverWhenNothingIsHeardOfItAfterARestart(t *testing.T) {
	s := tell(t)
	var kept []api.Report
	for _, severity := range []string{event.Alert, event.Notice, event.Alert} {
		kept = append(kept, s.book.Take(api.Event{Kind: event.KernelFault, Severity: severity, Text: "refused"}, s.now))
	}
	s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 1}, s.now)
	s.pass(9 * time.Minute).open(1)
	s.pass(2 * time.Minute).open(0)
}

// What followed from a trouble made it graver, and is over after a restart.
func TestIncidentIsAsGraveAfterARestartAsWhatFollowsFromItThen(t *testing.T) {
	s := tell(t)
	kept := []api.Report{
		s.book.Take(api.Event{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down), Text: "A is Down"}, s.now),
		s.book.Take(groupEvent(api.NothingServing), s.now),
	}
	s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 1}, s.now)
	if i := s.node("A", api.Down).group(api.NothingServing).open(1)[0]; i.Severity != event.Alert {
		t.Errorf("nobody prints: %+v", i)
	}
	if i := s.group(api.NoSpare).open(1)[0]; i.Severity != event.Warning {
		t.Errorf("somebody prints again: %+v", i)
	}
}

// A node that its first word after a restart calls Up since before says that nothing
// happened meanwhile.
func TestTroubleThatStayedAwayOverARestartIsAwayForAsLong(t *testing.T) {
	for name, later := range map[string]time.Duration{"Up throughout": 0, "Up only since": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			var kept []api.Report
			for _, h := range []api.Health{api.Down, api.Up, api.Down, api.Up} {
				severity := map[api.Health]string{api.Down: event.Warning, api.Up: event.Notice}[h]
				s.pass(time.Minute)
				kept = append(kept, s.book.Take(api.Event{Kind: event.NodeHealth, Severity: severity, Group: "print", Node: "A", State: string(h), Text: "A is " + string(h)}, s.now))
			}
			went := s.now
			s.pass(5 * time.Minute)
			s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 1}, s.now)
			s.take(api.Event{Kind: event.NodeHealth, Severity: event.Notice, Group: "print", Node: "A", State: string(api.Up), Since: went.Add(later), Text: "A is Up"})
			if i := s.open(1)[0]; !i.Away.Equal(went.Add(later)) {
				t.Errorf("away since %v, want %v", i.Away, went.Add(later))
			}
		})
	}
}

// Out of the configuration it was no node, and Down it was before and after.
func TestDownNodeThatIsConfiguredAnewHasNotComeAgain(t *testing.T) {
	s := tell(t).node("A", api.Down)
	s.note(s.book.Keep(func(_, node string) bool { return node != "A" }, s.now)...)
	s.open(0)
	if i := s.pass(time.Minute).node("A", api.Down).open(1)[0]; i.ID != 2 || i.Times != 1 || i.ComesAndGoes {
		t.Errorf("%+v", i)
	}
}
