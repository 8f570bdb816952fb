package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// messages are what a person reads who wants few: beginnings, summaries and ends.
func (b *box) messages() (out []string) {
	for _, r := range b.log.Kept() {
		if r.Incident != nil && r.Phase != api.Update {
			out = append(out, fmt.Sprintf("%s %d %s", r.Phase, r.Incident.ID, r.Incident.Title))
		}
	}
	return out
}

func (b *box) wantMessages(want ...string) {
	b.Helper()
	if got, want := strings.Join(b.messages(), "\n"), strings.Join(want, "\n"); got != want {
		b.Errorf("the messages are\n%s\nwant\n%s", got, want)
	}
}

const (
	beginA = "begin 1 Node A of group print is Down"
	clearA = "clear 1 Node A of group print is Down"
)

// rounds probes all nodes for as long as time passes.
func (b *box) rounds(d time.Duration, o api.Outcome, addresses ...string) {
	b.Helper()
	for end := b.at.Add(d); b.at.Before(end); {
		b.round(o, addresses...)
	}
}

func TestDeadNodeIsOneIncidentUntilItServesAgain(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.11")
	b.rounds(time.Minute, api.Refused, "198.18.0.11")
	b.open(mfd, "198.18.0.12")
	b.pass(time.Second)
	s := b.last()
	if len(s.Incidents) != 1 {
		t.Fatalf("the incidents are %+v", s.Incidents)
	}
	if i := s.Incidents[0]; i.Moved != 1 || i.Cause != "A is Down: port 5555 refused the connection 3 times in a row" || i.Do == "" ||
		strings.Join(i.Evidence, "\n") != "port 5555 (SPOC Service) refused the connection\nport 5022 (Terminal Server) refused the connection\n"+
			"2 open connections to A cut; the MFDs connect again, to a node that serves\ngroup print: No spare: one node carries everything: A is Down" {
		t.Errorf("%+v", i)
	}
	b.rounds(10*time.Minute, api.Open) // Up between two probes, by time alone
	if s := b.last(); s.Box.State != api.OK || len(s.Incidents) != 0 {
		t.Errorf("%s, %+v", s.Box.State, s.Incidents)
	}
	b.wantMessages(beginA, clearA)
}

func TestIncidentGoesOnOverARestartWithItsNumber(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(time.Minute, api.Refused, "198.18.0.11")
	// What Keep does on a box.
	if err := b.log.Flush(); err != nil {
		t.Fatal(err)
	}
	began, last := b.last().Incidents[0].Began, b.log.Kept()[len(b.log.Kept())-1].Event.Seq
	b.restart()
	if first, _ := b.log.After(last); len(first) == 0 || first[0].Event.Seq <= last+1 {
		t.Errorf("after an end without order: %+v", first)
	}
	b.rounds(10*time.Minute, api.Refused, "198.18.0.11")
	if l := b.last().Incidents; len(l) != 1 || l[0].ID != 1 || !l[0].Began.Equal(began) {
		t.Errorf("after the restart %+v", l)
	}
	b.rounds(10*time.Minute, api.Open)
	b.wantMessages(beginA, clearA)
}

func TestPulledCableOfTheBoxIsOneIncidentUntilPeoplePrintAgain(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	vip := netip.MustParseAddr("198.18.0.10")
	b.pass(settlingIn)
	b.reach(map[netip.Addr]api.Hold{vip: {State: api.Waiting, Reason: "no cable", Since: b.at}}, "the service interface end0 of this box has no cable")
	b.rounds(10*time.Minute, api.Absent, "198.18.0.11", "198.18.0.12")
	if l := b.last().Incidents; len(l) != 1 || l[0].Kind != event.BoxSuspicion || !strings.Contains(l[0].Cause, "end0 of this box has no cable") {
		t.Errorf("%+v", l)
	}
	if n := b.node("A"); n.Health != api.Checking {
		t.Errorf("A is %s: %s", n.Health, n.HealthReason)
	}
	b.reach(map[netip.Addr]api.Hold{vip: {State: api.Held}}, "")
	b.rounds(10*time.Minute, api.Open)
	if told := strings.Join(b.told(event.NodeHealth), "\n"); strings.Contains(told, "Down") {
		t.Errorf("the nodes were taken out: %s", told)
	}
	b.wantMessages("begin 1 This box reaches none of its nodes", "clear 1 This box reaches none of its nodes")
}

