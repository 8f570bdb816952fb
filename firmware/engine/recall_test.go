package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

// killed ends the balancer without warning and starts it anew; what was urgent is on
// the medium.
func (b *box) killed() {
	b.Helper()
	if err := b.log.Flush(); err != nil {
		b.Fatal(err)
	}
	b.restart()
}

// about is what the help desk knows of the MFD.
func (b *box) about() (api.MFD, api.BoundMFD) {
	b.Helper()
	m := b.aboutMFD(mfd, nil)
	if len(m.Bound) != 1 {
		b.Fatalf("bound: %+v", m.Bound)
	}
	return m, m.Bound[0]
}

func TestHelpDeskKnowsAfterAKillWhatItKnewBefore(t *testing.T) {
	for name, restart := range map[string]func(*box){
		"of the balancer": func(*box) {},
		"of the box":      func(b *box) { b.kernel = newFakeKernel() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, twoNodes)
			b.round(api.Open)
			b.open(mfd, "198.18.0.12")
			for range 4 {
				b.round(api.Refused, "198.18.0.12")
			}
			b.open(mfd, "198.18.0.11")
			b.pass(time.Second)
			if _, err := b.move(b.groups[0], mfd, b.member("198.18.0.11")); err != nil { // where it is
				t.Fatal(err)
			}
			before, bound := b.about()
			if !strings.Contains(bound.Why, "moved from B") {
				t.Fatalf("before: %+v", bound)
			}
			restart(b)
			b.killed()
			b.killed() // whatever the first start told is no news of the MFD
			after, again := b.about()
			if again.Why != bound.Why || bound.Since.Sub(again.Since).Abs() > tellingTakes {
				t.Errorf("why and since: %q %v, before %q %v", again.Why, again.Since, bound.Why, bound.Since)
			}
			if len(after.Moves) != 1 || after.Moves[0].Why != before.Moves[0].Why || after.Moves[0].From != "B" || after.Moves[0].To != "A" {
				t.Errorf("moves %+v, before %+v", after.Moves, before.Moves)
			}
			if _, err := b.forget(b.groups[0], mfd); err != nil {
				t.Fatal(err)
			}
			b.killed()
			if m := b.aboutMFD(mfd, nil); len(m.Moves) != 2 || m.Moves[0].To != "" || m.Moves[0].Why != "forgotten by the operator" {
				t.Errorf("forgotten: %+v", m.Moves)
			}
		})
	}
}

// Who is where is written once a minute, so that of a binding of the last minute the
// kernel alone tells after a kill: when it was last heard of, and not since when it is.
func TestBindingThatNoJournalHasIsSaidToBeAtLeastAsOldAsItsLastContact(t *testing.T) {
	b := newBox(t, twoNodes)
	b.pass(2 * time.Minute) // so that the journal was written
	b.round(api.Open)
	b.shut(b.open(mfd, "198.18.0.12"), mfd, "198.18.0.12")
	_, bound := b.about()
	if bound.Earlier {
		t.Fatalf("of an MFD whose first contact it saw: %+v", bound)
	}
	b.pass(20 * time.Second)
	held := b.kernel.bindings[mfd]
	held.Left -= 5 * time.Second // it was last heard of 5 s ago
	b.kernel.bindings[mfd] = held
	for range 2 { // written with what is not known
		b.killed()
		_, after := b.about()
		if !after.Earlier || after.Since.Before(bound.Since) || after.Since.After(b.at) {
			t.Errorf("bound since %v, was since %v: %+v", after.Since, bound.Since, after)
		}
		b.pass(2 * time.Minute)
	}
	b.open(mfd, "198.18.0.11")
	if _, after := b.about(); after.Earlier {
		t.Errorf("after a move that it saw: %+v", after)
	}
}

