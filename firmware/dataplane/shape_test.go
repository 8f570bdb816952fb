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
			layout := Layout{Groups: []Group{group(3)}}
			s.must(s.table.Make(layout, Contents{Up: found.Up, Plans: found.Plans, Bindings: found.Under(layout)}))
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

// What can be read is kept, whatever the rest is.
func TestTableOfUnknownMakeIsReadAsFarAsItCanBe(t *testing.T) {
	const (
		nodes   = "map nodes { type mark : ipv4_addr; elements = { 1 : 198.19.0.11, 2 : 198.19.0.12 }\n}\n"
		up      = "set up { type mark; elements = { 2 }\n}\n"
		waiting = "set waiting { type mark; elements = { 1 }\n}\n"
		clients = "map clients { type ipv4_addr . ipv4_addr : mark; flags timeout; elements = { 198.18.0.10 . 198.18.1.1 timeout 30m : 2 }\n}\n"
	)
	known := map[Mark]netip.Addr{1: nodeAddr(1), 2: nodeAddr(2)}
	for name, c := range map[string]struct {
		table       string
		nodes       map[Mark]netip.Addr
		up, waiting []Mark
		bound       int // -1 is not known
	}{
		"all of it":       {nodes + up + waiting + clients, known, []Mark{2}, []Mark{1}, 1},
		"nothing":         {"", nil, nil, nil, -1},
		"nobody waited":   {nodes + up + clients, known, []Mark{2}, nil, 1},
		"not who is up":   {nodes + clients, known, nil, []Mark{1, 2}, 1},
		"not who is who":  {up + waiting + clients, nil, nil, nil, -1},
		"nodes as a set":  {"set nodes { type mark; elements = { 1 }\n}\n" + up + clients, nil, nil, nil, -1},
		"nodes by ranges": {"map nodes { type mark : ipv4_addr; flags interval; elements = { 1-2 : 198.19.0.11 }\n}\n" + up + clients, nil, nil, nil, -1},
		"ports for up":    {nodes + "set up { type inet_service; elements = { 1, 2 }\n}\n" + clients, known, nil, []Mark{1, 2}, 1},
		"clients as a set": {nodes + up + "set clients { type ipv4_addr . ipv4_addr; flags timeout; elements = { 198.18.0.10 . 198.18.1.1 timeout 30m }\n}\n",
			known, []Mark{2}, nil, -1},
		"clients of any group": {nodes + up + "map clients { type ipv4_addr : mark; flags timeout; elements = { 198.18.1.1 timeout 30m : 1 }\n}\n",
			known, []Mark{2}, nil, -1},
		"clients for verdicts": {"chain one {\n}\n" + nodes + up + "map clients { type ipv4_addr . ipv4_addr : verdict; flags timeout; elements = { 198.18.0.10 . 198.18.1.1 timeout 30m : jump one }\n}\n",
			known, []Mark{2}, nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.must(s.table.Close())
			s.nft("table ip spoolgate {\n" + c.table + "}")
			s.open()
			found, err := s.table.Adopt()
			s.must(err)
			bound := len(found.Bindings)
			if found.Bindings == nil {
				bound = -1
			}
			if !found.Remade || !maps.Equal(found.Nodes, c.nodes) || !slices.Equal(found.Up, c.up) || !slices.Equal(found.Waiting, c.waiting) || bound != c.bound {
				t.Errorf("found is %+v", found)
			}
			s.serve(group(2))
			s.echo(5011)
			s.visit(printer(0), 5011)
		})
	}
}

// A program that is killed while it makes the table leaves the old one or the new one: there
// is nothing between. No packet meets half of it either.
func TestTableIsMadeWithAllThatItHoldsInOneTransaction(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(2))
	visit := s.visit(printer(0), 5011)
	bindings := []Binding{{vip, printer(0), visit.node, time.Hour}, {vip, printer(1), 9, time.Hour}, {otherVIP, printer(2), 1, time.Hour}}
	for i := range MaxBindings {
		client := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		bindings = append(bindings, Binding{vip, client, Mark(1 + i%2), time.Hour})
	}
	before, err := s.table.conntrack.generation()
	s.must(err)
	s.must(s.table.Make(Layout{Groups: []Group{group(2)}}, Contents{
		Up: []Mark{2, 7}, Waiting: []Mark{1, 8}, Plans: map[netip.Addr][]Mark{vip: {2, 9}, otherVIP: {1}}, Bindings: bindings}))
	if after, err := s.table.conntrack.generation(); err != nil || after != before+1 {
		t.Errorf("%d transactions, %v", after-before, err)
	}
	s.check(Untouched)
	made := s.table.there
	s.must(s.table.Close())
	s.open()
	found, err := s.table.Adopt()
	s.must(err)
	if found.Remade || !s.table.there.equal(made) || !slices.Equal(found.Up, []Mark{2}) || !slices.Equal(found.Waiting, []Mark{1}) || !slices.Equal(found.Plans[vip], []Mark{2}) {
		t.Errorf("found is up %v, waiting %v, plans %v", found.Up, found.Waiting, found.Plans)
	}
	if len(found.Bindings) != MaxBindings+1 {
		t.Errorf("%d clients are bound", len(found.Bindings))
	}
	if err := visit.exchange(); err != nil {
		t.Errorf("an open connection: %v", err)
	}
}

func TestBindingsFitTheLayoutTheyComeUnder(t *testing.T) {
	hour := group(2)
	hour.Affinity = time.Hour
	at := func(mark Mark, left time.Duration) Binding { return Binding{vip, printer(0), mark, left} }
	for name, c := range map[string]struct {
		before time.Duration
		is     Binding
		want   []Binding
	}{
		"the same window":  {time.Hour, at(1, time.Minute), []Binding{at(1, time.Minute)}},
		"a longer window":  {30 * time.Minute, at(1, time.Minute), []Binding{at(1, 31*time.Minute)}},
		"a shorter window": {2 * time.Hour, at(1, 90*time.Minute), []Binding{at(1, time.Hour)}},
		"unknown before":   {0, at(1, time.Minute), []Binding{at(1, time.Minute)}},
		"a node that left": {time.Hour, at(3, time.Minute), nil},
		"another group":    {time.Hour, Binding{otherVIP, printer(0), 1, time.Minute}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := Adopted{Bindings: []Binding{c.is}, affinities: map[netip.Addr]time.Duration{vip: c.before}}
			if got := a.Under(Layout{Groups: []Group{hour}}); !slices.Equal(got, c.want) {
				t.Errorf("they are %v, want %v", got, c.want)
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
