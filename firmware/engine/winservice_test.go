package engine

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/firmware/secret"
)

const watchedNodes = twoNodes + `
[group.services]
account = "spoolgate"
password = "x"
names = ["SPOC", "TS"]
`

// windows lets a node say the state of its two services.
func (b *box) windows(node string, spoc, ts api.WindowsState) {
	b.hear(windowsAnswers{netip.MustParseAddr(node), []api.WindowsAnswer{{Name: "SPOC", State: spoc}, {Name: "TS", State: ts}}})
	b.turn()
}

func TestServiceThatStopsTakesItsNodeOutOfThePlanAtOnce(t *testing.T) {
	b := newBox(t, watchedNodes)
	b.round(api.Open)
	if n := b.node("A"); n.Serving {
		t.Errorf("before its services were asked: %+v", n)
	}
	b.windows("198.18.0.11", api.WindowsRunning, api.WindowsRunning)
	b.windows("198.18.0.12", api.WindowsRunning, api.WindowsRunning)
	b.pass(time.Second)
	if n := b.node("A"); !n.Serving || len(n.Services) != 2 || n.Services[1].State != api.WindowsRunning {
		t.Fatalf("%+v", n)
	}
	b.windows("198.18.0.11", api.WindowsRunning, api.WindowsStopPending)
	if len(b.kernel.up) != 1 {
		t.Errorf("the kernel still deals to %v", b.kernel.up)
	}
	b.pass(time.Second)
	if n := b.node("A"); n.Serving || n.Health != api.Down || n.HealthReason != "service TS is stopping" {
		t.Errorf("%+v", n)
	}
}

func TestConnectionsToANodeThatStopsAreCutWhenItHasStopped(t *testing.T) {
	b := newBox(t, watchedNodes)
	for _, a := range []string{"198.18.0.11", "198.18.0.12"} {
		b.windows(a, api.WindowsRunning, api.WindowsRunning)
	}
	b.round(api.Open)
	b.windows("198.18.0.11", api.WindowsRunning, api.WindowsStopPending)
	b.round(api.Open)
	if len(b.kernel.up) != 1 || len(b.kernel.cuts) != 0 {
		t.Errorf("while it stops: up %v, cut %v", b.kernel.up, b.kernel.cuts)
	}
	for range 2 {
		b.windows("198.18.0.11", api.WindowsRunning, api.WindowsStopped)
	}
	if len(b.kernel.cuts) != 1 {
		t.Errorf("when it has stopped: cut %v", b.kernel.cuts)
	}
	// Its port may go before it says so.
	b.windows("198.18.0.12", api.WindowsStopPending, api.WindowsRunning)
	for range 3 {
		b.round(api.Refused, "198.18.0.12")
	}
	if len(b.kernel.cuts) != 2 {
		t.Errorf("when its port is gone: cut %v", b.kernel.cuts)
	}
}

func TestTroubleWithTheAccountIsToldOnceAndStopsNobody(t *testing.T) {
	b := newBox(t, watchedNodes)
	b.round(api.Open)
	for range 5 {
		for _, a := range []string{"198.18.0.11", "198.18.0.12"} {
			b.windows(a, api.WindowsWrongPassword, api.WindowsWrongPassword)
		}
		b.pass(time.Second)
	}
	if s := b.last(); s.Box.State != api.OK {
		t.Errorf("%s: %s", s.Box.State, s.Box.Reason)
	}
	b.wantTold(event.NodeServices,
		"warning: A: only its ports are judged, not all its Windows services: service SPOC could not be asked for: wrong password",
		"warning: B: only its ports are judged")
	b.windows("198.18.0.11", api.WindowsRunning, api.WindowsRunning)
	if told := b.told(event.NodeServices); len(told) != 3 || !strings.Contains(told[2], "A: all its Windows services can be judged") {
		t.Errorf("%q", told)
	}
}

// The password was changed while the server was off: it is told once, when the node starts
// to answer, and must be open for as long as it is wrong.
func TestTroubleWithTheAccountOfANodeThatStartsStaysOpenWhenItServes(t *testing.T) {
	b := newBox(t, watchedNodes)
	b.round(api.Open)
	b.rounds(30*time.Second, api.Refused, "198.18.0.11")
	for range 240 {
		b.round(api.Open)
		b.windows("198.18.0.11", api.WindowsWrongPassword, api.WindowsWrongPassword)
	}
	if n := b.node("A"); n.Health != api.Up {
		t.Fatalf("A is %s: %s", n.Health, n.HealthReason)
	}
	open := b.last().Incidents
	if len(open) != 1 || open[0].Kind != event.NodeServices || !strings.Contains(open[0].Cause, "wrong password") {
		t.Errorf("%+v", open)
	}
	b.windows("198.18.0.11", api.WindowsRunning, api.WindowsRunning)
	if open := b.last().Incidents; len(open) != 0 {
		t.Errorf("with the right one: %+v", open)
	}
}

