package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Apply makes the kernel do what the layout says, in one transaction. Kept are
// the bindings, who is up, and each group's dealing plan; nodes that have left
// are taken out of both. A group without a valid plan refuses new clients with
// RST until Deal.
//
// The bindings of nodes and groups that left are deleted right after; their
// open connections go on until Cut. A changed affinity changes what is left of
// every window: longer by the difference, or cut to the new one, so that no
// binding ends by the change itself.
//
// An error of the layout, or a mark that stands for another address in the
// kernel, changes nothing.
func (t *Table) Apply(l Layout) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.apply(l, t.there, nil)
}

// Make makes the table anew, whatever is there, with all that it holds from its first
// packet on, in one transaction: at no moment does anybody meet rules that do not know
// him, and a program that is killed leaves the table before or the new one whole.
func (t *Table) Make(l Layout, c Contents) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	keep := nothing()
	for _, m := range c.Up {
		keep.up[m] = true
	}
	for _, m := range c.Waiting {
		keep.waiting[m] = true
	}
	for vip, plan := range c.Plans {
		keep.groups[vip.Unmap()] = dealt{plan: plan}
	}
	t.there, t.anew = nothing(), true
	return t.apply(l, keep, c.Bindings)
}

// apply has the kernel do what the layout says, and keep what is kept as far as the
// layout has it.
func (t *Table) apply(l Layout, keep kernel, bindings []Binding) error {
	l = l.plain()
	if err := l.check(); err != nil {
		return fmt.Errorf("apply layout: %w", err)
	}
	for mark, addr := range l.nodes() {
		if old, ok := t.there.nodes[mark]; ok && old != addr {
			return fmt.Errorf("apply layout: mark %d is node %s and cannot become %s", mark, old, addr)
		}
	}
	if err := t.allowWindows(l); err != nil {
		return err
	}
	next := keep.under(l)
	if err := t.write(l, next, bindings); err != nil {
		return fmt.Errorf("apply layout: %w", err)
	}
	before := t.there
	t.there, t.newcomers, t.anew, t.old = next, l.Newcomers, false, nil
	return t.settleBindings(before)
}

// write sends the whole layout as one transaction.
func (t *Table) write(l Layout, next kernel, bindings []Binding) error {
	// What can fail comes first: what is begun is sent with the next transaction.
	is, err := t.readElements()
	if err != nil {
		return err
	}
	if err := t.writeSets(); err != nil {
		return err
	}
	t.nft.AddChain(&nftables.Chain{Table: t.table, Name: shape(t.family, t.sets)})
	// The chains that common chains and maps refer to come first.
	for _, g := range l.Groups {
		t.nft.AddChain(&nftables.Chain{Table: t.table, Name: dealChain(g.VirtualAddress)})
	}
	for _, c := range commonChains(t.family, t.sets, l.Newcomers, l.ftpPorts()) {
		t.writeChain(c, c.Name != localPorts)
	}
	for _, g := range l.Groups {
		old, known := t.there.groups[g.VirtualAddress]
		if plan := next.groups[g.VirtualAddress].plan; !known || !slices.Equal(old.plan, plan) {
			if err := t.writePlan(g.VirtualAddress, plan); err != nil {
				return err
			}
		}
		if err := t.writeGroup(g, next.groups[g.VirtualAddress].source); err != nil {
			return err
		}
	}
	if err := t.writeElements(l, next, is); err != nil {
		return err
	}
	if err := t.writeBindings(l, bindings); err != nil {
		return err
	}
	for vip := range t.there.groups {
		if _, stays := next.groups[vip]; stays {
			continue
		}
		for _, name := range []string{groupChain(vip), pickChain(vip), newChain(vip), windowChain(vip), dealChain(vip)} {
			c := &nftables.Chain{Table: t.table, Name: name}
			t.nft.FlushChain(c)
			t.nft.DelChain(c)
		}
	}
	err = t.flush("change table " + TableName)
	if errors.Is(err, unix.EMSGSIZE) {
		return fmt.Errorf("%d bindings are more than one transaction may hold in this network namespace: set net.core.wmem_max to %d or more (%w)", len(bindings), maxClients*bindingBytes, err)
	}
	return err
}

func (t *Table) writeSets() error {
	t.nft.AddTable(t.table)
	if t.anew {
		// What is not there can't be deleted.
		t.nft.DelTable(t.table)
		t.nft.AddTable(t.table)
	}
	if !t.there.exists {
		for _, s := range t.sets.all() {
			if err := t.nft.AddSet(s, nil); err != nil {
				return fmt.Errorf("set %s: %w", s.Name, err)
			}
		}
		t.addCounters()
		t.nft.AddObj(&nftables.NamedObj{Table: t.table, Name: ftpHelper, Type: nftables.ObjTypeCtHelper,
			Obj: &expr.CtHelper{Name: "ftp", L3Proto: t.family.l3, L4Proto: unix.IPPROTO_TCP}})
	}
	return nil
}

