package balance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNodeHasTheFewestByConnectionsOrByClientsAndItsWeight(t *testing.T) {
	for _, tt := range []struct {
		what    string
		weights []int
		clients []int // settled, of each node
		open    []int // connections of each of them
		id      NodeID
		fewest  bool
	}{
		{"nobody is there", []int{1, 1}, []int{0, 0}, []int{0, 0}, 1, true},
		{"as many", []int{1, 1}, []int{5, 5}, []int{1, 1}, 2, true},
		{"one ahead, as two are dealt at once", []int{1, 1}, []int{5, 4}, []int{1, 1}, 1, true},
		{"two ahead", []int{1, 1}, []int{6, 4}, []int{1, 1}, 1, false},
		{"more clients with fewer connections", []int{1, 1}, []int{6, 4}, []int{1, 3}, 1, true},
		{"more connections of fewer clients", []int{1, 1}, []int{6, 4}, []int{1, 3}, 2, true},
		{"more of both", []int{1, 1}, []int{6, 4}, []int{3, 1}, 1, false},
		{"twice as many at twice the weight", []int{2, 1}, []int{8, 4}, []int{1, 1}, 1, true},
		{"as many at half the weight", []int{2, 1}, []int{8, 8}, []int{1, 1}, 2, false},
	} {
		g, n := healthyGroup(tt.weights...), 0
		for node, clients := range tt.clients {
			for range clients {
				for range tt.open[node] {
					g.Opened(mfd(n), NodeID(node+1), false, start)
				}
				n++
			}
		}
		if fewest, judged := g.Fewest(tt.id, start.Add(time.Minute)); !judged || fewest != tt.fewest {
			t.Errorf("%s: %v, judged %v", tt.what, fewest, judged)
		}
	}
}

func TestFewestIsNotJudgedWithoutAChoice(t *testing.T) {
	g := healthyGroup(1, 1)
	g.SetHealthy(2, false, start)
	for _, id := range []NodeID{1, 2, 9} {
		if _, judged := g.Fewest(id, start); judged {
			t.Errorf("node %d was judged, and only node 1 takes clients", id)
		}
	}
}

// What the plan deals is judged to be right whatever came before: so who is told of
// an uneven dealing can rely on it.
func TestWhatThePlanDealsGoesToTheFewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := healthyGroup(drawWeights(t, 3)...)
		now, dealt, amiss := start, 0, 0
		open := map[int][]NodeID{}
		for i := range rapid.IntRange(20, 120).Draw(t, "MFDs") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms later")) * time.Millisecond)
			slots, _ := g.Plan(now)
			id := slots[g.plan.seen%len(slots)]
			if fewest, judged := g.Fewest(id, now); judged {
				if dealt++; !fewest {
					amiss++
				}
			}
			for range rapid.IntRange(1, 6).Draw(t, "connections") {
				g.Opened(mfd(i), id, false, now)
				open[i] = append(open[i], id)
			}
			if rapid.Bool().Draw(t, "an earlier MFD ends") && i > 0 {
				who := rapid.IntRange(0, i-1).Draw(t, "who")
				for _, id := range open[who] {
					g.Closed(mfd(who), id, now)
				}
				open[who] = nil
			}
		}
		if amiss > 0 {
			t.Fatalf("%d of %d dealt amiss", amiss, dealt)
		}
	})
}

// It is asked for each first contact.
func BenchmarkFewest(b *testing.B) {
	for _, nodes := range []int{2, 64} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			g := healthyGroup(slices.Repeat([]int{1}, nodes)...)
			b.ReportAllocs()
			for b.Loop() {
				g.Fewest(1, start)
			}
		})
	}
}
