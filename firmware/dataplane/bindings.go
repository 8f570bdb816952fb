package dataplane

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// bindingsPerTransaction bounds how long one transaction keeps others waiting,
// and how many bindings are tried again when one of them ended meanwhile.
const bindingsPerTransaction = 400

// client is the key of a binding.
type client struct{ vip, addr netip.Addr }

func (b Binding) client() client { return client{b.VirtualAddress.Unmap(), b.Client.Unmap()} }

// Bindings reads all bindings, 100,000 of them in about 0.6 s. Refresh reads them
// too, and so do Bind and Forget when they are given more than a few: pass many
// at a time.
func (t *Table) Bindings() ([]Binding, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bindings()
}

func (t *Table) bindings() ([]Binding, error) {
	if !t.there.exists {
		return nil, nil
	}
	elements, err := t.nft.GetSetElements(t.sets.clients)
	if err != nil {
		return nil, fmt.Errorf("read bindings: %w", err)
	}
	return t.family.bindings(elements), nil
}

func (f family) bindings(elements []nftables.SetElement) []Binding {
	bindings := make([]Binding, 0, len(elements))
	for _, e := range elements {
		bindings = append(bindings, Binding{
			VirtualAddress: f.address(e.Key), Client: f.address(e.Key[f.addrLen:]),
			Mark: markOf(e.Val), Left: e.Expires,
		})
	}
	return bindings
}

// Bind inserts bindings or replaces those of the same clients, each with what
// it has left of its window (at least a millisecond).
func (t *Table) Bind(bindings []Binding) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range bindings {
		if _, ok := t.there.groups[b.VirtualAddress.Unmap()]; !ok {
			return fmt.Errorf("bind %s: no group has the virtual address %s", b.Client, b.VirtualAddress)
		}
		if _, ok := t.there.nodes[b.Mark]; !ok {
			return fmt.Errorf("bind %s: no node has mark %d", b.Client, b.Mark)
		}
	}
	if len(bindings) <= few {
		return t.eachAlone(bindings, t.bindAlone)
	}
	return t.rewrite(func(is []Binding) (add, del []Binding) {
		have := index(is)
		for c, b := range index(bindings) {
			if old, ok := have[c]; ok {
				del = append(del, old)
			}
			add = append(add, b)
		}
		return add, del
	})
}

// Refresh starts the windows of bindings anew, and returns those that it did; Left
// is ignored. A binding that ended meanwhile is not brought back, one that names
// another node by now and one whose node is not up are left alone.
func (t *Table) Refresh(bindings []Binding) ([]Binding, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var renewed []Binding
	err := t.rewrite(func(is []Binding) (add, del []Binding) {
		have := index(is)
		for c, b := range index(bindings) {
			old, ok := have[c]
			// The kernel itself ends bindings of nodes that are not up.
			if !ok || old.Mark != b.Mark || !t.there.up[b.Mark] {
				continue
			}
			del = append(del, old)
			old.Left = t.there.groups[c.vip].affinity
			add = append(add, old)
		}
		renewed = slices.Clone(add)
		return add, del
	})
	if err != nil {
		return nil, err
	}
	return renewed, nil
}

// Forget ends bindings; the clients are dealt anew at their next connection.
// One that is not there is no error.
func (t *Table) Forget(bindings []Binding) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(bindings) <= few {
		return t.eachAlone(bindings, t.forgetAlone)
	}
	return t.rewrite(func(is []Binding) (add, del []Binding) {
		have := index(is)
		for c := range index(bindings) {
			if old, ok := have[c]; ok {
				del = append(del, old)
			}
		}
		return nil, del
	})
}

// busy tells an error that says only that bindings changed meanwhile.
func busy(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST)
}

func index(bindings []Binding) map[client]Binding {
	m := make(map[client]Binding, len(bindings))
	for _, b := range bindings {
		c := b.client()
		b.VirtualAddress, b.Client = c.vip, c.addr
		m[c] = b
	}
	return m
}

// rewrite changes bindings according to those that are there. A binding is
// replaced by deleting and adding it in one transaction: on kernels before 6.12
// an element's time cannot be changed in place. A transaction in which one
// binding ended by itself fails as a whole; what was not done is planned again.
func (t *Table) rewrite(plan func(is []Binding) (add, del []Binding)) error {
	done := map[client]bool{}
	rest := func(bindings []Binding) []Binding {
		return slices.DeleteFunc(bindings, func(b Binding) bool { return done[b.client()] })
	}
	for range 10 {
		is, err := t.bindings()
		if err != nil {
			return err
		}
		add, del := plan(is)
		add, del = rest(add), rest(del)
		if len(add) == 0 && len(del) == 0 {
			return nil
		}
		err = t.replace(add, del, done)
		if err == nil {
			return nil
		}
		if !busy(err) {
			return fmt.Errorf("change bindings: %w", err)
		}
	}
	return errors.New("change bindings: they change faster than they can be written")
}

func (t *Table) replace(add, del []Binding, done map[client]bool) error {
	added := index(add)
	type change struct {
		del, add *nftables.SetElement
	}
	changes := map[client]change{}
	for _, b := range del {
		out := addressElement(b.VirtualAddress, b.Client)
		changes[b.client()] = change{del: &out}
	}
	for c, b := range added {
		in := bindingElement(b)
		changes[c] = change{del: changes[c].del, add: &in}
	}
	var in, out []nftables.SetElement
	var batch []client
	send := func() error {
		if err := t.change(t.sets.clients, in, out); err != nil {
			return err
		}
		if err := t.commit(); err != nil {
			return err
		}
		for _, c := range batch {
			done[c] = true
		}
		in, out, batch = nil, nil, nil
		return nil
	}
	for c, change := range changes {
		if change.del != nil {
			out = append(out, *change.del)
		}
		if change.add != nil {
			in = append(in, *change.add)
		}
		if batch = append(batch, c); len(batch) == bindingsPerTransaction {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

func bindingElement(b Binding) nftables.SetElement {
	e := addressElement(b.VirtualAddress, b.Client)
	e.Val, e.Timeout = native(uint32(b.Mark)), max(b.Left, time.Millisecond)
	return e
}
