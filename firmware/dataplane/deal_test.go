package dataplane

import (
	"fmt"
	"net/netip"
	"testing"
)

// BenchmarkChange gives the kernel a plan of 128 slots.
func BenchmarkChange(b *testing.B) {
	for _, nodes := range []int{2, 8, 64} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			s := newSite(b)
			g := group(0)
			var up, plan []Mark
			for i := range nodes {
				mark := Mark(i + 1)
				g.Nodes = append(g.Nodes, Node{mark, netip.AddrFrom4([4]byte{198, 19, 1, byte(i)})})
				up = append(up, mark)
			}
			for i := range 128 {
				plan = append(plan, up[i%nodes])
			}
			s.must(s.table.Apply(Layout{Groups: []Group{g}}))
			for b.Loop() {
				s.must(s.table.Change(up, map[netip.Addr][]Mark{vip: plan}))
			}
		})
	}
}
