package balance

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

const affinity = 30 * time.Minute

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func mfd(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
}

func name(id NodeID) string { return string(rune('A' + id - 1)) }

// healthyGroup has the nodes 1, 2, ... with these weights, all serving.
func healthyGroup(weights ...int) *Group {
	var specs []Spec
	for i, w := range weights {
		specs = append(specs, Spec{ID: NodeID(i + 1), Weight: w})
	}
	g := NewGroup(affinity, specs, start)
	for _, s := range specs {
		g.SetHealthy(s.ID, true, start)
	}
	return g
}

// next is what the kernel would deal now.
func next(t *testing.T, g *Group, now time.Time) NodeID {
	t.Helper()
	slots, _ := g.Plan(now)
	if len(slots) == 0 {
		t.Fatal("nobody serves")
	}
	return slots[g.plan.seen%len(slots)]
}

func bound(g *Group) (out []int) {
	for _, n := range g.Nodes() {
		out = append(out, n.Clients)
	}
	return out
}

func TestNewClientGoesToTheNodeWithFewestConnections(t *testing.T) {
	g := healthyGroup(1, 1, 1)
	now := start
	for i, open := range []int{5, 2, 9} {
		for range open {
			g.Opened(mfd(i), NodeID(i+1), false, now)
		}
	}
	now = now.Add(time.Minute)
	if got := next(t, g, now); got != 2 {
		t.Errorf("dealt %s, which has not the fewest of %+v", name(got), g.Nodes())
	}
	for range 4 {
		g.Closed(mfd(0), 1, now)
	}
	if got := next(t, g, now.Add(time.Minute)); got != 1 {
		t.Errorf("after A's connections closed: dealt %s, %+v", name(got), g.Nodes())
	}
}

func TestTieGoesToFewestOpenOnceItIsQuiet(t *testing.T) {
	g := healthyGroup(1, 1)
	now := start
	g.Plan(now)
	for range 10 {
		g.Opened(mfd(0), 1, false, now)
	}
	g.Opened(mfd(1), next(t, g, now), false, now)
	if got := next(t, g, now.Add(2*time.Second)); got != 2 {
		t.Errorf("dealt %s; A has 10 open, B has 1", name(got))
	}
}

func TestPlanIsNotReplacedWhileABurstFollowsIt(t *testing.T) {
	g := healthyGroup(1, 1, 1)
	slots, changed := g.Plan(start)
	if !changed {
		t.Fatal("the first plan is no change")
	}
	now := start
	for i := range 400 {
		now = now.Add(2 * time.Millisecond)
		for range 1 + i%7 { // MFDs open unlike numbers of connections at once
			g.Opened(mfd(i), slots[i%len(slots)], false, now)
		}
		if _, changed := g.Plan(now); changed {
			t.Fatalf("plan replaced after contact %d", i+1)
		}
	}
	if got := fmt.Sprint(bound(g)); got != "[134 133 133]" {
		t.Errorf("bound %v", got)
	}
}

func TestNodeThatReturnsGetsTheNewClientsUntilItIsEven(t *testing.T) {
	g := healthyGroup(1, 1)
	g.SetHealthy(2, false, start)
	now := start
	for i := range 10 {
		g.Opened(mfd(i), next(t, g, now), false, now)
	}
	g.SetHealthy(2, true, now)
	now = now.Add(time.Minute)
	for i := 10; i < 20; i++ {
		g.Opened(mfd(i), next(t, g, now), false, now)
	}
	if got := fmt.Sprint(bound(g)); got != "[10 10]" {
		t.Errorf("bound %v", got)
	}
}

func TestNobodyServesMeansAnEmptyPlan(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Plan(start)
	g.SetHealthy(1, false, start)
	g.SetHealthy(2, false, start)
	if slots, changed := g.Plan(start); len(slots) != 0 || !changed {
		t.Errorf("plan %v, changed %v", slots, changed)
	}
	if _, changed := g.Plan(start); changed {
		t.Error("the empty plan is written again and again")
	}
	if up := g.Up(); len(up) != 0 {
		t.Errorf("up: %v", up)
	}
}

func TestWindowCountsFromTheLastClose(t *testing.T) {
	g := healthyGroup(1, 1)
	now := start
	g.Opened(mfd(0), 1, false, now)
	now = now.Add(2 * affinity) // held open for longer than the window
	if swept := g.Sweep(now); len(swept) != 1 || swept[0].Client != mfd(0) || swept[0].Left != affinity {
		t.Errorf("a client with an open connection is not renewed: %+v", swept)
	}
	g.Closed(mfd(0), 1, now)
	now = now.Add(affinity - time.Second)
	g.Sweep(now)
	if c, ok := g.Lookup(mfd(0), now); !ok || c.Ends.Sub(now) != time.Second {
		t.Errorf("just inside the window: %+v %v", c, ok)
	}
	now = now.Add(2 * time.Second)
	g.Sweep(now)
	if g.Len() != 0 {
		t.Error("the binding outlives its window")
	}
}

