package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

func TestMFDWithTooManyConnectionsGetsNoMoreUntilItHasFewer(t *testing.T) {
	b := newBox(t, twoNodes+"limits.connections = 50\n")
	b.round(api.Open)
	var numbers []uint64
	for range 49 {
		numbers = append(numbers, b.open(mfd, "198.18.0.11"))
	}
	b.pass(2 * time.Second)
	if len(b.kernel.limited) > 0 {
		t.Error("49 of 50 are limited")
	}
	numbers = append(numbers, b.open(mfd, "198.18.0.11"))
	if l := b.kernel.limited; len(l) != 1 || l[0] != (dataplane.Caller{VirtualAddress: vip, Client: mfd}) {
		t.Errorf("limited at once are %v", l)
	}
	b.pass(time.Second)
	b.wantTold(event.ClientLimit, "warning: 198.18.1.20 (50): that many connections are open")
	if s := b.last(); len(s.Overload) != 1 || s.Overload[0].Group != "print" || len(s.Incidents) == 0 || s.Incidents[0].Kind != event.ClientLimit {
		t.Errorf("shown are %+v and %+v", s.Overload, s.Incidents)
	}
	// The kernel's limit has an end of its own, and is renewed before.
	b.kernel.limited = nil
	b.pass(dataplane.LimitedFor / 2)
	if len(b.kernel.limited) != 1 {
		t.Error("the limit was not renewed")
	}
	b.shut(numbers[0], mfd, "198.18.0.11")
	b.pass(time.Second)
	if len(b.kernel.limited) > 0 {
		t.Error("with 49 open it is limited still")
	}
	b.pass(time.Minute)
	b.wantTold(event.ClientLimit, "warning: ", "notice: no MFD of group print")
	if s := b.last(); len(s.Overload) > 0 {
		t.Errorf("shown are %+v", s.Overload)
	}
}

// What the balancer was killed in the midst of may be over by then.
func TestOverloadOfBeforeARestartIsConfirmedOrEndsWithinHalfAMinute(t *testing.T) {
	for _, lasts := range []bool{true, false} {
		b := newBox(t, twoNodes+"limits.connections = 50\n")
		b.round(api.Open)
		for range 50 {
			b.open(mfd, "198.18.0.11")
		}
		b.pass(time.Second)
		b.killed() // and sees no connection at first
		limited := 0
		if lasts {
			var again dataplane.Batch
			for i := range 50 {
				again.Events = append(again.Events, dataplane.Event{Kind: dataplane.Opened, ID: uint64(i), VirtualAddress: vip, Client: mfd, Mark: dataplane.Mark(b.member("198.18.0.11").id)})
			}
			b.resync(again)
			limited = 1
		}
		b.pass(30 * time.Second)
		is := 0
		for _, i := range b.last().Incidents {
			if i.Kind == event.ClientLimit {
				is++
			}
		}
		if is != limited || len(b.kernel.limited) != limited {
			t.Errorf("lasts %v: %d incidents, limited are %v", lasts, is, b.kernel.limited)
		}
		b.pass(3 * time.Minute)
		if lasts != (len(b.last().Overload) == 1) {
			t.Errorf("lasts %v: three minutes later %+v", lasts, b.last().Overload)
		}
	}
}

func TestWhatTheKernelTurnsAwayIsToldAndShown(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.kernel.pressure = dataplane.Pressure{Connections: 7, MostConnections: 1000}
	b.pass(time.Second)
	b.kernel.pressure.HeldBack = 44
	b.kernel.pressure.Dropped = 5
	b.pass(time.Second)
	b.wantTold(event.BoxNewcomers, "warning: more unknown addresses call than the 500 a second")
	b.wantTold(event.BoxConnections, "alert: the kernel has no room for another connection: 7 of 1000")
	s := b.last()
	if len(s.Overload) != 2 || s.Room != (api.Room{Connections: 7, MostConnections: 1000, MostBindings: dataplane.MaxBindings}) {
		t.Errorf("shown are %+v, %+v", s.Overload, s.Room)
	}
	b.pass(time.Minute)
	b.wantTold(event.BoxNewcomers, "warning: ", "notice: ")
	b.wantTold(event.BoxConnections, "alert: ", "notice: ")
}

// The first look is a second after the start, and everybody calls in that second.
func TestWhatIsTurnedAwayInTheFirstSecondIsNews(t *testing.T) {
	const told = "warning: more unknown addresses call than the 500 a second that the box lets in: "
	b := newBox(t, twoNodes)
	b.kernel.pressure.HeldBack = 44
	b.pass(time.Second)
	b.wantTold(event.BoxNewcomers, told+"44 first packets")
	b.pass(time.Minute)
	b.restart() // what was before it is not
	b.pass(time.Second)
	b.wantTold(event.BoxNewcomers)
	b.kernel.pressure.HeldBack++
	b.pass(time.Second)
	b.wantTold(event.BoxNewcomers, told+"1 first packet")
}

// The event of the end of a connection says whether its client was ever there.
func TestAddressesThatNeverFollowedUpMakeRoomForMFDs(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	m := b.member("198.18.0.11")
	ends := func(a netip.Addr, established bool) {
		b.next++
		ev := dataplane.Event{Kind: dataplane.Opened, ID: b.next, VirtualAddress: vip, Client: a, Mark: dataplane.Mark(m.id)}
		b.kernel.bindings[a] = dataplane.Binding{VirtualAddress: vip, Client: a, Mark: ev.Mark, Left: time.Hour}
		over := ev
		over.Kind, over.Replied, over.Established = dataplane.Closed, true, established
		b.connections(dataplane.Batch{Events: []dataplane.Event{ev, over}})
	}
	ends(mfd, true)
	for i := range dataplane.MaxBindings/2 + 1 {
		ends(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), false)
	}
	b.pass(15 * time.Second)
	if n := b.bindings(); n != 1 || len(b.kernel.bindings) != 1 {
		t.Errorf("%d are bound, and %d in the kernel", n, len(b.kernel.bindings))
	}
	if _, bound := m.group.policy.Lookup(mfd, b.at); !bound {
		t.Error("the MFD has gone with them")
	}
}

func TestNewcomersAreTurnedAwayAsLongAsThereIsNoRoom(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	m := b.member("198.18.0.11")
	var all []dataplane.Binding
	for i := range dataplane.MaxBindings {
		all = append(all, dataplane.Binding{VirtualAddress: vip, Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Mark: dataplane.Mark(m.id), Left: 25 * time.Minute})
	}
	b.adopt(all, nil)
	b.pass(time.Second)
	if !b.kernel.closed {
		t.Error("newcomers are let in")
	}
	b.wantTold(event.BoxBindings, "alert: the box has no room for another MFD: 262144 of 262144")
	b.kernel.closed = false // a configuration was applied
	b.pass(time.Second)
	if !b.kernel.closed {
		t.Error("newcomers are let in again")
	}
	b.adopt(all[:10], nil)
	b.pass(time.Second)
	if b.kernel.closed {
		t.Error("newcomers are turned away, with 10 bound")
	}
	if text := b.told(event.BoxBindings); !strings.Contains(text[0], "spoolctl who") {
		t.Errorf("told %v", text)
	}
}
