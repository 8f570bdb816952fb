package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
	return &story{T: t, book: NewBook(DefaultPace(), event.History{}, start), now: start}
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

func (s *story) group(state api.BoxState) *story { return s.take(groupEvent(state)) }

func groupEvent(state api.BoxState) api.Event {
	severity := map[api.BoxState]string{api.OK: event.Notice, api.NoSpare: event.Warning, api.NothingServing: event.Alert}[state]
	return api.Event{Kind: event.GroupState, Severity: severity, Group: "print", State: string(state), Text: "group print: " + string(state)}
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
	s.take(api.Event{Kind: event.NodeCut, Severity: event.Notice, Group: "print", Node: "A", From: "A", Count: 3, Text: "3 connections cut"})
	s.group(api.NoSpare).pass(time.Second)
	s.take(api.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: "print", Node: "B", From: "A", Count: 61, Text: "61 MFDs now on B"})
	s.take(api.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: "print", Node: "B", From: "A", Count: 2, Text: "2 MFDs now on B"})
	i := s.open(1)[0]
	if i.Moved != 63 || i.Cause != "A is Down" || i.Do == "" || len(i.Evidence) != 3 || i.Severity != event.Warning {
		t.Errorf("%+v", i)
	}
	s.pass(time.Hour).node("A", api.Starting).pass(3 * time.Minute)
	// The group follows its node a moment later.
	s.node("A", api.Up).pass(time.Second).group(api.OK).pass(time.Hour)
	s.want(downA, "clear 1 warning Node A of group print is Down").open(0)
}

func TestLastNodeMakesTheIncidentAnAlert(t *testing.T) {
	s := tell(t).node("A", api.Down).group(api.NoSpare).node("B", api.Down)
	r := s.book.Take(groupEvent(api.NothingServing), s.now)
	if !r.Raised || r.Phase != api.Update || r.Incident.Severity != event.Alert {
		t.Errorf("that nobody is served is told as %+v", r)
	}
	if open := s.open(2); open[0].Node != "B" || open[1].Severity != event.Warning {
		t.Errorf("%+v", open)
	}
	if r := s.book.Take(groupEvent(api.NothingServing), s.now); r.Raised {
		t.Error("it is told as news again")
	}
	s.node("B", api.Up).group(api.NoSpare).pass(time.Minute)
	if open := s.open(1); open[0].Node != "A" || open[0].Severity != event.Warning {
		t.Errorf("%+v", open)
	}
}

// A group that nobody reaches has another cause than a node that is Down.
func TestAddressThatAnotherMachineHasIsItsOwnIncident(t *testing.T) {
	s := tell(t).node("A", api.Down).group(api.NoSpare).pass(time.Minute)
	unreached := func(severity string) *story {
		return s.take(api.Event{Kind: event.GroupUnreached, Severity: severity, Group: "print", Text: "the machine 02:00:5e:10:00:07 has it"})
	}
	unreached(event.Alert).group(api.NothingServing).pass(time.Minute)
	const conflict = "MFDs do not reach group print at its virtual address"
	s.want(downA, "begin 2 alert "+conflict)
	if open := s.open(2); open[1].Node != "A" || open[1].Severity != event.Warning {
		t.Errorf("%+v", open)
	}
	unreached(event.Notice).group(api.NoSpare).pass(time.Minute).node("A", api.Up).group(api.OK).pass(time.Minute)
	s.want(downA, "begin 2 alert "+conflict, "clear 2 alert "+conflict, "clear 1 warning Node A of group print is Down").open(0)
}

func TestOneNodeWithoutASpareIsNoTrouble(t *testing.T) {
	s := tell(t)
	alone := api.Event{Kind: event.GroupState, Severity: event.Notice, Group: "print", State: string(api.NoSpare), Text: "only one node is configured"}
	s.take(alone).pass(time.Hour).want().node("A", api.Down).group(api.NothingServing).pass(time.Minute).node("A", api.Up).take(alone).pass(time.Hour)
	s.want(downA, "clear 1 alert Node A of group print is Down").open(0)
}

