package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

const (
	beginBox = "begin 1 This box reaches none of its nodes"
	clearBox = "clear 1 This box reaches none of its nodes"
)

// Both cables are out, and nothing is wrong with the nodes.
func TestRestartForgetsNoSuspicionOfTheBoxItself(t *testing.T) {
	for name, silence := range map[string]api.Outcome{"no answer": api.TimedOut, "no machine": api.Absent} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, twoNodes)
			b.round(api.Open)
			b.open(mfd, "198.18.0.11")
			b.rounds(30*time.Second, silence, "198.18.0.11", "198.18.0.12")
			before := b.last().Box
			if before.Suspicion == "" {
				t.Fatal("the box does not suspect itself")
			}
			for range 2 { // the second start knows as much as the first
				b.killed()
				if s := b.last().Box; s.Suspicion != before.Suspicion || s.State != api.OK {
					t.Errorf("right after the restart %s, suspicion %q, was %q", s.State, s.Suspicion, before.Suspicion)
				}
				b.rounds(time.Minute, silence, "198.18.0.11", "198.18.0.12")
				if n := b.node("A"); n.Health != api.Checking || b.last().Box.Suspicion != before.Suspicion {
					t.Errorf("A is %s: %s", n.Health, n.HealthReason)
				}
			}
			b.round(api.Open)
			if s := b.last(); s.Box.State != api.OK || s.Box.Suspicion != "" || len(s.Incidents) != 0 || len(b.kernel.cuts) != 0 {
				t.Errorf("with the cables in: %s, %q, %+v, cut %v", s.Box.State, s.Box.Suspicion, s.Incidents, b.kernel.cuts)
			}
			if told := strings.Join(b.told(event.NodeHealth), "\n"); strings.Contains(told, "Down") {
				t.Errorf("nodes were blamed: %s", told)
			}
			b.wantMessages(beginBox, clearBox)
			b.killed()
			if s := b.last().Box.Suspicion; s != "" {
				t.Errorf("after its end it is recalled as %q", s)
			}
		})
	}
}

// The plan is held for as long as a node may need to start, unless it is certain that
// nobody can be heard: whoever reads the alarm must know how long he has.
func TestSuspicionSaysForHowLongThePlanGoesOn(t *testing.T) {
	two := twoNodes + strings.NewReplacer(`"print"`, `"slow"`, "198.18.0.1", "198.18.0.2").Replace(twoNodes) + "checks.up_delay = \"5m\"\n"
	for silence, want := range map[api.Outcome]string{
		api.TimedOut: ". The last plan goes on for 5m0s at most, the longest up_delay: nodes that are silent for longer are Down then. Check the cable",
		api.NoRoute:  ". The last plan goes on. Check the cable",
	} {
		b := newBox(t, two)
		b.round(api.Open)
		b.rounds(30*time.Second, silence, "198.18.0.11", "198.18.0.12", "198.18.0.21", "198.18.0.22")
		if told := strings.Join(b.told(event.BoxSuspicion), "\n"); !strings.Contains(told, want) {
			t.Errorf("%s: %q does not say %q", silence, told, want)
		}
	}
}

// That a group has no spare follows from an order or from another node, whatever the box
// suspects: a restart makes it no evidence of the box's own trouble.
func TestRestartDoesNotChangeWhatAGroupsStateBelongsTo(t *testing.T) {
	three := strings.Replace(twoNodes, `{ address = "198.18.0.12" }`, `{ address = "198.18.0.12" }, { address = "198.18.0.13" }`, 1)
	for name, before := range map[string]func(b *box){
		"an order": func(b *box) {
			for _, node := range []string{"198.18.0.12", "198.18.0.13"} {
				if _, err := b.drain(b.member(node), api.DrainRequest{Verb: api.StopNow}); err != nil {
					b.Fatal(err)
				}
			}
		},
		"another node": func(b *box) {
			b.rounds(30*time.Second, api.Refused, "198.18.0.12", "198.18.0.13")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, three)
			b.round(api.Open)
			before(b)
			b.pass(5 * time.Second)
			silent := func(d time.Duration) { b.rounds(d, api.NoRoute, "198.18.0.11", "198.18.0.12", "198.18.0.13") }
			silent(30 * time.Second)
			open := b.last().Incidents
			if b.last().Box.Suspicion == "" || b.last().Box.State != api.NoSpare || len(open) < 2 {
				t.Fatalf("%+v", b.last().Box)
			}
			b.killed()
			silent(time.Minute)
			after := b.last().Incidents
			if len(after) != len(open) {
				t.Fatalf("open are %+v", after)
			}
			for i := range open {
				own := open[i].Kind == event.BoxSuspicion
				if after[i].ID != open[i].ID || after[i].Severity != open[i].Severity || own && !slices.Equal(after[i].Evidence, open[i].Evidence) {
					t.Errorf("was %+v\nis %+v", open[i], after[i])
				}
			}
			silent(2 * time.Minute)
			if after := b.last().Incidents; len(after) != len(open) {
				t.Errorf("later open are %+v", after)
			}
		})
	}
}