// Nothing tells a single node that died from a cable that was pulled, but the cable.
func TestBoxWithoutACableBelievesNoSilence(t *testing.T) {
	one := strings.ReplaceAll(twoNodes, `, { address = "198.18.0.12" }`, "")
	b := newBox(t, one)
	b.round(api.Open)
	b.reach(nil, "no cable")
	b.rounds(time.Hour, api.TimedOut, "198.18.0.11")
	if n := b.node("A"); n.Health != api.Checking {
		t.Errorf("A is %s: %s", n.Health, n.HealthReason)
	}
	b.reach(nil, "") // a switch may take half a minute to let it in
	b.rounds(30*time.Second, api.TimedOut, "198.18.0.11")
	if n := b.node("A"); n.Health != api.Checking {
		t.Errorf("just plugged in, A is %s: %s", n.Health, n.HealthReason)
	}
	b.rounds(time.Minute, api.TimedOut, "198.18.0.11")
	if n := b.node("A"); n.Health != api.Down {
		t.Errorf("with the cable in, A is %s: %s", n.Health, n.HealthReason)
	}
}

func TestRenamedNodeStaysAnIncidentUnderItsNewName(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(time.Minute, api.Refused, "198.18.0.11")
	b.text = strings.ReplaceAll(twoNodes, `{ address = "198.18.0.11" }`, `{ address = "198.18.0.11", name = "north" }`)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Minute)
	if l := b.last().Incidents; len(l) != 1 || l[0].Node != "north" {
		t.Errorf("%+v", l)
	}
}

// The names of two nodes are swapped while one of them is Down: its incident is not the
// other one's.
func TestSwappedNamesTakeNoIncidentAlong(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.rounds(time.Minute, api.Refused, "198.18.0.11")
	b.text = strings.NewReplacer(`.11" }`, `.11", name = "B" }`, `.12" }`, `.12", name = "A" }`).Replace(twoNodes)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.rounds(10*time.Second, api.Refused, "198.18.0.11")
	b.rounds(10*time.Minute, api.Open)
	b.wantMessages(beginA, clearA, "begin 2 Node B of group print is Down", "clear 2 Node B of group print is Down")
}

