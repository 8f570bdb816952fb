package engine

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

// recount is a recount that finds one connection.
func recount(b *box, client netip.Addr, node string) dataplane.Batch {
	m := b.member(node)
	return dataplane.Batch{Resync: true, Events: []dataplane.Event{{Kind: dataplane.Opened, ID: 1, VirtualAddress: vip, Client: client, Mark: dataplane.Mark(m.id)}}}
}

func TestDrainSaysWhatFollows(t *testing.T) {
	for verb, want := range map[api.DrainVerb]struct {
		text    string
		service api.Service
		up      int
		cuts    int
	}{
		api.DrainGently: {"B gets no new MFDs; those that are bound to it stay until their window ends; it is empty in 30m0s if none of them comes back before", api.Draining, 2, 0},
		api.MoveNow:     {"B gets no new MFDs; those that are bound to it move at their next connection, open connections finish", api.OutOfService, 1, 0},
		api.StopNow:     {"B is out of service; its MFDs connect again, to a node that serves", api.OutOfService, 1, 1},
	} {
		t.Run(string(verb), func(t *testing.T) {
			b := newBox(t, twoNodes)
			b.round(api.Open)
			b.shut(b.open(mfd, "198.18.0.12"), mfd, "198.18.0.12")
			done, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: verb})
			if err != nil || done.Text != want.text {
				t.Errorf("%v: %q", err, done.Text)
			}
			b.pass(time.Second)
			if n := b.node("B"); n.Service != want.service || n.Serving || len(b.kernel.up) != want.up || len(b.kernel.cuts) != want.cuts {
				t.Errorf("%+v, up %v, cut %v", n, b.kernel.up, b.kernel.cuts)
			}
			if got := b.told(event.NodeService); len(got) == 0 || !strings.HasPrefix(got[0], "notice: B is ") {
				t.Errorf("told %q", got)
			}
			if done, err := b.giveBack(b.member("198.18.0.12")); err != nil || done.Text != "B is in service" {
				t.Errorf("return: %v %q", err, done.Text)
			}
		})
	}
}

func TestOrderThatChangesNothingSaysSoAndTellsNobody(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	number := b.open(mfd, "198.18.0.12")
	node := b.member("198.18.0.12")
	drain := func(verb api.DrainVerb) func() (api.Done, error) {
		return func() (api.Done, error) { return b.drain(node, api.DrainRequest{Verb: verb}) }
	}
	back := func() (api.Done, error) { return b.giveBack(node) }
	for _, tt := range []struct {
		what    string
		order   func() (api.Done, error)
		text    string
		changes int
	}{
		{"return of who serves", back, "B is in service already", 0},
		{"gentle drain", drain(api.DrainGently), "B gets no new MFDs; ", 1},
		{"the same again", drain(api.DrainGently), "B is draining already: drained by the operator: bound MFDs stay until their window ends", 0},
		{"another way", drain(api.MoveNow), "B gets no new MFDs; ", 1},
		{"that way again", drain(api.MoveNow), "B is draining already: drained by the operator: MFDs leave it at their next connection", 0},
		{"stop", drain(api.StopNow), "B is out of service; ", 1},
		{"stop while a connection is open", drain(api.StopNow), "B is out of service; ", 1},
		{"", func() (api.Done, error) { b.shut(number, mfd, "198.18.0.12"); return api.Done{}, nil }, "", 0},
		{"stop of who is out", drain(api.StopNow), "B is out of service already: stopped by the operator", 0},
		{"move from who is out", drain(api.MoveNow), "B is out of service already: ", 0},
		{"gentle drain that lets its MFD stay again", drain(api.DrainGently), "B gets no new MFDs; ", 1},
		{"return", back, "B is in service", 1},
		{"return again", back, "B is in service already", 0},
	} {
		before := len(b.told(event.NodeService))
		done, err := tt.order()
		if got := len(b.told(event.NodeService)) - before; err != nil || !strings.HasPrefix(done.Text, tt.text) || got != tt.changes {
			t.Errorf("%s: %q (%v), %d events, want %q and %d", tt.what, done.Text, err, got, tt.text, tt.changes)
		}
	}
}

func TestGentleDrainWithOpenConnectionsSaysThatItCantKnow(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	number := b.open(mfd, "198.18.0.12")
	done, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.DrainGently})
	if err != nil || !strings.HasSuffix(done.Text, "when it will be empty is known once their connections are closed") {
		t.Errorf("%v %q", err, done.Text)
	}
	b.shut(number, mfd, "198.18.0.12")
	b.pass(31 * time.Minute)
	b.sweep()
	b.turn()
	b.pass(time.Second)
	if n := b.node("B"); n.Service != api.OutOfService || n.ServiceReason != "drained: no MFD is left on it" {
		t.Errorf("after the window: %+v", n)
	}
}