// What a journal of an earlier version has is read, and each cause is found again.
func TestFTPDataOfAMovedClientBindsNothing(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Opened(mfd(0), 1, false, start)
	if err := g.MoveClient(mfd(0), 2, start); err != nil {
		t.Fatal(err)
	}
	g.Opened(mfd(0), 1, true, start)
	if c, _ := g.Lookup(mfd(0), start); c.Node != 2 || g.Nodes()[0].Open != 2 {
		t.Errorf("client %+v, nodes %+v", c, g.Nodes())
	}
}

func TestConnectionOpenSinceBeforeForgettingHoldsTheNewWindow(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Opened(mfd(0), 1, false, start)
	if err := g.Forget(mfd(0), start); err != nil {
		t.Fatal(err)
	}
	g.Opened(mfd(0), 1, false, start)
	g.Closed(mfd(0), 1, start) // either of the two
	now := start
	for range 8 {
		now = now.Add(affinity / 4)
		g.Sweep(now)
	}
	if c, bound := g.Lookup(mfd(0), now); !bound || c.Open != 1 {
		t.Errorf("after two windows with a connection open: bound %v, %+v", bound, c)
	}
}

func TestChangeOfNodesAndWindowKeepsBindings(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Opened(mfd(0), 1, false, start)
	g.Closed(mfd(0), 1, start)
	g.Opened(mfd(1), 2, false, start)
	g.Configure(2*affinity, []Spec{{ID: 1, Weight: 3}, {ID: 3, Weight: 1}}, start)
	now := start.Add(affinity + time.Minute)
	g.Sweep(now)
	if c, ok := g.Lookup(mfd(0), now); !ok || c.Node != 1 {
		t.Errorf("client of a kept node: %+v %v", c, ok)
	}
	if _, ok := g.Lookup(mfd(1), now); ok {
		t.Error("a client is bound to a node that is gone")
	}
}

func TestAdoptTakesTheKernelsWord(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Opened(mfd(0), 1, false, start)
	g.Opened(mfd(1), 1, false, start)
	g.Opened(mfd(2), 2, false, start)
	now := start.Add(time.Minute)
	g.Adopt([]Binding{{Client: mfd(0), Node: 1, Left: affinity / 2}, {Client: mfd(1), Node: 2, Left: affinity}, {Client: mfd(3), Node: 2, Left: time.Minute},
		{Client: mfd(4), Node: 2, Left: time.Minute, Since: start.Add(-time.Hour), Why: Why{Cause: NodeLeft, From: 1}}}, now)
	g.Recount(mfd(0), 1)
	g.Recount(mfd(9), 2) // its binding is gone, its connection is not
	if got := fmt.Sprint(bound(g)); got != "[1 3]" {
		t.Errorf("bound %v", got)
	}
	if n := g.Nodes(); n[0].Open != 1 || n[1].Open != 1 {
		t.Errorf("open %+v", n)
	}
	c, _ := g.Lookup(mfd(0), now)
	if c.Why.Cause != FirstContact || !c.Since.Equal(start) {
		t.Errorf("a known client lost its history: %+v", c)
	}
	if c, _ := g.Lookup(mfd(3), now); c.Why.Cause != Remembered || c.Ends.Sub(now) != time.Minute || !c.Since.Equal(c.Ends.Add(-affinity)) {
		t.Errorf("a client only the kernel knew: %+v", c)
	}
	if c, _ := g.Lookup(mfd(4), now); c.Why != (Why{Cause: NodeLeft, From: 1}) || !c.Since.Equal(start.Add(-time.Hour)) {
		t.Errorf("a client that more is known of: %+v", c)
	}
}

// The wall clock is set by NTP or by hand; windows are times that pass.
func TestWindowDoesNotFollowTheWallClock(t *testing.T) {
	begin := time.Now()
	g := NewGroup(affinity, []Spec{{ID: 1, Weight: 1}}, begin)
	g.SetHealthy(1, true, begin)
	g.Opened(mfd(0), 1, false, begin)
	g.Closed(mfd(0), 1, begin)
	if c, ok := g.Lookup(mfd(0), begin.Add(time.Minute)); !ok || c.Ends.Sub(begin) != affinity {
		t.Fatalf("%+v %v", c, ok)
	}
	if g.began.String() == g.began.Round(0).String() {
		t.Error("times are counted by the wall clock")
	}
}
