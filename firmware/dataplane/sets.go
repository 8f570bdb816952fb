package dataplane

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

// MaxBindings is how many clients shall be bound: beyond it Admit turns away who is
// new. The map itself is larger, for clients that change nodes: the kernel clears the
// place of an old binding once a second. What finds it full is refused.
const (
	MaxBindings = 1 << 18
	maxClients  = MaxBindings + 1<<16
)

// elementsPerMessage keeps a list of elements below the 64 KiB of a netlink
// attribute.
const elementsPerMessage = 400

// bindingBytes is what a binding takes in a transaction, with some to spare.
const bindingBytes = 64

// sets are the named sets and maps of the table.
type sets struct {
	clients  *nftables.Set // VIP . client -> mark, with a timeout each
	nodes    *nftables.Set // mark -> address
	up       *nftables.Set // marks that may serve
	waiting  *nftables.Set // marks of which that is not known yet
	believed *nftables.Set // mark . port: what a node refuses, and clients are told of
	same     *nftables.Set // mark . mark of every node: nft cannot compare two registers, so a look-up does
	vips     *nftables.Set
	sources  *nftables.Set // packet mark -> VIP, of first packets that are to be masked
	hairpin  *nftables.Set // VIP . node: a node that talks to its own group
	servers  *nftables.Set // nodes
	ftp      *nftables.Set // ports that get the FTP helper
	routed   *nftables.Set // nodes of transparent groups: the box is their gateway
	probes   *nftables.Set // node . check port
	flying   *nftables.Set // address of the box . port that a probe has left from, and its answers come to
	spare    *nftables.Set // VIP -> mark, for a first packet that finds no plan
	groups   *nftables.Set // VIP -> chain of first packets
	windows  *nftables.Set // mark -> its group's chain that starts the window anew
	limited  *nftables.Set // VIP . client: has too many connections, gets no more
	asked    *nftables.Set // VIP . client: a newcomer that was not let in
	heard    *nftables.Set // VIP . client: told of within the last minute
}

func newSets(table *nftables.Table, f family) sets {
	set := func(name string, key nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{Table: table, Name: name, KeyType: key, KeyByteOrder: binaryutil.BigEndian}
	}
	named := func(name string, key, data nftables.SetDatatype) *nftables.Set {
		s := set(name, key)
		s.IsMap, s.DataType = true, data
		return s
	}
	pair := func(a, b nftables.SetDatatype) nftables.SetDatatype { return nftables.MustConcatSetType(a, b) }
	s := sets{
		clients:  named("clients", pair(f.addr, f.addr), nftables.TypeMark),
		nodes:    named("nodes", nftables.TypeMark, f.addr),
		up:       set("up", nftables.TypeMark),
		waiting:  set("waiting", nftables.TypeMark),
		believed: set("believed", pair(nftables.TypeMark, nftables.TypeInetService)),
		same:     set("same", pair(nftables.TypeMark, nftables.TypeMark)),
		vips:     set("vips", f.addr),
		sources:  named("sources", nftables.TypeMark, f.addr),
		hairpin:  set("hairpin", pair(f.addr, f.addr)),
		servers:  set("servers", f.addr),
		ftp:      set("ftp", nftables.TypeInetService),
		routed:   set("routed", f.addr),
		probes:   set("probes", pair(f.addr, nftables.TypeInetService)),
		flying:   set("flying", pair(f.addr, nftables.TypeInetService)),
		spare:    named("spare", f.addr, nftables.TypeMark),
		groups:   named("groups", f.addr, nftables.TypeVerdict),
		windows:  named("windows", nftables.TypeMark, nftables.TypeVerdict),
		limited:  set("limited", pair(f.addr, f.addr)),
		asked:    set("asked", pair(f.addr, f.addr)),
		heard:    set("heard", pair(f.addr, f.addr)),
	}
	s.limited.HasTimeout, s.limited.Size = true, maxLimited
	s.asked.Dynamic, s.asked.HasTimeout, s.asked.Size = true, true, maxAsked
	s.heard.Dynamic, s.heard.HasTimeout, s.heard.Size = true, true, maxClients
	s.flying.Dynamic, s.flying.HasTimeout, s.flying.Size = true, true, maxFlying
	s.clients.Dynamic, s.clients.HasTimeout, s.clients.Size = true, true, maxClients
	for _, m := range []*nftables.Set{s.nodes, s.up, s.waiting, s.believed, s.same, s.sources, s.windows} {
		m.KeyByteOrder = binaryutil.NativeEndian
	}
	return s
}

func (s sets) all() []*nftables.Set {
	return []*nftables.Set{s.clients, s.nodes, s.up, s.waiting, s.believed, s.same, s.vips, s.sources, s.hairpin, s.servers, s.ftp, s.routed, s.probes, s.flying, s.spare, s.groups, s.windows, s.limited, s.asked, s.heard}
}