// A restart makes the hold no longer than the up-delay from the first silence on, and
// what goes Down then is the box's own incident as without the restart.
func TestHoldEndsAfterARestartWhenItWouldHaveEndedWithoutIt(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	silent := func(d time.Duration) { b.rounds(d, api.TimedOut, "198.18.0.11", "198.18.0.12") }
	silent(time.Minute)
	b.killed()
	silent(time.Minute + 50*time.Second)
	if n := b.node("A"); n.Health != api.Checking {
		t.Errorf("before the up-delay is over A is %s", n.Health)
	}
	silent(20 * time.Second)
	if n := b.node("A"); n.Health != api.Down {
		t.Errorf("after the up-delay A is %s", n.Health)
	}
	b.killed()
	silent(5 * time.Minute)
	b.rounds(10*time.Minute, api.Open)
	if s := b.last(); s.Box.State != api.OK || len(s.Incidents) != 0 {
		t.Errorf("%s, %+v", s.Box.State, s.Incidents)
	}
	b.wantMessages(beginBox, clearBox)
}

// Nobody saw them fall silent together, and they are believed.
func TestNodesThatDiedWhileTheBalancerWasDeadGoDown(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.killed()
	b.rounds(15*time.Second, api.TimedOut, "198.18.0.11", "198.18.0.12")
	for _, name := range []string{"A", "B"} {
		if n := b.node(name); n.Health != api.Down {
			t.Errorf("%s is %s: %s", name, n.Health, n.HealthReason)
		}
	}
}

// The box was switched off while it suspected itself, and the cable was put in before it
// was on again.
func TestFirstAnswerAfterARebootEndsTheSuspicionOfBefore(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(30*time.Second, api.TimedOut, "198.18.0.11", "198.18.0.12")
	b.kernel = newFakeKernel()
	b.killed()
	if got := len(b.last().Incidents); got != 1 {
		t.Errorf("%d incidents are open right after the start", got)
	}
	b.round(api.Open)
	if s := b.last(); len(s.Incidents) != 0 {
		t.Errorf("with all nodes Up: %+v", s.Incidents)
	}
	b.wantMessages(beginBox, clearBox)
}

// One node alone makes no suspicion by its silence; that the box can't send does.
func TestRestartDoesNotEndTheSuspicionOfABoxThatCanNotSend(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(30*time.Second, api.Refused, "198.18.0.12") // Down
	b.rounds(30*time.Second, api.NoRoute, "198.18.0.11", "198.18.0.12")
	told := len(b.told(event.BoxSuspicion))
	if b.last().Box.Suspicion == "" || told == 0 {
		t.Fatal("the box does not suspect itself")
	}
	b.killed()
	b.rounds(30*time.Second, api.NoRoute, "198.18.0.11", "198.18.0.12")
	if s := b.last().Box.Suspicion; s == "" {
		t.Error("after the restart the box does not suspect itself")
	}
	for _, text := range b.told(event.BoxSuspicion)[told:] {
		if strings.Contains(text, "notice") {
			t.Errorf("it tells: %s", text)
		}
	}
	b.round(api.Open)
	for _, i := range b.last().Incidents {
		if i.Kind == event.BoxSuspicion {
			t.Errorf("with an answer it lasts: %+v", i)
		}
	}
}

// While the box suspects itself somebody changes which ports are probed.
func TestOtherCheckPortsEndNoSuspicionBeforeTheyAnswer(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(30*time.Second, api.TimedOut, "198.18.0.11", "198.18.0.12")
	b.text = twoNodes + "[group.checks]\nports = [5011]\n"
	b.reload()
	b.rounds(30*time.Second, api.TimedOut, "198.18.0.11", "198.18.0.12")
	for _, name := range []string{"A", "B"} {
		if n := b.node(name); n.Health == api.Down {
			t.Errorf("%s is Down: %s", name, n.HealthReason)
		}
	}
	if b.last().Box.Suspicion == "" {
		t.Error("the box no longer suspects itself")
	}
	b.round(api.Open)
	if s := b.last(); s.Box.State != api.OK || s.Box.Suspicion != "" || len(b.kernel.cuts) != 0 {
		t.Errorf("with the cables in: %s, %q, cut %v", s.Box.State, s.Box.Suspicion, b.kernel.cuts)
	}
	b.wantMessages(beginBox, clearBox)
}

func TestNodeThatJoinsABoxWithoutNetworkIsNotBlamedForIt(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(10*time.Second, api.NoRoute, "198.18.0.11", "198.18.0.12")
	b.text = strings.ReplaceAll(twoNodes, `{ address = "198.18.0.11" }, `, `{ address = "198.18.0.11" }, { address = "198.18.0.13" }, `)
	b.reload()
	b.rounds(5*time.Minute, api.NoRoute, "198.18.0.11", "198.18.0.12", "198.18.0.13")
	if n := b.node("B"); n.Address.String() != "198.18.0.13" || n.Health != api.Unknown || b.last().Box.Suspicion == "" {
		t.Errorf("the node that joined: %+v; suspicion %q", n, b.last().Box.Suspicion)
	}
}

// The cable is in again, and after the time that a switch is given still nobody answers.
func TestSuspicionThatEndsWithoutAnAnswerDoesNotTellOfOne(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(30*time.Second, api.Refused, "198.18.0.12") // Down
	b.rounds(30*time.Second, api.NoRoute, "198.18.0.11", "198.18.0.12")
	b.rounds(3*time.Minute, api.TimedOut, "198.18.0.11", "198.18.0.12")
	told := b.told(event.BoxSuspicion)
	if last := told[len(told)-1]; b.last().Box.Suspicion != "" || !strings.Contains(last, "no probe is answered yet") {
		t.Errorf("it tells %q, and suspects %q", last, b.last().Box.Suspicion)
	}
}
