package balance

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkPlan is a first contact and the plan that follows it.
func BenchmarkPlan(b *testing.B) {
	for _, size := range []struct{ nodes, bound int }{{2, 1000}, {8, 1000}, {64, 1000}, {2, 100_000}, {64, 100_000}} {
		b.Run(fmt.Sprintf("%d nodes, %d bound", size.nodes, size.bound), func(b *testing.B) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			var specs []Spec
			for i := range size.nodes {
				specs = append(specs, Spec{ID: NodeID(i + 1), Weight: 1})
			}
			g := NewGroup(time.Hour, specs, now)
			for _, s := range specs {
				g.SetHealthy(s.ID, true, now)
			}
			client := netip.AddrFrom4([4]byte{10})
			var bound []Binding
			for i := range size.bound {
				client = client.Next()
				bound = append(bound, Binding{Client: client, Node: specs[i%size.nodes].ID, Left: time.Hour})
			}
			g.Adopt(bound, now)
			plans := 0
			for b.Loop() {
				client, now = client.Next(), now.Add(time.Millisecond)
				g.Opened(client, 1, false, now)
				if slots, changed := g.Plan(now); changed && len(slots) >= size.nodes {
					plans++
				}
			}
			if plans == 0 {
				b.Error("no plan changed")
			}
		})
	}
}
