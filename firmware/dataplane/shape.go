package dataplane

import (
	"fmt"
	"hash/crc32"
	"net/netip"
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
	for _, c := range commonChains(f, s, 0) {
		if c.Hooknum != nil {
			fmt.Fprintln(&text, c.Name, c.Type, *c.Hooknum, *c.Priority)
		}
	}
	return fmt.Sprintf("shape-%08x", crc32.ChecksumIEEE([]byte(text.String())))
}

// recognise reads the table that may be there. Of one that is of another shape or can't be
// read it keeps for Adopt what any version has, and has Apply make it anew.
func (t *Table) recognise() error {
	chains, err := t.nft.ListChainsOfTableFamily(t.family.table)
	if err != nil {
		return fmt.Errorf("list the chains of the packet filter: %w", err)
	}
	named := shape(t.family, t.sets)
	known := slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name == TableName && c.Name == named })
	is, err := t.read()
	if err != nil {
		is, err = t.read() // somebody may have changed the packet filter meanwhile
	}
	if err == nil && known == is.exists {
		t.there = is
		return nil
	}
	t.there, t.spoilt = kernel{nodes: map[Mark]netip.Addr{}, groups: map[netip.Addr]dealt{}}, true
	t.old = t.salvage()
	return nil
}

// salvage reads who is where of a table of whatever shape.
func (t *Table) salvage() *Adopted {
	old := &Adopted{Remade: true}
	nodes, err := t.nft.GetSetElements(t.sets.nodes)
	if err != nil {
		return old
	}
	bindings, err := t.readBindings()
	if err != nil {
		return old
	}
	up, err := t.readMarks(t.sets.up)
	if err != nil {
		return old
	}
	old.Nodes, old.Bindings = map[Mark]netip.Addr{}, bindings
	for _, e := range nodes {
		old.Nodes[markOf(e.Key)] = t.family.address(e.Val)
	}
	for mark := range up {
		old.Up = append(old.Up, mark)
	}
	slices.Sort(old.Up)
	return old
}