// alike reports whether what is read of a set is what is expected of another.
func alike(is, want *nftables.Set) bool {
	same := func(a, b nftables.SetDatatype) bool {
		return a.GetNFTMagic() == b.GetNFTMagic() && a.Bytes == b.Bytes
	}
	if want.DataType == nftables.TypeVerdict {
		return is.IsMap // of such a map the library does not tell the types
	}
	return is.IsMap == want.IsMap && is.Interval == want.Interval && same(is.KeyType, want.KeyType) && same(is.DataType, want.DataType)
}

func refusalElement(r Refusal) nftables.SetElement {
	return nftables.SetElement{Key: slices.Concat(native(uint32(r.Mark)), port(r.Port), []byte{0, 0})}
}

func markElement(m Mark) nftables.SetElement { return nftables.SetElement{Key: native(uint32(m))} }

// spareElements are what the map of spare nodes has of a group; nothing for no node.
func spareElements(vip netip.Addr, m Mark) []nftables.SetElement {
	if m == 0 {
		return nil
	}
	return []nftables.SetElement{{Key: vip.AsSlice(), Val: native(uint32(m))}}
}

func addressElement(addrs ...netip.Addr) nftables.SetElement {
	var key []byte
	for _, a := range addrs {
		key = append(key, a.AsSlice()...)
	}
	return nftables.SetElement{Key: key}
}

// wanted is what the sets hold for a layout. The clients and who asked are
// the kernel's own, up belongs to Change, waiting to Wait, believed to
// Believe, and limited to Limit.
func (s sets) wanted(l Layout, k kernel) map[*nftables.Set][]nftables.SetElement {
	want := map[*nftables.Set][]nftables.SetElement{}
	add := func(set *nftables.Set, e nftables.SetElement) { want[set] = append(want[set], e) }
	for mark, addr := range l.nodes() {
		add(s.nodes, nftables.SetElement{Key: native(uint32(mark)), Val: addr.AsSlice()})
		add(s.same, nftables.SetElement{Key: append(native(uint32(mark)), native(uint32(mark))...)})
	}
	for _, p := range l.ftpPorts() {
		add(s.ftp, nftables.SetElement{Key: port(p)})
	}
	for _, g := range l.Groups {
		vip := addressElement(g.VirtualAddress)
		add(s.vips, vip)
		add(s.sources, nftables.SetElement{Key: native(uint32(k.groups[g.VirtualAddress].source)), Val: vip.Key})
		want[s.spare] = append(want[s.spare], spareElements(g.VirtualAddress, k.groups[g.VirtualAddress].spare)...)
		add(s.groups, nftables.SetElement{Key: vip.Key, VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: groupChain(g.VirtualAddress)}})
		for _, n := range g.Nodes {
			add(s.windows, nftables.SetElement{Key: native(uint32(n.Mark)), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: windowChain(g.VirtualAddress)}})
			add(s.servers, addressElement(n.Address))
			add(s.hairpin, addressElement(g.VirtualAddress, n.Address))
			if !g.Masked {
				add(s.routed, addressElement(n.Address))
			}
			for _, p := range g.CheckPorts {
				add(s.probes, nftables.SetElement{Key: append(append(n.Address.AsSlice(), port(p)...), 0, 0)})
			}
		}
	}
	return want
}

// difference is what turns the elements that are into those that are wanted.
// Elements that stay are not touched: one that is deleted and added in the same
// transaction can be missed by a packet that is being looked at meanwhile.
func difference(is, want []nftables.SetElement) (add, del []nftables.SetElement) {
	have := map[string]nftables.SetElement{}
	for _, e := range is {
		have[string(e.Key)] = e
	}
	seen := map[string]bool{}
	for _, e := range want {
		if seen[string(e.Key)] {
			continue
		}
		seen[string(e.Key)] = true
		old, ok := have[string(e.Key)]
		if ok && (e.VerdictData != nil || bytes.Equal(old.Val, e.Val)) {
			continue
		}
		if ok {
			del = append(del, nftables.SetElement{Key: e.Key})
		}
		add = append(add, e)
	}
	for key := range have {
		if !seen[key] {
			del = append(del, nftables.SetElement{Key: []byte(key)})
		}
	}
	return add, del
}

func (t *Table) change(set *nftables.Set, add, del []nftables.SetElement) error {
	for len(del) > 0 {
		n := min(len(del), elementsPerMessage)
		if err := t.nft.SetDeleteElements(set, del[:n]); err != nil {
			return fmt.Errorf("set %s: %w", set.Name, err)
		}
		del = del[n:]
	}
	for len(add) > 0 {
		n := min(len(add), elementsPerMessage)
		if err := t.nft.SetAddElements(set, add[:n]); err != nil {
			return fmt.Errorf("set %s: %w", set.Name, err)
		}
		add = add[n:]
	}
	return nil
}
