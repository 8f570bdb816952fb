package acceptance

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/flood"
	"spoolgate/tools/lab/site"
)

// The kernel's table of connections is full of what nobody follows up: it makes way,
// and no MFD notices. Full of what goes on, it takes no new ones, and the box says so;
// what is open goes on, and new ones come in as soon as there is room.
func TestFullConnectionTableIsToldAndOpenConnectionsGoOn(t *testing.T) {
	t.Parallel()
	// The flood takes a processor for seconds, and probes of 100 ms would miss their answers.
	p := open(t, site.Options{Nodes: 2, MFDs: 10}, slowly...)
	s := p.await("the room is known", func(s api.Snapshot) bool { return s.Room.MostConnections > 0 })
	if s.Room.MostConnections > 1<<20 {
		t.Fatalf("net.netfilter.nf_conntrack_max is %d on this machine: set it to 1048576 or less, to be filled in seconds", s.Room.MostConnections)
	}
	stop := p.traffic(p.MFDs[:8], 5*time.Millisecond)
	p.must(flood.Track(p.box.Namespace, s.Room.MostConnections, false))
	p.awaitEvent("hardly any room", 0, func(e api.Event) bool { return e.Kind == event.BoxConnections && e.Severity == event.Warning })
	p.says("the kernel soon has no room for new connections")
	stop()
	held := p.visit(p.MFDs[8], 5011)
	p.must(flood.Track(p.box.Namespace, s.Room.MostConnections, true))
	calling := p.calling(p.MFDs[9], 5011)
	p.awaitEvent("no room", 0, func(e api.Event) bool {
		return e.Kind == event.BoxConnections && e.Severity == event.Alert && strings.Contains(e.Text, "It dropped ")
	})
	p.says("the kernel has no room for another connection")
	p.must(held.Exchange())
	calling()
	p.must(flood.Forget(p.box.Namespace))
	p.visit(p.MFDs[9], 5012)
}

// As many MFDs are bound as can be: those are served, one more is refused at once, and
// the box says so.
func TestFullTableOfMFDsServesThoseWhoAreInIt(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 9})
	before := p.landings(p.MFDs[:8], 5011)
	p.must(p.box.Stop())
	var table *dataplane.Table
	p.must(p.box.Namespace.Do(func() (err error) {
		table, err = dataplane.Open()
		return err
	}))
	var others []dataplane.Binding
	for i := range dataplane.MaxBindings {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) // in the map only
		others = append(others, dataplane.Binding{VirtualAddress: site.VIP, Client: a, Mark: 1, Left: time.Hour})
	}
	p.must(table.Bind(others))
	p.must(table.Close())
	p.must(p.box.Start())
	// A quarter of a million bindings are read, on a machine that has other things to do.
	patient, cancel := context.WithTimeout(t.Context(), 3*within)
	defer cancel()
	_, err := p.box.AwaitEvent(patient, "no room", 0, func(e api.Event) bool { return e.Kind == event.BoxBindings && e.Severity == event.Alert })
	p.must(err)
	p.says("the box has no room for another MFD: 262152 of 262144 MFDs are bound")
	if _, err := p.MFDs[8].Connect(t.Context(), 5011); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("one more meets %v", err)
	}
	stop := p.traffic(p.MFDs[:8], 5*time.Millisecond)
	p.same("with a full table", before, p.landings(p.MFDs[:8], 5012))
	stop()
}
