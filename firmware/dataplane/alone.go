package dataplane

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// few is up to how many bindings Bind and Forget write one by one, without
// reading all that there are.
const few = 16

func (t *Table) eachAlone(bindings []Binding, do func(Binding) error) error {
	for c, b := range index(bindings) {
		if err := do(b); err != nil {
			return fmt.Errorf("change binding of %s: %w", c.addr, err)
		}
	}
	return nil
}

// bindAlone tries both cases in turn: the client may be bound or not, and the
// kernel may change that at any moment.
func (t *Table) bindAlone(b Binding) (err error) {
	in, out := []nftables.SetElement{bindingElement(b)}, []nftables.SetElement{addressElement(b.VirtualAddress, b.Client)}
	for range 10 {
		for _, old := range [][]nftables.SetElement{out, nil} {
			if err := t.change(t.sets.clients, in, old); err != nil {
				return err
			}
			if err = t.commit(); err == nil || !busy(err) {
				return err
			}
		}
	}
	return err
}

func (t *Table) forgetAlone(b Binding) error {
	if err := t.change(t.sets.clients, nil, []nftables.SetElement{addressElement(b.VirtualAddress, b.Client)}); err != nil {
		return err
	}
	if err := t.commit(); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}
