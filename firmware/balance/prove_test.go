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
	for i := range 5 {
		g.Bound(mfd(7+i), 1, uint64(100+i), now) // of a busy box, which tells if it was made up
	}
	g.Doubt(mfd(7), 200) // another connection, and maybe not its own
	g.Doubt(mfd(8), 101) // made up
	g.Doubt(mfd(9), 102)
	g.Prove(mfd(9)) // but there it is
	g.Doubt(mfd(9), 102)
	g.Doubt(mfd(10), 103) // made up, and moved
	g.SetHealthy(1, false, now)
	g.Bound(mfd(7), 2, 201, now)
	g.Doubt(mfd(7), 201) // the node was silent; at the one before all was well
	idle(10, 2)
	idle(11, 2) // moved
	g.SetHealthy(1, true, now)
	now = now.Add(time.Minute)
	idle(6, 1) // made up, and just now
	got := g.Evict(now)
	slices.SortFunc(got, netip.Addr.Compare)
	if want := []netip.Addr{mfd(1), mfd(4), mfd(8), mfd(10)}; !slices.Equal(got, want) {
		t.Errorf("evicted are %v, want %v", got, want)
	}
	if g.Len() != 7 || len(g.Evict(now)) > 0 {
		t.Errorf("%d are left", g.Len())
	}
	g.Prove(mfd(1)) // of one that is gone: nothing
	if n := g.Nodes(); n[0].Clients+n[1].Clients != 7 || n[0].Open != 1 {
		t.Errorf("nodes are %+v", n)
	}
}

// The window of a client begins with each connection that binds it, though none counts.
func TestConnectionsThatDoNotCountBeginTheWindow(t *testing.T) {
	g := healthyGroup(1, 1)
	now := start
	g.Bound(mfd(1), 1, 1, now)
	now = now.Add(affinity - time.Second)
	if _, moved := g.Bound(mfd(1), 1, 2, now); moved {
		t.Error("it was where it is")
	}
	g.Sweep(now.Add(affinity - time.Second))
	if c, bound := g.Lookup(mfd(1), now); !bound || c.Node != 1 || c.Open != 0 {
		t.Errorf("the client is %+v", c)
	}
	g.Sweep(now.Add(affinity + time.Second))
	if g.Len() != 0 {
		t.Error("it is bound after the window")
	}
}
