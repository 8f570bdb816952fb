package engine

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

// What works through the plan calls for another at once. Known clients that come and
// go do not: their plan is looked at every tenth of a second.
func TestOnlyWhatThePlanDealtCallsForAnotherAtOnce(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	a, other := b.member("198.18.0.11"), b.member("198.18.0.12")
	next := uint64(1000)
	takes := func(kind dataplane.EventKind, client netip.Addr, m *member, related bool) bool {
		if kind == dataplane.Opened {
			next++
		}
		return b.connections(dataplane.Batch{Events: []dataplane.Event{{Kind: kind, ID: next, Related: related, Replied: kind == dataplane.Closed,
			VirtualAddress: vip, Client: client, Mark: dataplane.Mark(m.id)}}})
	}
	for _, step := range []struct {
		what    string
		kind    dataplane.EventKind
		node    *member
		related bool
		dealt   bool
	}{
		{"a first contact", dataplane.Opened, a, false, true},
		{"its end", dataplane.Closed, a, false, false},
		{"another connection", dataplane.Opened, a, false, false},
		{"FTP data", dataplane.Opened, a, true, false},
		{"a move", dataplane.Opened, other, false, true},
	} {
		if dealt := takes(step.kind, mfd, step.node, step.related); dealt != step.dealt {
			t.Errorf("%s: dealt %v", step.what, dealt)
		}
	}
	if !b.connections(dataplane.Batch{Resync: true}) {
		t.Error("a count that begins anew calls for no plan")
	}
}

// A busy box tells late of connections that last: of an MFD that it knows, and that a
// person may have moved since.
func TestWhatIsToldLateMovesNobodyBack(t *testing.T) {
	for _, moved := range []bool{false, true} {
		b := newBox(t, twoNodes)
		b.round(api.Open)
		a, other := b.member("198.18.0.11"), b.member("198.18.0.12")
		b.shut(b.open(mfd, "198.18.0.11"), mfd, "198.18.0.11")
		is := a
		if moved {
			is = other
			if _, err := b.move(b.groups[0], mfd, other); err != nil {
				t.Fatal(err)
			}
		}
		take := func(kind dataplane.EventKind) (dealt bool) {
			return b.connections(dataplane.Batch{Events: []dataplane.Event{{Kind: kind, ID: 1000, Unsaid: kind == dataplane.Opened, Replied: true,
				VirtualAddress: vip, Client: mfd, Mark: dataplane.Mark(a.id)}}})
		}
		for _, step := range []struct {
			kind         dataplane.EventKind
			onNode, open int
		}{{dataplane.Opened, 1, 1}, {dataplane.Closed, 0, 0}} {
			if take(step.kind) {
				t.Error("it calls for another plan")
			}
			if moved {
				step.open = 0 // on the node that it is bound to
			}
			c, bound := a.group.policy.Lookup(mfd, b.at)
			if n := a.group.policy.Nodes()[0]; !bound || c.Node != is.id || c.Open != step.open || n.Open != step.onNode || n.Dealt != 1 {
				t.Errorf("moved %v: the MFD is %+v, the node %+v", moved, c, n)
			}
		}
		b.pass(time.Second)
		if moves := b.told(event.ClientMoved); len(moves) != 0 && !moved {
			t.Errorf("moves: %q", moves)
		}
		if faults := b.told(event.ClientFault); len(faults) != 0 {
			t.Errorf("faults: %q", faults)
		}
	}
}

// Of new MFDs a busy box tells where they are, and no more unless it lasts or fails.
func TestMFDThatIsBoundByAConnectionThatDoesNotCount(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	a, other := b.member("198.18.0.11"), b.member("198.18.0.12")
	take := func(kind dataplane.EventKind, m *member, ev dataplane.Event) (dealt bool) {
		ev.Kind, ev.ID, ev.VirtualAddress, ev.Client, ev.Port, ev.Mark = kind, 1000, vip, mfd, 5011, dataplane.Mark(m.id)
		return b.connections(dataplane.Batch{Events: []dataplane.Event{ev}})
	}
	want := func(what string, m *member, open int) {
		t.Helper()
		c, bound := m.group.policy.Lookup(mfd, b.at)
		if !bound || c.Node != m.id || c.Open != open {
			t.Errorf("%s: the MFD is %+v", what, c)
		}
	}
	if !take(dataplane.Bound, a, dataplane.Event{}) {
		t.Error("a first contact calls for no plan")
	}
	want("bound", a, 0)
	if a.complaints.Open() {
		t.Error("it is one that the node did not answer")
	}
	b.wantProved("uniform", api.UnseenYet, "1 new MFD dealt")
	if take(dataplane.Bound, a, dataplane.Event{}) {
		t.Error("one that is bound there calls for a plan")
	}
	take(dataplane.Opened, a, dataplane.Event{Unsaid: true, Replied: true})
	want("it lasts", a, 1)
	b.wantProved("ports-terminal", api.UnseenYet, "not answered by the node so far: 5011 (1)")
	take(dataplane.Closed, a, dataplane.Event{Replied: true, Established: true})
	want("it ends", a, 0)
	b.wantProved("ports-terminal", api.Pass, "5011 (1)")
	for range 3 {
		b.round(api.Refused, "198.18.0.11")
	}
	if !take(dataplane.Bound, other, dataplane.Event{}) {
		t.Error("a move calls for no plan")
	}
	want("moved", other, 0)
	b.pass(time.Second)
	if moves := b.told(event.ClientMoved); len(moves) != 1 {
		t.Errorf("moves: %q", moves)
	}
	if n := other.group.policy.Nodes()[1]; n.Dealt != 1 {
		t.Errorf("the node has %+v", n)
	}
}