func TestDrainedNodeThatLeavesNoSpareIsAnIncidentOfTheGroup(t *testing.T) {
	tell(t).group(api.OK).group(api.NoSpare).pass(time.Minute).group(api.OK).pass(time.Hour).
		want("begin 1 warning Group print has no spare node", "clear 1 warning Group print has no spare node")
}

// A node is Down, and an operator drains the last that serves: that nobody prints follows
// from the order, and ends with it. It does not make the failure any graver.
func TestDrainOfTheLastNodeIsNoEvidenceOfTheFailureOfAnother(t *testing.T) {
	s := tell(t).node("A", api.Down).group(api.NoSpare).pass(time.Minute)
	ordered := func(is api.Service) *story {
		return s.take(api.Event{Kind: event.NodeService, Severity: event.Notice, Group: "print", Node: "B", State: string(is), Text: "ordered"})
	}
	ordered(api.Draining).group(api.NothingServing).pass(time.Minute)
	open := s.open(2)
	if open[0].Kind != event.GroupState || open[0].Severity != event.Alert || open[1].Severity != event.Warning || len(open[1].Evidence) != 2 {
		t.Errorf("%+v", open)
	}
	ordered(api.InService).group(api.NoSpare).pass(time.Minute)
	if open := s.open(2); open[1].Title != "Group print has no spare node" || open[1].Severity != event.Warning {
		t.Errorf("after the return: %+v", open)
	}
	s.node("A", api.Up).group(api.OK).pass(time.Second).open(0)
}

// The drain came first, then the other node died and returned: the drain still
// leaves no spare.
func TestWhatIsStillWrongIsToldWhenItsCauseIsOver(t *testing.T) {
	s := tell(t).node("A", api.Down).group(api.NoSpare).node("A", api.Up)
	s.pass(3*time.Second).want(downA, "clear 1 warning Node A of group print is Down")
	s.pass(time.Minute).want(downA, "clear 1 warning Node A of group print is Down", "begin 2 warning Group print has no spare node")
}

// The box hears nobody for longer than its nodes are believed. When the cable is back
// they answer one after the other, and serve after their up-delay: until then nobody
// prints, and it is one trouble.
func TestPulledCableOfTheBoxIsOneIncident(t *testing.T) {
	s := tell(t).suspects(event.Alert).pass(3*time.Minute).node("A", api.Down).node("B", api.Down).group(api.NothingServing).pass(time.Minute)
	const cable = "This box reaches none of its nodes"
	s.want("begin 1 alert " + cable).open(1)
	s.suspects(event.Notice).pass(time.Second).node("A", api.Starting).pass(4*time.Second).node("B", api.Starting).pass(3 * time.Minute)
	s.want("begin 1 alert " + cable).open(1)
	s.node("A", api.Up).pass(time.Second).group(api.NoSpare).pass(4*time.Second).node("B", api.Up).pass(time.Second).group(api.OK).pass(time.Hour)
	s.want("begin 1 alert "+cable, "clear 1 alert "+cable).open(0)
}

func TestShortSilenceOfAllIsOverAtOnce(t *testing.T) {
	tell(t).suspects(event.Alert).pass(10*time.Second).suspects(event.Notice).pass(time.Second).
		want("begin 1 alert This box reaches none of its nodes", "clear 1 alert This box reaches none of its nodes")
}

func TestNodeThatStaysAwayAfterTheCableIsBackIsItsOwnTrouble(t *testing.T) {
	s := tell(t).suspects(event.Alert).pass(3*time.Minute).node("A", api.Down).node("B", api.Down).node("C", api.Down).group(api.NothingServing)
	s.suspects(event.Notice).node("A", api.Starting).node("C", api.Starting).pass(20 * time.Second).open(1)
	s.node("C", api.Down).pass(20 * time.Second) // C answered, and fell silent again
	if open := s.open(3); open[1].Node != "C" || open[2].Node != "B" {
		t.Errorf("%+v", open)
	}
	s.pass(3*time.Minute).node("A", api.Up).group(api.NoSpare).pass(time.Minute)
	if open := s.open(2); open[0].Node != "C" || open[1].Node != "B" {
		t.Errorf("%+v", open)
	}
}