// What the two journals say of a binding, and what follows from it: nothing that may
// be wrong.
func TestOriginOfABindingIsToldOnlyAsFarAsItIsKnown(t *testing.T) {
	b := newBox(t, twoNodes)
	address := b.member("198.18.0.11").Address
	at := place{vip, mfd, address}
	noon := start.Add(4 * time.Hour)
	moves := func(when time.Time, kind, from, to, cause string) api.Report {
		return api.Report{Event: event.Event{Time: when, Kind: kind, Group: "print", Node: to, Moves: &api.Moves{MFDs: []netip.Addr{mfd}, From: from, Cause: cause}}}
	}
	began := api.Report{Event: event.Event{Time: start, Kind: event.Started}}
	fromB := moves(noon, event.ClientMoved, "B", "A", "node left")
	left, out, first, unknown := balance.NodeLeft, balance.TakenOut, balance.FirstContact, balance.Remembered
	for name, c := range map[string]struct {
		reports []api.Report
		written time.Time // since when it is on A, by the journal of who is where
		since   time.Time
		cause   balance.Cause
	}{
		"nothing is known":                  {nil, time.Time{}, time.Time{}, unknown},
		"moved just before the kill":        {[]api.Report{began, fromB}, time.Time{}, noon, left},
		"moved, and written since":          {[]api.Report{began, fromB}, noon.Add(-time.Second), noon.Add(-time.Second), left},
		"here before, away, and back":       {[]api.Report{began, fromB}, noon.Add(-time.Hour), noon, left},
		"moved as its node was drained":     {[]api.Report{began, moves(noon, event.ClientMoved, "B", "A", "node taken out")}, time.Time{}, noon, out},
		"first contact":                     {[]api.Report{began}, noon, noon, first},
		"a later window":                    {[]api.Report{began, fromB}, noon.Add(time.Hour), noon.Add(time.Hour), first},
		"forgotten before":                  {[]api.Report{began, moves(noon, event.ClientForgotten, "B", "", "operator")}, noon.Add(time.Hour), noon.Add(time.Hour), first},
		"its events gave way":               {[]api.Report{{Event: event.Event{Time: noon, Kind: event.NodeHealth}}}, noon.Add(-time.Hour), noon.Add(-time.Hour), unknown},
		"moved away, and back unseen":       {[]api.Report{began, moves(noon, event.ClientMoved, "A", "B", "node left")}, noon.Add(-time.Hour), time.Time{}, unknown},
		"some events were not kept":         {[]api.Report{began, {Event: event.Event{Time: noon, Kind: event.EventsFault}}}, noon.Add(-time.Hour), noon.Add(-time.Hour), unknown},
		"told by a clock that was set back": {[]api.Report{began, moves(noon.Add(2*time.Hour), event.ClientMoved, "A", "B", "node left")}, noon, noon, unknown},
		"moves were only counted":           {[]api.Report{began, {Event: event.Event{Time: noon, Kind: event.ClientMoved, Group: "print", Node: "A"}}}, noon.Add(-time.Hour), noon.Add(-time.Hour), unknown},
		"moved for a cause of the future":   {[]api.Report{began, moves(noon, event.ClientMoved, "B", "A", "magic")}, noon.Add(-time.Hour), noon.Add(-time.Hour), unknown},
		"another group's move is not its":   {[]api.Report{began, {Event: event.Event{Time: noon, Kind: event.ClientMoved, Group: "scan", Node: "A", Moves: fromB.Event.Moves}}}, noon, noon, first},
		"moved from a node that is removed": {[]api.Report{began, moves(noon, event.ClientMoved, "Z", "A", "node left")}, noon, noon, left},
	} {
		t.Run(name, func(t *testing.T) {
			r := dataplane.Record{}
			if !c.written.IsZero() {
				r.Entries = []dataplane.Entry{{VirtualAddress: vip, Client: mfd, Node: address, Since: c.written}}
			}
			bindings := []dataplane.Binding{{VirtualAddress: vip, Client: mfd, Mark: dataplane.Mark(b.member("198.18.0.11").id)}}
			got := b.origins(bindings, r, recall(c.reports, noon.Add(time.Hour)))[at]
			if !got.since.Equal(c.since) || got.why.Cause != c.cause {
				t.Errorf("since %v by %v, want %v by %v", got.since, got.why.Cause, c.since, c.cause)
			}
			if name == "moved from a node that is removed" && b.name(got.why.From) != "a removed node" {
				t.Errorf("from %s", b.name(got.why.From))
			}
		})
	}
}

func TestRememberedMovesAreBounded(t *testing.T) {
	var reports []api.Report
	for range 100 {
		m := &api.Moves{From: "B", Cause: "node left"}
		for a := mfd; len(m.MFDs) < 100; a = a.Next() {
			m.MFDs = append(m.MFDs, a)
		}
		reports = append(reports, api.Report{Event: event.Event{Kind: event.ClientMoved, Group: "print", Node: "A", Moves: m}})
	}
	if p := recall(reports, start); len(p.moves) != kept || len(p.last) != 100 {
		t.Errorf("%d moves of %d MFDs", len(p.moves), len(p.last))
	}
}

// since is since when a node is as it is.
func (b *box) since(name string) (health, service time.Time) {
	b.Helper()
	n := b.node(name)
	return n.HealthSince, n.ServiceSince
}

