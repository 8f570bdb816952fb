package balance

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Who is forgotten for others to have room: nobody who ever confirmed a connection,
// has one, or has only just come.
func TestOnlyAddressesThatNeverFollowedUpMakeRoom(t *testing.T) {
	g := healthyGroup(1, 1)
	now := start
	idle := func(i int, id NodeID) {
		g.Opened(mfd(i), id, false, now)
		g.Closed(mfd(i), id, now)
	}
	idle(1, 1) // made up
	idle(2, 1)
	g.Prove(mfd(2))
	g.Opened(mfd(3), 1, false, now) // waits for its answer
	idle(4, 1)                      // made up, and moved by the loss of its node
	g.SetHealthy(1, false, now)
	idle(4, 2)
	g.SetHealthy(1, true, now)
	g.Adopt(append(g.Bindings(now), Binding{Client: mfd(5), Node: 1, Left: time.Minute}), now) // of before a restart
	g.Recount(mfd(3), 1)
	g.Bound(mfd(7), 1, now) // of a busy box, which would tell if it were made up
	g.Bound(mfd(8), 1, now) // and does
	g.Doubt(mfd(8))
	g.Prove(mfd(8))
	g.Doubt(mfd(8)) // there it is, whatever becomes of other connections
	g.Bound(mfd(9), 1, now)
	g.Doubt(mfd(9))
	g.Bound(mfd(10), 1, now)
	g.Doubt(mfd(10))
	g.SetHealthy(1, false, now)
	g.Bound(mfd(7), 2, now) // moved
	g.Opened(mfd(10), 2, false, now)
	g.Closed(mfd(10), 2, now)
	g.SetHealthy(1, true, now)
	now = now.Add(time.Minute)
	idle(6, 1) // made up, and just now
	got := g.Evict(now)
	slices.SortFunc(got, netip.Addr.Compare)
	if want := []netip.Addr{mfd(1), mfd(4), mfd(9), mfd(10)}; !slices.Equal(got, want) {
		t.Errorf("evicted are %v, want %v", got, want)
	}
	if g.Len() != 6 || len(g.Evict(now)) > 0 {
		t.Errorf("%d are left", g.Len())
	}
	g.Prove(mfd(1)) // of one that is gone: nothing
	if n := g.Nodes(); n[0].Clients+n[1].Clients != 6 || n[0].Open != 1 {
		t.Errorf("nodes are %+v", n)
	}
}
