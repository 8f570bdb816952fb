package dataplane

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Change says which nodes may serve, in all groups, and sets the dealing plans of
// groups, by virtual address, in one transaction.
//
// A client whose node is not up is dealt anew at its next connection. A plan says
// who gets the next clients without a binding, in order from slot 0, over and over.
// It has up to MaxSlots slots; an empty one refuses such clients with RST. It
// begins at slot 0 also when the same slots are in place: the caller relies on
// knowing where the kernel stands, and a client whose packets came in on two
// processors at once has used two slots. Groups that are not named keep their place.
func (t *Table) Change(up []Mark, plans map[netip.Addr][]Mark) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	set, err := t.known(up)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return t.changePlans(set, plans)
}

// Wait says of which nodes it is not known yet whether they serve. A client that
// is bound to one of them gets no answer to its SYN, which TCP repeats after a
// second; clients of other nodes that are not up are dealt anew at once. When a
// node turns out to serve, Change comes first.
func (t *Table) Wait(nodes []Mark) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	set, err := t.known(nodes)
	if err != nil {
		return fmt.Errorf("wait for nodes: %w", err)
	}
	return replaceMembers(t, t.sets.waiting, &t.there.waiting, set, markElement, "change whom clients wait for")
}

// Refusal is a port at which a node refuses clients.
type Refusal struct {
	Mark Mark
	Port uint16
}

// Believe says which refusals clients are told of: the node serves, and nobody listens
// there. Whoever is refused by another node or at another port is not told, and asks again.
func (t *Table) Believe(refusals []Refusal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	want := map[Refusal]bool{}
	for _, r := range refusals {
		if _, ok := t.there.nodes[r.Mark]; !ok {
			return fmt.Errorf("believe a refusal: no node has mark %d", r.Mark)
		}
		want[r] = true
	}
	return replaceMembers(t, t.sets.believed, &t.there.believed, want, refusalElement, "change which refusals are believed")
}

func (t *Table) known(marks []Mark) (map[Mark]bool, error) {
	set := map[Mark]bool{}
	for _, m := range marks {
		if _, ok := t.there.nodes[m]; !ok {
			return nil, fmt.Errorf("no node has mark %d", m)
		}
		set[m] = true
	}
	return set, nil
}

// replaceMembers has the kernel hold what is wanted in a set, in a transaction of its own.
func replaceMembers[M comparable](t *Table, set *nftables.Set, is *map[M]bool, want map[M]bool, element func(M) nftables.SetElement, what string) error {
	if err := changeMembers(t, set, *is, want, element); err != nil {
		return err
	}
	if err := t.flush(what); err != nil {
		return err
	}
	*is = want
	return nil
}

// changeMembers makes a set hold what is wanted instead of what it holds.
func changeMembers[M comparable](t *Table, set *nftables.Set, is, want map[M]bool, element func(M) nftables.SetElement) error {
	var add, del []nftables.SetElement
	for m := range want {
		if !is[m] {
			add = append(add, element(m))
		}
	}
	for m := range is {
		if !want[m] {
			del = append(del, element(m))
		}
	}
	return t.change(set, add, del)
}

func (t *Table) changePlans(up map[Mark]bool, plans map[netip.Addr][]Mark) error {
	groups := maps.Clone(t.there.groups)
	for vip, plan := range plans {
		vip = vip.Unmap()
		g, ok := groups[vip]
		switch {
		case !ok:
			return fmt.Errorf("deal for %s: no such group", vip)
		case len(plan) > MaxSlots:
			return fmt.Errorf("deal for %s: %d slots, the most is %d", vip, len(plan), MaxSlots)
		}
		for _, m := range plan {
			if _, ok := t.there.nodes[m]; !ok {
				return fmt.Errorf("deal for %s: no node has mark %d", vip, m)
			}
		}
		g.plan, g.spare = slices.Clone(plan), spareOf(plan, g.spare)
		groups[vip] = g
	}
	if err := changeMembers(t, t.sets.up, t.there.up, up, markElement); err != nil {
		return err
	}
	for vip := range plans {
		vip = vip.Unmap()
		if err := t.writePlan(vip, groups[vip].plan); err != nil {
			return err
		}
		add, del := difference(spareElements(vip, t.there.groups[vip].spare), spareElements(vip, groups[vip].spare))
		if err := t.change(t.sets.spare, add, del); err != nil {
			return err
		}
	}
	if err := t.flush("change who is dealt to"); err != nil {
		return err
	}
	t.there.up, t.there.groups = maps.Clone(up), groups
	return nil
}

// writePlan replaces the one rule of a group's deal chain. The new rule starts
// at slot 0. nft lists the map with swapped bytes (0x01000000 is 1): the library
// calls every anonymous map big endian, which means nothing to the kernel.
func (t *Table) writePlan(vip netip.Addr, plan []Mark) error {
	c := &nftables.Chain{Table: t.table, Name: dealChain(vip)}
	t.nft.FlushChain(c)
	if len(plan) == 0 {
		return nil
	}
	slots := &nftables.Set{Table: t.table, Anonymous: true, Constant: true, IsMap: true, KeyType: nftables.TypeMark, DataType: nftables.TypeMark}
	elements := make([]nftables.SetElement, len(plan))
	for i, m := range plan {
		elements[i] = nftables.SetElement{Key: native(uint32(i)), Val: native(uint32(m))}
	}
	if err := t.nft.AddSet(slots, elements); err != nil {
		return fmt.Errorf("plan of %s: %w", vip, err)
	}
	t.nft.AddRule(&nftables.Rule{Table: t.table, Chain: c, Exprs: sum(
		&expr.Numgen{Register: regKey, Modulus: uint32(len(plan)), Type: unix.NFT_NG_INCREMENTAL},
		through(slots), setMark())})
	return nil
}