// A second group comes, and the first one, which has no name written, goes on under the
// one that it has.
func TestAnotherGroupChangesNoIncident(t *testing.T) {
	unnamed := strings.Replace(twoNodes, `name = "print"`, "", 1)
	b := newBox(t, unnamed)
	b.round(api.Open)
	b.rounds(time.Minute, api.Refused, "198.18.0.11")
	b.text = unnamed + "[[group]]\nvirtual_address = \"198.18.0.20\"\nnode = [{ address = \"198.18.0.21\" }]\n"
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.rounds(10*time.Second, api.Refused, "198.18.0.11")
	const starts = " 2 No node of group print-2 takes new MFDs"
	b.wantMessages(beginA, "begin"+starts)
	b.text = strings.Replace(unnamed, "198.18.0.10", "198.18.0.15", 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.rounds(10*time.Second, api.Refused, "198.18.0.11")
	b.wantMessages(beginA, "begin"+starts, "clear"+starts)
}

func TestWrongConfigurationIsToldInLinesOfEvidence(t *testing.T) {
	b := newBox(t, twoNodes)
	b.text = twoNodes + "colour = 1\nsize = 2\n"
	if _, err := b.reload(); err == nil {
		t.Fatal("it is in use")
	}
	b.turn()
	i := b.last().Incidents[0]
	if i.Kind != event.ConfigRefused || len(i.Evidence) != 2 || strings.Contains(i.Cause, "\n") || !strings.Contains(i.Cause, "colour") || !strings.Contains(i.Cause, "size") {
		t.Errorf("%q, %q", i.Cause, i.Evidence)
	}
}

func TestTroubleWithoutAnEndIsOverByItself(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.kernel.cutErr = errRefused
	b.rounds(20*time.Second, api.Refused, "198.18.0.11")
	b.rounds(10*time.Minute, api.Open)
	b.pass(time.Hour)
	if l := b.last().Incidents; len(l) != 0 {
		t.Errorf("still open: %+v", l)
	}
}

// On a bad line a node misses a probe and answers the next one, again and again. That
// does not crowd the journal.
func TestShortMissesAreNotToldForever(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 200 {
		b.round(api.TimedOut, "198.18.0.11")
		b.round(api.Open)
	}
	told := b.told(event.NodeHealth)
	if len(told) < murmurs || len(told) > 2*murmurs+2 {
		t.Errorf("%d events in half an hour", len(told))
	}
	if !strings.Contains(strings.Join(told, "\n"), "it is not told again") {
		t.Errorf("it is not said that it is not told: %q", told)
	}
	b.rounds(20*time.Second, api.TimedOut, "198.18.0.11")
	if told := b.told(event.NodeHealth); !strings.Contains(told[len(told)-1], "warning: A is Down") {
		t.Errorf("the last is %q", told[len(told)-1])
	}
}

// Nothing serves: the reason says of each node why, what is waited for, and what is
// not waited for.
func TestLastResortIsTheNodeThatFlapsAndItIsSaid(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 4 {
		b.rounds(20*time.Second, api.Refused, "198.18.0.11")
		b.rounds(30*time.Minute, api.Open)
	}
	b.rounds(20*time.Second, api.Refused, "198.18.0.11")
	b.rounds(5*time.Minute, api.Open)
	if n := b.node("A"); n.Health != api.Starting || !strings.Contains(n.HealthReason, "held back for 24m0s instead of 3m0s") {
		t.Errorf("while B serves, A is %s: %s", n.Health, n.HealthReason)
	}
	b.rounds(20*time.Second, api.Refused, "198.18.0.12")
	if n := b.node("A"); n.Health != api.Up {
		t.Errorf("once B is Down, A is %s: %s", n.Health, n.HealthReason)
	}
	b.rounds(20*time.Second, api.Refused, "198.18.0.11", "198.18.0.12")
	b.rounds(time.Minute, api.Refused, "198.18.0.12")
	want := "no node takes MFDs, which are refused and try again: A is Starting: answers since "
	if s := b.last().Box; s.State != api.NothingServing || !strings.HasPrefix(s.Reason, want) || !strings.Contains(s.Reason, "not held back for longer because no other node serves") ||
		!strings.Contains(s.Reason, "; B is Down: port 5555 refused the connection ") || !strings.Contains(s.Reason, " in a row. Every node is probed every 5s; the first that answers for its up-delay serves") {
		t.Errorf("%s: %s", s.State, s.Reason)
	}
}

// B comes and goes, and serves when an operator stops it: what follows is his doing.
func TestOrderIsNoEvidenceOfAFailure(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 2 {
		b.rounds(20*time.Second, api.Refused, "198.18.0.12")
		b.rounds(7*time.Minute, api.Open)
	}
	b.open(mfd, "198.18.0.12")
	open := b.last().Incidents
	if len(open) != 1 || !open[0].ComesAndGoes || open[0].Away.IsZero() || b.node("B").Health != api.Up {
		t.Fatalf("B is %s: %+v", b.node("B").Health, open)
	}
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.StopNow}); err != nil {
		t.Fatal(err)
	}
	b.turn()
	b.open(mfd, "198.18.0.11")
	b.pass(2 * time.Second)
	after := b.last().Incidents
	if len(after) != 2 || after[1].Kind != event.GroupState || after[0].Moved != open[0].Moved || len(after[0].Evidence) != len(open[0].Evidence) {
		t.Errorf("%+v", after)
	}
	// It falls while it is out of service: whoever still comes back to it was sent away.
	b.open(mfd, "198.18.0.12")
	b.rounds(20*time.Second, api.Refused, "198.18.0.12")
	b.open(mfd, "198.18.0.11")
	b.pass(2 * time.Second)
	for _, i := range b.last().Incidents {
		if i.Moved != open[0].Moved {
			t.Errorf("blamed for an order: %+v", i)
		}
	}
}
