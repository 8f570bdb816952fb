package dataplane

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// kernel is what the table holds: read at Open, kept up to date by each
// transaction afterwards. Nobody else writes to the table.
type kernel struct {
	exists   bool
	nodes    map[Mark]netip.Addr
	up       map[Mark]bool
	waiting  map[Mark]bool
	believed map[Refusal]bool
	groups   map[netip.Addr]dealt
}

// nothing is what no table holds.
func nothing() kernel {
	return kernel{nodes: map[Mark]netip.Addr{}, up: map[Mark]bool{}, waiting: map[Mark]bool{}, groups: map[netip.Addr]dealt{}}
}

// under is what stays of it where the kernel does what a layout says.
func (k kernel) under(l Layout) kernel {
	nodes := l.nodes()
	still := func(marks map[Mark]bool) map[Mark]bool {
		marks = maps.Clone(marks)
		maps.DeleteFunc(marks, func(m Mark, _ bool) bool { _, there := nodes[m]; return !there })
		return marks
	}
	next := kernel{exists: true, nodes: nodes, up: still(k.up), waiting: still(k.waiting), believed: maps.Clone(k.believed), groups: map[netip.Addr]dealt{}}
	maps.DeleteFunc(next.believed, func(r Refusal, _ bool) bool { _, there := nodes[r.Mark]; return !there })
	for _, g := range l.Groups {
		was := k.groups[g.VirtualAddress]
		plan := slices.DeleteFunc(slices.Clone(was.plan), func(m Mark) bool {
			return !slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.Mark == m })
		})
		next.groups[g.VirtualAddress] = dealt{affinity: g.Affinity, plan: plan, spare: spareOf(plan, was.spare), source: was.source}
	}
	next.nameSources()
	return next
}

// dealt is what a group of the table has beside its rules.
type dealt struct {
	affinity time.Duration
	plan     []Mark
	// spare is a node of the plan, for a first packet that comes while the plan's
	// rule is replaced: it has passed the old rule, and the kernel's sets show it the
	// new state already, in which the old slots are gone.
	spare Mark
	// source is the packet mark of first packets that the group masks. A group
	// keeps its own, so that no packet on its way meets another's.
	source Mark
}

// spareOf keeps the spare node as long as the plan has it.
func spareOf(plan []Mark, old Mark) Mark {
	switch {
	case len(plan) == 0:
		return 0
	case slices.Contains(plan, old):
		return old
	}
	return plan[0]
}

// firstSource is the lowest packet mark that says as whom a client is seen.
const firstSource Mark = 0x20000

// nameSources gives every group a source mark.
func (k kernel) nameSources() {
	taken := map[Mark]bool{0: true}
	for _, g := range k.groups {
		taken[g.source] = true
	}
	next := firstSource
	for _, vip := range slices.SortedFunc(maps.Keys(k.groups), netip.Addr.Compare) {
		g := k.groups[vip]
		if g.source != 0 {
			continue
		}
		for taken[next] {
			next++
		}
		g.source = next
		taken[next] = true
		k.groups[vip] = g
	}
}

// read reads the table. A group counts when its chain of first packets is
// reachable from the groups map.
func (t *Table) read() (kernel, error) {
	k := nothing()
	tables, err := t.nft.ListTablesOfFamily(t.family.table)
	if err != nil {
		return k, err
	}
	k.exists = slices.ContainsFunc(tables, func(x *nftables.Table) bool { return x.Name == TableName })
	if !k.exists {
		return k, nil
	}
	sets, err := t.nft.GetSets(t.table)
	if err != nil {
		return k, err
	}
	for _, want := range t.sets.all() {
		if !slices.ContainsFunc(sets, func(s *nftables.Set) bool { return s.Name == want.Name && alike(s, want) }) {
			return k, fmt.Errorf("table %s has no set %s of the right type", TableName, want.Name)
		}
	}
	nodes, err := t.nft.GetSetElements(t.sets.nodes)
	if err != nil {
		return k, err
	}
	for _, e := range nodes {
		k.nodes[markOf(e.Key)] = t.family.address(e.Val)
	}
	if k.up, err = t.readMarks(t.sets.up); err != nil {
		return k, err
	}
	if k.waiting, err = t.readMarks(t.sets.waiting); err != nil {
		return k, err
	}
	if k.believed, err = t.readRefusals(); err != nil {
		return k, err
	}
	sources, err := t.nft.GetSetElements(t.sets.sources)
	if err != nil {
		return k, err
	}
	source := map[netip.Addr]Mark{}
	for _, e := range sources {
		source[t.family.address(e.Val)] = markOf(e.Key)
	}
	spares, err := t.nft.GetSetElements(t.sets.spare)
	if err != nil {
		return k, err
	}
	spare := map[netip.Addr]Mark{}
	for _, e := range spares {
		spare[t.family.address(e.Key)] = markOf(e.Val)
	}
	vips, err := t.nft.GetSetElements(t.sets.vips)
	if err != nil {
		return k, err
	}
	for _, e := range vips {
		vip := t.family.address(e.Key)
		g := dealt{source: source[vip], spare: spare[vip]}
		if g.affinity, err = t.readAffinity(vip); err != nil {
			return k, err
		}
		if g.plan, err = t.readPlan(vip); err != nil {
			return k, err
		}
		k.groups[vip] = g
	}
	return k, nil
}

func (t *Table) readMarks(set *nftables.Set) (map[Mark]bool, error) {
	elements, err := t.nft.GetSetElements(set)
	if err != nil {
		return nil, err
	}
	return marksOf(elements), nil
}

func marksOf(elements []nftables.SetElement) map[Mark]bool {
	marks := map[Mark]bool{}
	for _, e := range elements {
		marks[markOf(e.Key)] = true
	}
	return marks
}

func (t *Table) readRefusals() (map[Refusal]bool, error) {
	elements, err := t.nft.GetSetElements(t.sets.believed)
	if err != nil {
		return nil, err
	}
	refusals := map[Refusal]bool{}
	for _, e := range elements {
		refusals[Refusal{markOf(e.Key[:4]), binary.BigEndian.Uint16(e.Key[4:])}] = true
	}
	return refusals, nil
}

func (t *Table) readAffinity(vip netip.Addr) (time.Duration, error) {
	rules, err := t.nft.GetRules(t.table, &nftables.Chain{Name: windowChain(vip)})
	if err != nil {
		return 0, err
	}
	for _, r := range rules {
		for _, e := range r.Exprs {
			if d, ok := e.(*expr.Dynset); ok {
				return d.Timeout, nil
			}
		}
	}
	return 0, nil
}

func (t *Table) readPlan(vip netip.Addr) ([]Mark, error) {
	rules, err := t.nft.GetRules(t.table, &nftables.Chain{Name: dealChain(vip)})
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		for _, e := range r.Exprs {
			l, ok := e.(*expr.Lookup)
			if !ok {
				continue
			}
			slots, err := t.nft.GetSetElements(&nftables.Set{Table: t.table, Name: l.SetName})
			if err != nil {
				return nil, err
			}
			plan := make([]Mark, len(slots))
			for _, s := range slots {
				if slot := binary.NativeEndian.Uint32(s.Key); int(slot) < len(plan) {
					plan[slot] = markOf(s.Val)
				}
			}
			return plan, nil
		}
	}
	return nil, nil
}

func markOf(b []byte) Mark { return Mark(binary.NativeEndian.Uint32(b)) }