// A made-up address makes room for others, as soon as its connection has failed, and no
// real MFD does, whatever becomes of others in its name.
func TestMFDThatIsBoundIsThereUnlessItsConnectionFails(t *testing.T) {
	bound := dataplane.Event{Kind: dataplane.Bound, ID: 1000}
	found := dataplane.Event{Kind: dataplane.Opened, ID: 1000, Unsaid: true, Replied: true}
	ends := dataplane.Event{Kind: dataplane.Closed, ID: 1000, Replied: true}
	confirmed := dataplane.Event{Kind: dataplane.Closed, ID: 1000, Replied: true, Established: true}
	silent := dataplane.Event{Kind: dataplane.Closed, ID: 1000}
	other := dataplane.Event{Kind: dataplane.Closed, ID: 1001, Refused: true}
	much := dataplane.Event{Kind: dataplane.Closed, ID: 1001, Replied: true, Established: true}
	for _, tt := range []struct {
		what   string
		events []dataplane.Event
		gone   bool
	}{
		{"short, and all was well", []dataplane.Event{bound}, false},
		{"nobody confirms", []dataplane.Event{bound, ends}, true},
		{"the node is silent", []dataplane.Event{bound, {Kind: dataplane.Unanswered, ID: 1000}, silent}, true},
		{"nobody confirms for long", []dataplane.Event{bound, found, ends}, true},
		{"confirmed after long", []dataplane.Event{bound, found, confirmed}, false},
		{"another is refused", []dataplane.Event{bound, other}, false},
		{"another is confirmed", []dataplane.Event{bound, much, ends}, false},
	} {
		b := newBox(t, twoNodes)
		b.round(api.Open)
		m := b.member("198.18.0.11")
		for _, ev := range tt.events {
			ev.VirtualAddress, ev.Client, ev.Mark = vip, mfd, dataplane.Mark(m.id)
			b.connections(dataplane.Batch{Events: []dataplane.Event{ev}})
		}
		b.pass(time.Minute)
		if gone := len(m.group.policy.Evict(b.at)) == 1; gone != tt.gone {
			t.Errorf("%s: it makes room: %v", tt.what, gone)
		}
	}
}

// A site that holds everything open must not need another box for it.
func TestAnOpenConnectionTakesLessThan64Bytes(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	m := b.member("198.18.0.11")
	clients := make([]netip.Addr, 1000)
	next := netip.AddrFrom4([4]byte{198, 18, 4, 0})
	for i := range clients {
		next = next.Next()
		clients[i] = next
		b.open(next, "198.18.0.11")
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what the first one finalized
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	const more = 100_000
	events := make([]dataplane.Event, 1)
	for i := range more {
		events[0] = dataplane.Event{Kind: dataplane.Opened, ID: 1<<32 + uint64(i), VirtualAddress: vip, Client: clients[i%len(clients)], Mark: dataplane.Mark(m.id)}
		b.connections(dataplane.Batch{Events: events})
	}
	each := float64(heap()-before) / more
	if n := len(b.Engine.open); n < more {
		t.Fatalf("%d connections are counted", n)
	}
	t.Logf("%.1f bytes", each)
	if each >= 64 {
		t.Errorf("an open connection takes %.1f bytes of the heap", each)
	}
}

// A busy office would have those who follow read ten states a second.
func TestConnectionsAreShownOnceASecond(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	before := b.last().Version
	for range 5 {
		b.at = b.at.Add(calm)
		b.open(mfd, "198.18.0.11")
	}
	if s := b.last(); s.Version != before {
		t.Errorf("connections alone made %d new states within a second", s.Version-before)
	}
	b.pass(time.Second)
	if n := b.node("A"); n.Connections != 5 || n.Clients != 1 {
		t.Errorf("A has %d MFDs and %d connections a second later, want 1 and 5", n.Clients, n.Connections)
	}
}
