package incident

import (
	"slices"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

const (
	wrongPassword = "A: only its ports are judged: wrong password"
	beginServices = "begin 2 warning A: only its ports are judged: wrong password"
)

func servicesOf(node, severity, text string) api.Event {
	return api.Event{Kind: event.NodeServices, Severity: severity, Group: "print", Node: node, Text: text}
}

func (s *story) services(severity, text string) *story {
	return s.take(servicesOf("A", severity, text))
}

// A server that starts answers, and its account's password was changed meanwhile: that
// the node serves again is no news of the password.
func TestTroubleThatCameWhileItsNodeWasDownIsToldWhenTheNodeIsBack(t *testing.T) {
	s := tell(t).node("A", api.Down).node("A", api.Starting).services(event.Warning, wrongPassword).pass(time.Hour)
	if i := s.want(downA).open(1)[0]; !slices.Contains(i.Evidence, wrongPassword) {
		t.Errorf("it is no evidence of %+v", i)
	}
	s.node("A", api.Up).pass(4*time.Second).want(downA, clearA).pass(2*time.Second).want(downA, clearA, beginServices)
	if i := s.open(1)[0]; i.Cause != wrongPassword || i.Do == "" || i.Node != "A" {
		t.Errorf("%+v", i)
	}
	s.services(event.Notice, "A: all its Windows services can be judged").pass(time.Hour).
		want(downA, clearA, beginServices, "clear"+beginServices[len("begin"):]).open(0)
}

func TestTroubleThatEndedWhileItsNodeWasDownIsNotTold(t *testing.T) {
	s := tell(t).node("A", api.Down).services(event.Warning, wrongPassword).pass(time.Minute)
	s.services(event.Notice, "A: all its Windows services can be judged").node("A", api.Up).pass(time.Hour).want(downA, clearA).open(0)
}

func TestTroubleOfANodeThatWasTakenOutOfTheConfigurationIsNotTold(t *testing.T) {
	s := tell(t).node("A", api.Down).services(event.Warning, wrongPassword)
	s.note(s.book.Keep(func(_, node string) bool { return node != "A" }, s.now)...)
	s.pass(time.Hour).want(downA, clearA).open(0)
}

// Between two falls the node is back for long enough to be told of. While it is away
// again with all others, the box's own trouble explains that nothing can be asked there.
func TestTroubleOfANodeThatFlapsIsToldOnceAndWhileTheNodeIsThere(t *testing.T) {
	s := tell(t)
	for range 3 {
		s.node("A", api.Down).services(event.Warning, wrongPassword).pass(10*time.Second).node("A", api.Up).pass(2 * time.Second)
	}
	s.want(downA, clearA, digestA).suspects(event.Alert).node("A", api.Down).pass(time.Minute)
	if open := s.open(2); open[0].Kind != event.BoxSuspicion || open[1].Kind != event.NodeDown {
		t.Errorf("%+v", open)
	}
	s.node("A", api.Up).suspects(event.Notice).pass(10 * time.Second)
	if open := s.open(2); open[1].Kind != event.NodeServices {
		t.Errorf("%+v", open)
	}
	s.node("A", api.Down).services(event.Warning, wrongPassword).pass(10*time.Second).node("A", api.Up).pass(time.Minute)
	if open := s.open(2); open[1].Kind != event.NodeServices || open[1].Times != 1 {
		t.Errorf("%+v", open)
	}
}

// Who found the trouble says after a restart of the balancer whether it goes on with it;
// otherwise it is found anew if it is still there.
func TestTroubleThatCameWhileItsNodeWasDownOutlastsARestart(t *testing.T) {
	for name, told := range map[string]struct {
		before    []api.Event
		confirmed bool
		want      int
	}{
		"it goes on":       {[]api.Event{servicesOf("A", event.Warning, wrongPassword)}, true, 1},
		"it is found anew": {[]api.Event{servicesOf("A", event.Warning, wrongPassword)}, false, 0},
		"it had ended":     {[]api.Event{servicesOf("A", event.Warning, wrongPassword), servicesOf("A", event.Notice, "over")}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t)
			kept := []api.Report{s.book.Take(api.Event{Kind: event.NodeHealth, Severity: event.Warning, Group: "print", Node: "A", State: string(api.Down), Text: "A is Down"}, s.now)}
			for _, ev := range told.before {
				kept = append(kept, s.book.Take(ev, s.now))
			}
			s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 1}, s.now)
			if told.confirmed {
				s.book.Confirm(event.NodeServices, "print", "A")
			}
			s.node("A", api.Down).pass(time.Minute).open(1)
			s.node("A", api.Up).pass(time.Minute).open(told.want)
		})
	}
}

// What became an incident of its own before the restart, and is over, is not told again.
func TestTroubleThatWasToldAfterItsNodeCameBackIsNotRecalled(t *testing.T) {
	s := tell(t).node("A", api.Down)
	kept := []api.Report{s.book.Take(servicesOf("A", event.Warning, wrongPassword), s.now),
		s.book.Take(api.Event{Kind: event.NodeHealth, Severity: event.Notice, Group: "print", Node: "A", State: string(api.Up), Text: "A is Up"}, s.now)}
	for range 10 {
		s.now = s.now.Add(time.Second)
		kept = append(kept, s.book.Tick(s.now)...)
	}
	s.book = NewBook(DefaultPace(), event.History{Reports: kept, LastIncident: 2}, s.now)
	s.book.Confirm(event.NodeServices, "print", "A")
	s.open(1)
	s.services(event.Notice, "A: all its Windows services can be judged").pass(time.Hour).open(0)
}
