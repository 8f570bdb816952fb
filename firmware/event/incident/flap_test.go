package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// ACCEPTANCE B9: a node that flaps every 20 s for 10 minutes. It answers and falls
// silent, and never for so long that it serves.
func TestFlapWithinTheUpDelayBecomesADigest(t *testing.T) {
	s := tell(t)
	for range 30 {
		s.node("A", api.Down).pass(10*time.Second).node("A", api.Starting).pass(10 * time.Second)
	}
	s.want(downA, digestA, digestA)
	if i := s.open(1)[0]; i.Times != 30 {
		t.Errorf("it came %d times", i.Times)
	}
	s.pass(3*time.Minute).node("A", api.Up).pass(5*time.Minute).want(downA, digestA, digestA).open(1)
	s.pass(time.Hour).want(downA, digestA, digestA, goneA).open(0)
}

// A node that serves in between was told to be well again: that it is not is told at
// once, and then only now and then.
func TestFlapBeyondTheUpDelayBecomesADigest(t *testing.T) {
	s := tell(t)
	for range 30 {
		s.node("A", api.Down).pass(10*time.Second).node("A", api.Up).pass(10 * time.Second)
	}
	s.want(downA, clearA, digestA, digestA).pass(time.Hour).want(downA, clearA, digestA, digestA, goneA).open(0)
	s.pass(time.Hour).node("A", api.Down)
	if i := s.open(1)[0]; i.ID != 2 || i.Times != 1 {
		t.Errorf("hours later it is told as %+v", i)
	}
}

// A node that came back once and died again is Down: there is nothing to sum up.
func TestSecondDeathIsToldOnceHoweverLongItLasts(t *testing.T) {
	tell(t).node("A", api.Down).node("A", api.Up).pass(time.Minute).node("A", api.Down).pass(48*time.Hour).
		want(downA, clearA, digestA)
}

func TestServerThatStumblesOnceWhileItStartsDoesNotFlap(t *testing.T) {
	tell(t).node("A", api.Down).pass(time.Minute).node("A", api.Starting).pass(20*time.Second).node("A", api.Down).pass(time.Minute).
		node("A", api.Starting).pass(3*time.Minute).node("A", api.Up).pass(time.Second).want(downA, clearA)
}

// Between two falls the node serves: the incident does not say that it is Down, and what
// an operator does then, and what follows from it, is no part of it.
func TestNodeThatIsBackForNowIsBlamedForNothing(t *testing.T) {
	s := tell(t)
	for n := range 3 {
		s.take(api.Event{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down),
			Text: fmt.Sprint("A is Down: fall ", n), Evidence: []string{fmt.Sprint("evidence ", n)}}).group(api.NoSpare).pass(time.Minute)
		s.node("A", api.Up).group(api.OK).pass(time.Minute)
	}
	i := s.open(1)[0]
	if i.Title != "Node A of group print went Down more than once" || !i.ComesAndGoes || i.Away.IsZero() {
		t.Errorf("while A serves: %+v", i)
	}
	if i.Cause != "A is Down: fall 2" || strings.Contains(strings.Join(i.Evidence, "\n"), "evidence 1") || i.Evidence[0] != "evidence 2" {
		t.Errorf("cause %q, evidence %q", i.Cause, i.Evidence)
	}
	s.take(api.Event{Kind: event.NodeCut, Severity: event.Notice, Group: "print", Node: "A", Count: 3, Text: "3 open connections cut by order"})
	s.take(api.Event{Kind: event.NodeService, Severity: event.Notice, Group: "print", Node: "A", State: string(api.OutOfService), Text: "stopped"})
	s.group(api.NoSpare).take(api.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: "print", Node: "B", From: "A", Count: 61, Text: "61 MFDs"}).pass(time.Second)
	open := s.open(2)
	if open[0].ID != 1 || open[0].Moved != 0 || len(open[0].Evidence) != len(i.Evidence) || open[0].Severity != event.Warning {
		t.Errorf("the node's incident: %+v", open[0])
	}
	if open[1].Title != "Group print has no spare node" {
		t.Errorf("%+v", open[1])
	}
	s.group(api.OK).pass(11 * time.Minute).open(0)
}

// The alert of nobody being served is over with what it followed from, also where the
// incident itself goes on.
func TestNodeThatIsBackForNowAlarmsNobody(t *testing.T) {
	s := tell(t)
	for range 2 {
		s.node("A", api.Down).group(api.NothingServing).pass(time.Minute).node("A", api.Up).group(api.OK).pass(time.Second)
	}
	if i := s.open(1)[0]; i.Severity != event.Warning {
		t.Errorf("%+v", i)
	}
	s.node("A", api.Down).group(api.NothingServing)
	if i := s.open(1)[0]; i.Severity != event.Alert || i.Title != "Node A of group print is Down" || !i.Away.IsZero() {
		t.Errorf("%+v", i)
	}
}

func TestCableThatIsBackForNowExplainsNothing(t *testing.T) {
	s := tell(t)
	for range 3 {
		s.suspects(event.Alert).pass(10 * time.Second).suspects(event.Notice).pass(10 * time.Second)
	}
	s.group(api.NoSpare)
	if open := s.open(2); open[1].Kind != event.GroupState || open[0].Title != "It came and went: This box reaches none of its nodes" {
		t.Errorf("%+v", open)
	}
}