func TestRestartChangesNothingOfHowANodeIsAndSinceWhen(t *testing.T) {
	b := newBox(t, strings.Replace(twoNodes, "{ address = \"198.18.0.12\" }", "{ address = \"198.18.0.12\" }, { address = \"198.18.0.13\" }", 1))
	b.round(api.Open)
	for range 3 {
		for range 4 {
			b.round(api.Refused, "198.18.0.12")
		}
		for range 40 {
			b.round(api.Open)
		}
	}
	b.open(mfd, "198.18.0.11")
	if _, err := b.drain(b.member("198.18.0.13"), api.DrainRequest{Verb: api.DrainGently}); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Minute)
	healthC, serviceC := b.since("C")
	_, serviceB := b.since("B")
	before := b.last()
	downs := len(b.told(event.NodeHealth))
	reason := b.node("B").HealthReason
	if !strings.Contains(reason, "it went Down 2 times since") {
		t.Fatalf("B is %s: %s", b.node("B").Health, reason)
	}
	for range 3 {
		b.killed()
		if h := b.node("B").Health; h != api.Starting {
			t.Errorf("B is %s, was Starting", h)
		}
		b.pass(time.Minute)
		after := b.last()
		if after.Box.State != before.Box.State || !after.Box.Since.Equal(before.Box.Since) || !after.Groups[0].Since.Equal(before.Groups[0].Since) {
			t.Errorf("the box is %s since %v, the group since %v; was %s since %v and %v", after.Box.State, after.Box.Since, after.Groups[0].Since,
				before.Box.State, before.Box.Since, before.Groups[0].Since)
		}
		if got, was := b.node("C").ServiceReason, "drained: no MFD is left on it"; got != was {
			t.Errorf("C is out of service as %q, was as %q", got, was)
		}
		for _, text := range b.told(event.NodeHealth)[downs:] {
			if strings.Contains(text, "Down:") {
				t.Errorf("told %q", text)
			}
		}
		if h, s := b.since("C"); !h.Equal(healthC) || !s.Equal(serviceC) {
			t.Errorf("C is Up since %v and out of service since %v, was since %v and %v", h, s, healthC, serviceC)
		}
	}
	b.round(api.Open)
	if got := b.node("B").HealthReason; !strings.Contains(got, reason[strings.Index(reason, "it went Down"):]) {
		t.Errorf("B is held back as %q, was as %q", got, reason)
	}
	if _, s := b.since("B"); s.After(serviceB.Add(5 * time.Second)) {
		t.Errorf("B is in service since %v, was since %v", s, serviceB)
	}
	for range 400 {
		b.round(api.Open)
	}
	healthB, _ := b.since("B")
	b.killed()
	if h, _ := b.since("B"); b.node("B").Health != api.Up || !h.Equal(healthB) {
		t.Errorf("B is %s since %v, was Up since %v", b.node("B").Health, h, healthB)
	}
}

// A name that stands for another machine now says nothing of it.
func TestWhatIsKnownOfANameIsNotSaidOfAnotherMachine(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 4 {
		b.round(api.Refused, "198.18.0.12")
	}
	b.text = strings.ReplaceAll(twoNodes, "198.18.0.12", "198.18.0.13")
	b.at = b.at.Add(time.Hour)
	b.killed()
	if h, s := b.since("B"); h.Before(b.at) || s.Before(b.at) {
		t.Errorf("B is %s since %v, in service since %v", b.node("B").Health, h, s)
	}
}

// The list of nodes is turned round while the balancer is dead, so that the names that
// are not written change places. What was told of a name is of the machine that had it.
func TestNamesThatChangePlacesOverARestartTakeNothingAlong(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 2 {
		b.rounds(time.Minute, api.Refused, "198.18.0.11")
		b.rounds(4*time.Minute, api.Open)
	}
	b.rounds(time.Minute, api.Refused, "198.18.0.11")
	b.text = strings.ReplaceAll(twoNodes, `{ address = "198.18.0.11" }, { address = "198.18.0.12" }`, `{ address = "198.18.0.12" }, { address = "198.18.0.11" }`)
	told := len(b.messages())
	b.killed()
	b.rounds(10*time.Second, api.Refused, "198.18.0.11")
	if got := strings.Join(b.messages()[told:], "\n"); got != "clear 1 Node A of group print is Down\nbegin 102 Node B of group print is Down" {
		t.Errorf("told\n%s", got)
	}
	if n := b.node("A"); n.Health != api.Up || strings.Contains(n.HealthReason, "Down") {
		t.Errorf("A is %s: %s", n.Health, n.HealthReason)
	}
	if n := b.node("B"); n.Health != api.Down {
		t.Errorf("B is %s: %s", n.Health, n.HealthReason)
	}
}

// A node that came and went is held back only where another one serves, also in the
// first word after a restart.
func TestRestartHoldsNobodyBackWhereNobodyServes(t *testing.T) {
	for name, alone := range map[string]func(*box){
		"the other is Down": func(b *box) { b.rounds(20*time.Second, api.Refused, "198.18.0.11", "198.18.0.12") },
		"the other is drained": func(b *box) {
			if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.StopNow, Force: true}); err != nil {
				b.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, twoNodes)
			b.round(api.Open)
			for range 3 {
				b.rounds(20*time.Second, api.Refused, "198.18.0.11")
				b.rounds(15*time.Minute, api.Open)
			}
			b.rounds(20*time.Second, api.Refused, "198.18.0.11")
			alone(b)
			b.probe("198.18.0.11", api.Open)
			b.pass(time.Second)
			if n := b.node("A"); n.Health != api.Starting || !strings.Contains(n.HealthReason, "Up in 179 s; it went Down 4 times") {
				t.Fatalf("before the restart A is %s: %s", n.Health, n.HealthReason)
			}
			b.killed()
			b.probe("198.18.0.11", api.Open)
			b.at = b.at.Add(calm) // and no tick
			b.turn()
			if n := b.node("A"); n.Health != api.Starting || !strings.Contains(n.HealthReason, "Up in 180 s") || !strings.Contains(n.HealthReason, "because no other node serves") {
				t.Errorf("after the restart A is %s: %s", n.Health, n.HealthReason)
			}
		})
	}
}
