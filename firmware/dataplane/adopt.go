package dataplane

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Adopted is what was found in the kernel.
type Adopted struct {
	Nodes    map[Mark]netip.Addr
	Up       []Mark
	Waiting  []Mark // see Wait
	Believed []Refusal
	Plans    map[netip.Addr][]Mark
	Bindings []Binding
	// Remade says that the table is of another version: Make has to make it anew, and what
	// of it could be read is here. Nothing is known of what is nil.
	Remade bool

	affinities map[netip.Addr]time.Duration
}

// Contents are what a table that is made anew holds from its first packet on. What the
// layout has not is left out.
type Contents struct {
	Up, Waiting []Mark
	Plans       map[netip.Addr][]Mark
	Bindings    []Binding
}

// Adopt reports what is in the kernel; it is empty when there is no table.
// The caller must go on using a mark for the address that it has here.
func (t *Table) Adopt() (Adopted, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.old != nil {
		return *t.old, nil
	}
	bindings, err := t.bindings()
	if err != nil {
		return Adopted{}, err
	}
	return t.there.adopted(bindings), nil
}

// adopted is what others are told of it.
func (k kernel) adopted(bindings []Binding) Adopted {
	a := Adopted{Nodes: maps.Clone(k.nodes), Up: slices.Sorted(maps.Keys(k.up)), Waiting: slices.Sorted(maps.Keys(k.waiting)), Believed: slices.Collect(maps.Keys(k.believed)),
		Plans: map[netip.Addr][]Mark{}, Bindings: bindings, affinities: map[netip.Addr]time.Duration{}}
	for vip, g := range k.groups {
		a.Plans[vip], a.affinities[vip] = slices.Clone(g.plan), g.affinity
	}
	return a
}

// Under are the bindings as they are where the kernel does what the layout says: those of
// its nodes, and with what is left of their windows if the affinity has changed.
func (a Adopted) Under(l Layout) []Binding {
	var out []Binding
	for _, b := range a.Bindings {
		if l.has(b) {
			b.Left = fit(b.Left, a.affinities[b.VirtualAddress], l.affinity(b.VirtualAddress))
			out = append(out, b)
		}
	}
	return out
}
