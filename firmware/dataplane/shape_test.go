package dataplane

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A program of another version made the table: everybody stays where he is.
func TestTableOfAnotherVersionIsMadeAnewWithEverybodyInIt(t *testing.T) {
	for name, commands := range map[string][]string{
		"without a set": {"flush chain ip spoolgate input", "flush chain ip spoolgate departures", "delete set ip spoolgate flying"},
		"with another kind of hook": {"flush chain ip spoolgate arrivals", "delete chain ip spoolgate arrivals",
			"add chain ip spoolgate arrivals { type filter hook prerouting priority -150; }"},
		"with other rules alone": {"flush chain ip spoolgate passage"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.echo(5011)
			s.serve(group(3))
			var before []*visit
			for i := range 6 {
				before = append(before, s.visit(printer(i), 5011))
			}
			s.must(s.table.Close())
			s.nft("delete chain ip spoolgate " + shape(s.table.family, s.table.sets))
			for _, c := range commands {
				s.nft(c)
			}
			s.open()
			found, err := s.table.Adopt()
			s.must(err)
			nodes := map[Mark]netip.Addr{1: nodeAddr(1), 2: nodeAddr(2), 3: nodeAddr(3)}
			if !found.Remade || len(found.Bindings) != len(before) || !maps.Equal(found.Nodes, nodes) || !slices.Equal(found.Up, []Mark{1, 2, 3}) {
				t.Fatalf("found is %+v", found)
			}
			s.serve(group(3))
			s.must(s.table.Bind(found.Bindings))
			if again, err := s.table.Adopt(); err != nil || again.Remade {
				t.Errorf("made anew it is still of another version: %v", err)
			}
			for i, v := range before {
				if err := v.exchange(); err != nil {
					t.Errorf("an open connection: %v", err)
				}
				if after := s.visit(printer(i), 5011); after.node != v.node {
					t.Errorf("printer %d was on node %d, is on node %d", i, v.node, after.node)
				}
				if b, ok := s.binding(printer(i)); !ok || b.Left < 29*time.Minute {
					t.Errorf("printer %d: %+v", i, b)
				}
			}
		})
	}
}

// What is there is used as it is.
func TestTableOfThisVersionStays(t *testing.T) {
	s := newSite(t)
	s.serve(group(2))
	s.must(s.table.Bind([]Binding{{vip, printer(0), 2, time.Hour}}))
	s.must(s.table.Close())
	s.open()
	if found, err := s.table.Adopt(); err != nil || found.Remade || len(found.Bindings) != 1 || len(found.Plans) != 1 {
		t.Errorf("found is %+v, %v", found, err)
	}
}