// MFDs that have not connected again since are bound to it still.
func TestNodeThatWasDrainedByMoveSaysWhatIsLeftOnIt(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	number := b.open(mfd, "198.18.0.12")
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.MoveNow}); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Second)
	if n := b.node("B"); n.Service != api.Draining {
		t.Errorf("with a connection open: %+v", n)
	}
	b.shut(number, mfd, "198.18.0.12")
	b.pass(time.Second)
	want := "drained: no connection is open to it; an MFD that is still bound to it leaves it at its next connection"
	if n := b.node("B"); n.Service != api.OutOfService || n.Clients != 1 || n.ServiceReason != want {
		t.Errorf("after the last connection: %+v", n)
	}
	if told := b.told(event.NodeService); told[len(told)-1] != "notice: B is out of service: "+want {
		t.Errorf("told %q", told)
	}
}

// Whoever asks again right after an order sees what it did.
func TestOrderIsInTheSnapshotBeforeItIsAnswered(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 3 {
		b.changing(func() {
			if _, err := b.drain(b.member("198.18.0.11"), api.DrainRequest{Verb: api.DrainGently}); err != nil {
				t.Fatal(err)
			}
		})
		if n := b.node("A"); n.Service != api.Draining || b.last().Box.State != api.NoSpare {
			t.Errorf("drained, and the snapshot says %s, %s", n.Service, b.last().Box.State)
		}
		b.changing(func() {
			if _, err := b.giveBack(b.member("198.18.0.11")); err != nil {
				t.Fatal(err)
			}
		})
		if n := b.node("A"); n.Service != api.InService || !n.Serving {
			t.Errorf("returned, and the snapshot says %+v", n)
		}
	}
}

func TestLastServingNodeIsNotDrainedUnlessForced(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.drain(b.member("198.18.0.11"), api.DrainRequest{Verb: api.StopNow})
	_, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.StopNow})
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict || !strings.Contains(refused.What, "last node that serves") {
		t.Errorf("refused with %v", err)
	}
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.StopNow, Force: true}); err != nil {
		t.Error(err)
	}
	b.pass(time.Second)
	if s := b.last().Box; s.State != api.NothingServing || !strings.Contains(s.Reason, "A is out of service: return it to service; B is out of service: return it to service") {
		t.Errorf("%+v", s)
	}
}

// A is drained gently and B by force: who is bound to A goes on, and nobody else.
func TestNoOtherNodeIsPromisedWhereThereIsNone(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd.Next(), "198.18.0.11")
	b.shut(b.open(mfd, "198.18.0.12"), mfd, "198.18.0.12")
	nodeB := b.member("198.18.0.12")
	b.drain(b.member("198.18.0.11"), api.DrainRequest{Verb: api.DrainGently})
	want := "if B goes now no node of group print takes new MFDs: 1 MFD is refused, 0 open connections are reset; who is bound goes on until the window ends: 1 on A"
	if r, err := b.rehearse(nodeB); err != nil || r.Text != want {
		t.Errorf("rehearsed %q (%v)", r.Text, err)
	}
	for _, tt := range []struct {
		verb api.DrainVerb
		want string
	}{
		{api.MoveNow, "B gets no new MFDs; those that are bound to it are refused at their next connection, open connections finish"},
		{api.StopNow, "B is out of service; its MFDs are refused when they connect again"},
	} {
		if done, err := b.drain(nodeB, api.DrainRequest{Verb: tt.verb, Force: true}); err != nil || done.Text != tt.want {
			t.Errorf("%s: %q (%v)", tt.verb, done.Text, err)
		}
		if m := b.aboutMFD(mfd, nil); len(m.Bound) != 1 || !strings.HasSuffix(m.Bound[0].NodeState, ": its next connection is refused, until a node takes MFDs again") {
			t.Errorf("%s: its MFD is said to be %+v", tt.verb, m.Bound)
		}
	}
	if _, err := b.giveBack(b.member("198.18.0.11")); err != nil {
		t.Fatal(err)
	}
	if m := b.aboutMFD(mfd, nil); !strings.HasSuffix(m.Bound[0].NodeState, ": it gets another node at its next connection") {
		t.Errorf("with A back its MFD is said to be %+v", m.Bound)
	}
}

