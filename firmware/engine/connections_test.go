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

// A busy box tells of many connections only when they are over; of those that lasted it
// has told before.
func TestWhatIsToldAtItsEndIsCountedOnce(t *testing.T) {
	for _, lasted := range []bool{false, true} {
		b := newBox(t, twoNodes)
		b.round(api.Open)
		m := b.member("198.18.0.11")
		ev := dataplane.Event{Kind: dataplane.Opened, ID: 1, Replied: true, Established: true, VirtualAddress: vip, Client: mfd, Mark: dataplane.Mark(m.id)}
		take := func() (dealt bool) { return b.connections(dataplane.Batch{Events: []dataplane.Event{ev}}) }
		if lasted {
			take()
			if c, bound := m.group.policy.Lookup(mfd, b.at); !bound || c.Open != 1 {
				t.Errorf("one that lasts is %+v", c)
			}
		}
		ev.Kind, ev.Unsaid = dataplane.Closed, true
		if take() {
			t.Error("each of many that are over calls for a plan")
		}
		ev.Unsaid, ev.Ended = false, &dataplane.Connection{}
		take() // the kernel forgets it
		c, bound := m.group.policy.Lookup(mfd, b.at)
		if dealt := m.group.policy.Nodes()[0].Dealt; !bound || c.Open != 0 || c.Node != m.id || dealt != 1 {
			t.Errorf("lasted %v: %+v, bound %v, of %d first contacts", lasted, c, bound, dealt)
		}
	}
}

func TestWhatComesLateOfADeadNodeMovesNobodyBack(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.11")
	for range 3 {
		b.round(api.Refused, "198.18.0.11")
	}
	b.open(mfd, "198.18.0.12")
	dead, alive := b.member("198.18.0.11"), b.member("198.18.0.12")
	for _, kind := range []dataplane.EventKind{dataplane.Opened, dataplane.Closed} {
		b.connections(dataplane.Batch{Events: []dataplane.Event{{Kind: kind, ID: 1000, Unsaid: true, Replied: true,
			VirtualAddress: vip, Client: mfd, Mark: dataplane.Mark(dead.id)}}})
	}
	if c, bound := alive.group.policy.Lookup(mfd, b.at); !bound || c.Node != alive.id || c.Open != 1 {
		t.Errorf("the MFD is %+v", c)
	}
	b.pass(time.Second)
	if moved := b.told(event.ClientMoved); len(moved) != 1 {
		t.Errorf("moves: %q", moved)
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
