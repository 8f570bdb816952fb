package dataplane

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/google/nftables"
)

// shape names what Apply leaves as it is in a table that is there: its sets, its objects
// and its hooks. It is the name of an empty chain; a table without that chain is that of
// another version of this program, or spoilt.
func shape(f family, s sets) string {
	var text strings.Builder
	for _, set := range s.all() {
		fmt.Fprintln(&text, set.Name, set.KeyType.Name, set.DataType.Name, set.IsMap, set.Dynamic, set.HasTimeout, set.Size)
	}
	for _, name := range counters() {
		fmt.Fprintln(&text, name)
	}
	for _, c := range commonChains(f, s, 0, nil) {
		if c.Hooknum != nil {
			fmt.Fprintln(&text, c.Name, c.Type, *c.Hooknum, *c.Priority)
		}
	}
	return fmt.Sprintf("shape-%08x", crc32.ChecksumIEEE([]byte(text.String())))
}

// recognise reads the table that may be there. Of one that is of another shape or can't be
// read it keeps for Adopt what can be read of it.
func (t *Table) recognise() error {
	chains, err := t.nft.ListChainsOfTableFamily(t.family.table)
	if err != nil {
		return fmt.Errorf("list the chains of the packet filter: %w", err)
	}
	named := shape(t.family, t.sets)
	ours := slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name == TableName && c.Name == named })
	is, known := lookTwice(t.read, func(is kernel) bool { return is.exists == ours })
	t.there = is
	if !known {
		t.anew, t.old = true, t.salvage()
	}
	return nil
}

// salvage reads of a table of whatever shape what can be read. Marks mean nothing where it
// does not say which nodes they are.
func (t *Table) salvage() *Adopted {
	k, bindings := nothing(), []Binding(nil)
	nodes, err := t.elements(t.sets.nodes)
	if err != nil {
		return &Adopted{Remade: true}
	}
	for _, e := range nodes {
		k.nodes[markOf(e.Key)] = t.family.address(e.Val)
	}
	if waiting, err := t.elements(t.sets.waiting); err == nil {
		k.waiting = marksOf(waiting)
	}
	if up, err := t.elements(t.sets.up); err == nil {
		k.up = marksOf(up)
	} else {
		for mark := range k.nodes {
			k.waiting[mark] = true // whether they serve is not known
		}
	}
	if clients, err := t.elements(t.sets.clients); err == nil {
		bindings = t.family.bindings(clients)
	}
	if vips, err := t.elements(t.sets.vips); err == nil {
		for _, e := range vips {
			vip := t.family.address(e.Key)
			affinity, _ := t.readAffinity(vip)
			plan, _ := t.readPlan(vip)
			k.groups[vip] = dealt{affinity: affinity, plan: plan}
		}
	}
	a := k.adopted(bindings)
	a.Remade = true
	return &a
}

// elements reads a set if it is there as expected.
func (t *Table) elements(set *nftables.Set) ([]nftables.SetElement, error) {
	is, err := t.nft.GetSetByName(t.table, set.Name)
	if err != nil {
		return nil, err
	}
	if !alike(is, set) {
		return nil, fmt.Errorf("set %s is of another type", set.Name)
	}
	return t.nft.GetSetElements(set)
}