func TestPasswordOfAnotherBoxIsSaidOfEachService(t *testing.T) {
	b := newBox(t, strings.Replace(watchedNodes, `"x"`, `"sealed-1:`+strings.Repeat("A", 38)+`"`, 1))
	b.round(api.Open)
	b.pass(time.Second)
	if n := b.node("B"); !n.Serving || n.Services[0].State != api.WindowsSealedPassword || !strings.Contains(n.HealthReason, "type it in again") {
		t.Errorf("%+v", n)
	}
}

func TestAnswerOverSMBProvesTheWayToTheNodes(t *testing.T) {
	b := newBox(t, watchedNodes)
	both := []string{"198.18.0.11", "198.18.0.12"}
	for _, a := range both {
		b.windows(a, api.WindowsRunning, api.WindowsRunning)
	}
	b.round(api.Open)
	for _, a := range both {
		b.windows(a, api.WindowsTimedOut, api.WindowsTimedOut)
	}
	b.round(api.TimedOut, both...)
	if b.last().Box.Suspicion == "" {
		t.Fatal("both nodes fell silent in one round, and the box does not doubt itself")
	}
	b.windows("198.18.0.11", api.WindowsRunning, api.WindowsRunning)
	b.pass(time.Second)
	if s := b.last(); s.Box.Suspicion != "" {
		t.Errorf("a node answered over SMB, and the box says %q", s.Box.Suspicion)
	}
}

func TestServicesThatAreNoLongerConfiguredAreNoLongerJudged(t *testing.T) {
	b := newBox(t, watchedNodes)
	b.round(api.Open)
	for _, a := range []string{"198.18.0.11", "198.18.0.12"} {
		b.windows(a, api.WindowsStopped, api.WindowsStopped)
	}
	b.text = twoNodes
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Second)
	if n := b.node("A"); len(n.Services) != 0 || n.Health != api.Starting {
		t.Errorf("%+v", n)
	}
}

// What is wrong with the services of a node is told under the name that it has.
func TestTroubleWithServicesFollowsTheNameOfItsNodeAndEndsWithIt(t *testing.T) {
	b := newBox(t, watchedNodes)
	blind := func(a api.WindowsState) {
		for range 3 {
			b.windows("198.18.0.11", a, a)
			b.windows("198.18.0.12", api.WindowsRunning, api.WindowsRunning)
			b.round(api.Open)
		}
	}
	open := func(nodes ...string) {
		t.Helper()
		var got []string
		for _, i := range b.last().Incidents {
			if i.Kind == event.NodeServices {
				got = append(got, i.Group+"/"+i.Node)
			}
		}
		if !slices.Equal(got, nodes) {
			t.Errorf("open of %v, want %v", got, nodes)
		}
	}
	change := func(old, new string) {
		t.Helper()
		b.text = strings.ReplaceAll(b.text, old, new)
		if _, err := b.reload(); err != nil {
			t.Fatal(err)
		}
	}
	blind(api.WindowsUnknown)
	open("print/A")
	change(`.11" }`, `.11", name = "X" }`)
	blind(api.WindowsUnknown)
	open("print/X")
	change(`name = "print"`, `name = "office"`)
	blind(api.WindowsUnknown)
	open("office/X")
	change("198.18.0.10", "198.18.0.15")
	blind(api.WindowsRunning)
	open()
}

// Nobody asks any more, so that no answer could end it.
func TestServicesThatAreNoLongerConfiguredAreNoTrouble(t *testing.T) {
	for name, alive := range map[string]api.Outcome{"a node that serves": api.Open, "one that is Down": api.Refused, "while the balancer is dead": api.Open} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, watchedNodes)
			for range 4 {
				for _, a := range []string{"198.18.0.11", "198.18.0.12"} {
					b.windows(a, api.WindowsWrongPassword, api.WindowsWrongPassword)
				}
				b.round(api.Open)
			}
			b.rounds(20*time.Second, alive, "198.18.0.11")
			if len(b.last().Incidents) < 2 {
				t.Fatalf("%+v", b.last().Incidents)
			}
			b.text = twoNodes
			if name == "while the balancer is dead" {
				b.killed()
				b.rounds(10*time.Second, api.Open)
			} else if _, err := b.reload(); err != nil {
				t.Fatal(err)
			} else {
				b.rounds(10*time.Minute, api.Open)
			}
			if open := b.last().Incidents; len(open) != 0 {
				t.Errorf("open are %+v", open)
			}
		})
	}
}

func TestPlainPasswordInTheFileIsSaid(t *testing.T) {
	b := newBox(t, watchedNodes)
	b.wantTold(event.ConfigPlain)
	key, err := secret.MakeKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	b.key = key
	b.restart()
	b.wantTold(event.ConfigPlain, "warning: not encrypted in the configuration: group[1].services.password; anybody")
	b.text = strings.Replace(watchedNodes, "\"x\"", "\""+string(key.Seal("x"))+"\"", 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	if told := b.told(event.ConfigPlain); len(told) != 2 || told[1] != "notice: every password of the configuration is encrypted" {
		t.Errorf("%q", told)
	}
}