const (
	digestA = "digest 1 warning Node A of group print is Down"
	clearA  = "clear 1 warning Node A of group print is Down"
	// goneA is its end after it came and went.
	goneA = "clear 1 warning Node A of group print went Down more than once"
)

func TestRestartOfADaemonEndsByItself(t *testing.T) {
	s := tell(t)
	for range 3 {
		s.take(api.Event{Kind: event.ServiceRestarted, Severity: event.Warning, Program: "webd", Text: "webd was restarted"}).pass(time.Minute)
	}
	if i := s.open(1)[0]; i.Times != 3 {
		t.Errorf("%+v", i)
	}
	s.take(api.Event{Kind: event.ServiceRestarted, Severity: event.Warning, Program: "netd", Text: "netd was restarted"}).pass(time.Hour)
	webd, netd := " warning The program webd of this box was started anew", " warning The program netd of this box was started anew"
	s.want("begin 1"+webd, "begin 2"+netd, "clear 1"+webd, "clear 2"+netd)
}

// That a port was never answered is news of a node that is Down, and its own trouble
// only where the node serves without that port.
func TestCheckThatWasNeverAnsweredBelongsToTheNodeThatIsDown(t *testing.T) {
	never := api.Event{Kind: event.NodeCheck, Severity: event.Warning, Group: "print", Node: "A", Text: "node A has refused its checks on port 5555 ever since"}
	s := tell(t).node("A", api.Down).take(never).pass(time.Minute)
	if i := s.open(1)[0]; len(i.Evidence) != 2 || i.Evidence[1] != never.Text {
		t.Errorf("%+v", i)
	}
	over := never
	over.Severity = event.Notice
	s.take(over).node("A", api.Up).pass(time.Minute).want(downA, clearA).open(0)
	s.pass(time.Hour).take(never).open(1)
	s.node("A", api.Down).take(over).node("A", api.Up).open(0)
}

func TestTitleSaysWhatIsTheMatter(t *testing.T) {
	for text, want := range map[string]string{
		"A: the account may not ask for service SPOC. Correct its rights": "A: the account may not ask for service SPOC",
		"the PTR record is missing: add one":                              "The PTR record is missing",
	} {
		if got := (rule{}).title(key{kind: event.NodeServices}, api.Event{Text: text}); got != want {
			t.Errorf("%q is titled %q", text, got)
		}
	}
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

// A trouble that no event ends is over by itself, as one of a cut that failed, unless
// a lasting one of the same kind came on top of it.
func TestTroubleThatNoEventEndsIsOverByItself(t *testing.T) {
	fault := api.Event{Kind: event.KernelFault, Severity: event.Alert, Text: "windows could not be renewed", Once: true}
	s := tell(t).take(fault).pass(5 * time.Minute).take(fault).pass(6 * time.Minute)
	if i := s.open(1)[0]; i.Times != 2 {
		t.Errorf("%+v", i)
	}
	s.pass(5 * time.Minute).open(0)
	s = tell(t).take(fault)
	fault.Once = false
	s.take(fault).pass(time.Hour).open(1)
	s.take(api.Event{Kind: event.KernelFault, Severity: event.Notice, Text: "takes changes again"}).open(0)
}

func TestEvidenceIsBounded(t *testing.T) {
	s := tell(t)
	for n := range 1000 {
		s.take(api.Event{Kind: event.KernelFault, Severity: event.Alert, Text: fmt.Sprint(n, strings.Repeat(" ü", 3000))})
	}
	i := s.open(1)[0]
	if len(i.Evidence) != mostEvidence || !strings.HasPrefix(i.Evidence[0], "0 ") || !strings.HasPrefix(i.Evidence[mostEvidence-1], "999 ") {
		t.Errorf("%d lines, from %.10s", len(i.Evidence), i.Evidence[0])
	}
	for _, l := range append(i.Evidence, i.Cause) {
		if len(l) > longestCause+3 || !utf8.ValidString(l) {
			t.Errorf("a line of %d bytes: %.20s", len(l), l)
		}
	}
}

// Whatever happens: no incident is open twice, an end follows a beginning, all ends
// when all is well, messages to people are few, and of a node that serves none says that
// it is Down.