// readElements reads all sets whose elements are the layout's.
func (t *Table) readElements() (map[*nftables.Set][]nftables.SetElement, error) {
	is := map[*nftables.Set][]nftables.SetElement{}
	if !t.there.exists {
		return is, nil
	}
	for _, s := range t.sets.all() {
		if s.HasTimeout {
			continue
		}
		elements, err := t.nft.GetSetElements(s)
		if err != nil {
			return nil, fmt.Errorf("read set %s: %w", s.Name, err)
		}
		is[s] = elements
	}
	return is, nil
}

func (t *Table) writeElements(l Layout, next kernel, is map[*nftables.Set][]nftables.SetElement) error {
	want := t.sets.wanted(l, next)
	for set, marks := range map[*nftables.Set]map[Mark]bool{t.sets.up: next.up, t.sets.waiting: next.waiting} {
		for mark := range marks {
			want[set] = append(want[set], markElement(mark))
		}
	}
	for r := range next.believed {
		want[t.sets.believed] = append(want[t.sets.believed], refusalElement(r))
	}
	for _, s := range t.sets.all() {
		if s.HasTimeout {
			continue // they are not the layout's
		}
		add, del := difference(is[s], want[s])
		if err := t.change(s, add, del); err != nil {
			return err
		}
	}
	return nil
}

// writeBindings adds those of the layout's groups and nodes.
func (t *Table) writeBindings(l Layout, bindings []Binding) error {
	var add []nftables.SetElement
	for _, b := range index(bindings) {
		if l.has(b) {
			add = append(add, bindingElement(b))
		}
	}
	return t.change(t.sets.clients, add, nil)
}

func (t *Table) writeChain(c chain, rules bool) {
	c.Table = t.table
	t.nft.AddChain(&c.Chain)
	if !rules {
		return
	}
	t.nft.FlushChain(&c.Chain)
	for _, r := range c.rules {
		t.nft.AddRule(&nftables.Rule{Table: t.table, Chain: &c.Chain, Exprs: r})
	}
}

func (t *Table) writeGroup(g Group, source Mark) error {
	var ftp *nftables.Set
	if len(g.FTPPorts) > 0 {
		ftp = &nftables.Set{Table: t.table, Anonymous: true, Constant: true, KeyType: nftables.TypeInetService}
		var elements []nftables.SetElement
		for _, p := range distinct(g.FTPPorts) {
			elements = append(elements, nftables.SetElement{Key: port(p)})
		}
		if err := t.nft.AddSet(ftp, elements); err != nil {
			return fmt.Errorf("FTP ports of %s: %w", g.VirtualAddress, err)
		}
	}
	t.writeChain(plainChain(newChain(g.VirtualAddress), t.family.newRules(t.sets, g)...), true)
	t.writeChain(plainChain(pickChain(g.VirtualAddress), t.family.pickRules(t.sets, g, source, ftp)...), true)
	t.writeChain(plainChain(groupChain(g.VirtualAddress), groupRules(g)...), true)
	t.writeChain(plainChain(windowChain(g.VirtualAddress), t.family.windowRules(t.sets, g)...), true)
	return nil
}

// settleBindings ends the bindings of what left and fits the rest to changed
// windows.
func (t *Table) settleBindings(before kernel) error {
	left := map[Mark]bool{}
	for mark := range before.nodes {
		if _, ok := t.there.nodes[mark]; !ok {
			left[mark] = true
		}
	}
	changed := !maps.EqualFunc(before.groups, t.there.groups, func(a, b dealt) bool { return a.affinity == b.affinity })
	if !before.exists || (len(left) == 0 && !changed) {
		return nil
	}
	return t.rewrite(func(is []Binding) (add, del []Binding) {
		for _, b := range is {
			now, stays := t.there.groups[b.VirtualAddress]
			switch {
			case !stays || left[b.Mark]:
				del = append(del, b)
			case now.affinity != before.groups[b.VirtualAddress].affinity:
				del = append(del, b)
				b.Left = fit(b.Left, before.groups[b.VirtualAddress].affinity, now.affinity)
				add = append(add, b)
			}
		}
		return add, del
	})
}

// fit is what is left of a window after the affinity changed; that before may be
// unknown, and is 0 then.
func fit(left, before, now time.Duration) time.Duration {
	if now > before && before > 0 {
		return left + now - before
	}
	return min(left, now)
}