func TestMoveAndForgetReachTheKernel(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	to := b.member("198.18.0.11")
	if done, err := b.move(b.groups[0], mfd, to); err != nil || !strings.Contains(done.Text, "is bound to A from its next connection on") {
		t.Errorf("%v %q", err, done.Text)
	}
	if held := b.kernel.bindings[mfd]; held.Mark != dataplane.Mark(to.id) || held.Left != 30*time.Minute {
		t.Errorf("the kernel has %+v", held)
	}
	b.open(mfd, "198.18.0.11")
	b.pass(time.Second)
	b.wantTold(event.ClientFault)
	if found, _ := b.clients("a"); len(found) != 1 || found[0].Why != "moved by the operator" {
		t.Errorf("why: %+v", found)
	}
	if _, err := b.forget(b.groups[0], mfd); err != nil || len(b.kernel.bindings) != 0 {
		t.Errorf("%v, the kernel has %v", err, b.kernel.bindings)
	}
	var refused *api.Error
	if _, err := b.forget(b.groups[0], mfd); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("forgotten twice: %v", err)
	}
}

func TestWrongWordsGetTheRightOnes(t *testing.T) {
	b := newBox(t, twoNodes)
	_, noNode := b.find("print", "Z")
	_, noGroup := b.find("scan", "A")
	_, noQuery := b.clients("printer-7")
	_, noMFD := b.clients("198.18.0.10")
	_, node := b.clients("198.18.0.12")
	_, noGroupQuery := b.clients("scan/A")
	_, noVerb := b.drain(b.member("198.18.0.11"), api.DrainRequest{Verb: "softly", Force: true})
	for err, want := range map[error]string{
		noNode:       `group print has no node "Z". Its nodes are A, B`,
		noGroup:      `there is no group "scan". The groups are print`,
		noQuery:      `"printer-7" is no address, no network and no node`,
		noGroupQuery: `"scan/A" is no address, no network and no node. Ask for an MFD like 192.0.2.77, a network like 192.0.2.0/24, or the name of a node like A or print/A`,
		noMFD:        `198.18.0.10 is the virtual address of group print, not an MFD. Ask for the address of an MFD; spoolctl who lists those that are bound`,
		node:         `198.18.0.12 is node B of group print, not an MFD. Ask for the address of an MFD; spoolctl who lists those that are bound, and spoolctl who print/B those on this node`,
		noVerb:       `"softly" is no way to drain; use gently, move or stop`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestNodeThatCallsItsOwnVirtualAddressIsFoundAsMFDsAre(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(netip.MustParseAddr("198.18.0.12"), "198.18.0.11")
	if found, err := b.clients("198.18.0.12"); err != nil || len(found) != 1 {
		t.Errorf("%+v %v", found, err)
	}
}

func TestQueryThatCanBeNoNodeIsAskedWrongly(t *testing.T) {
	b := newBox(t, twoNodes)
	for query, want := range map[string]int{
		"Z": http.StatusNotFound, "print/Z": http.StatusNotFound,
		"1.2.3": http.StatusBadRequest, "192.0.2.0/40": http.StatusBadRequest, "fe80::zz": http.StatusBadRequest,
	} {
		var refused *api.Error
		if _, err := b.clients(query); !errors.As(err, &refused) || refused.Status != want {
			t.Errorf("%s: %v, want status %d", query, err, want)
		}
	}
}

func TestClientsAreFoundByAddressNetworkAndNode(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.open(netip.MustParseAddr("198.18.2.20"), "198.18.0.11")
	for query, want := range map[string]int{"": 2, "198.18.1.20": 1, "198.18.1.0/24": 1, "198.18.0.0/16": 2, "b": 1, "Print/b": 1, "203.0.113.1": 0} {
		if found, err := b.clients(query); err != nil || len(found) != want {
			t.Errorf("%q: %d found, want %d (%v)", query, len(found), want, err)
		}
	}
}

func TestGroupAndNodeTellNodesOfOneNameApart(t *testing.T) {
	b := newBox(t, twoGroups)
	b.round(api.Open)
	b.open(mfd, "198.18.0.11")
	b.open(netip.MustParseAddr("198.18.2.20"), "198.18.0.21")
	for query, want := range map[string]int{"A": 2, "print/A": 1, "scan/a": 1} {
		if found, err := b.clients(query); err != nil || len(found) != want {
			t.Errorf("%q: %d found, want %d (%v)", query, len(found), want, err)
		}
	}
}

func TestRehearsalCountsAsPeopleDo(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	client := mfd
	for _, want := range []string{
		"if A goes now: 0 MFDs move, 0 open connections are reset, B would hold 0",
		"if A goes now: 1 MFD moves, 1 open connection is reset, B would hold 1",
		"if A goes now: 2 MFDs move, 2 open connections are reset, B would hold 2",
	} {
		if r, err := b.rehearse(b.member("198.18.0.11")); err != nil || r.Text != want {
			t.Errorf("%v: %q, want %q", err, r.Text, want)
		}
		client = client.Next()
		b.open(client, "198.18.0.11")
	}
}
