package engine

import (
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/phrase"
)

// remembered turns what the journal knows into bindings of the nodes that are
// configured now. A binding stands for the address of a node, not for its
// place in the list (haproxy #814).
func (e *Engine) remembered(r dataplane.Record) []dataplane.Binding {
	var out []dataplane.Binding
	for _, b := range r.Entries {
		m := e.at(b.Node)
		if m == nil || m.group.VirtualAddress != b.VirtualAddress || b.Left <= 0 {
			continue
		}
		out = append(out, dataplane.Binding{VirtualAddress: b.VirtualAddress, Client: b.Client, Mark: dataplane.Mark(m.id), Left: min(b.Left, m.group.Affinity)})
	}
	return out
}

// place is where an MFD is bound.
type place struct{ vip, client, node netip.Addr }

// entries are the bindings of a record by their place.
func entries(r dataplane.Record) map[place]dataplane.Entry {
	out := make(map[place]dataplane.Entry, len(r.Entries))
	for _, b := range r.Entries {
		out[place{b.VirtualAddress, b.Client, b.Node}] = b
	}
	return out
}

// restoreServices takes nodes out of service again that the operator took out
// before the restart.
func (e *Engine) restoreServices(r dataplane.Record) {
	for address, verb := range r.Services {
		m := e.at(address)
		if m == nil {
			continue
		}
		if err := m.group.policy.Drain(m.id, api.DrainVerb(verb), true, e.opts.Now()); err != nil {
			e.opts.Log.Warn("service of a node is not restored", "node", m.Name, "err", err)
		}
	}
}

// at is the node with an address.
func (e *Engine) at(a netip.Addr) *member {
	for _, g := range e.groups {
		for _, m := range g.members {
			if m.Address == a {
				return m
			}
		}
	}
	return nil
}

// record is what the journal shall know.
func (e *Engine) record() dataplane.Record {
	now := e.opts.Now()
	r := dataplane.Record{Written: now, Services: map[netip.Addr]string{}}
	for _, g := range e.groups {
		for _, b := range g.policy.Bindings(now) {
			if m := e.members[b.Node]; m != nil {
				r.Entries = append(r.Entries, dataplane.Entry{VirtualAddress: g.VirtualAddress, Client: b.Client, Node: m.Address, Since: b.Since, Earlier: b.Earlier, Left: b.Left})
			}
		}
		for _, m := range g.members {
			if verb := g.policy.Leaving(m.id); verb != "" {
				r.Services[m.Address] = string(verb)
			}
		}
	}
	return r
}

// saveWhenDue writes the journal beside the loop: flash can take a second.
func (e *Engine) saveWhenDue() {
	if e.writing != nil || !e.journal.Due(e.opts.Now()) {
		return
	}
	r := e.record()
	e.writing = make(chan error, 1)
	go func(done chan<- error) { done <- e.journal.Save(r) }(e.writing)
}

// saveNow writes the journal before a person is answered: what was promised
// must outlast a power cut that comes with the answer.
func (e *Engine) saveNow() {
	if e.writing != nil {
		e.written(<-e.writing)
	}
	e.written(e.journal.Save(e.record()))
}

// written takes the answer of a write.
func (e *Engine) written(err error) {
	e.writing = nil
	switch {
	case err != nil && !e.unwritable:
		e.tell(event.Event{Kind: event.JournalFault, Severity: event.Warning,
			Text: "the journal of who is where can't be written; bindings hold, but a restart of the box would forget them, and one of the balancer " +
				"would return nodes to service that were drained since: " + err.Error()})
	case err == nil && e.unwritable:
		e.tell(event.Event{Kind: event.JournalFault, Severity: event.Notice, Text: "the journal of who is where is written again"})
	}
	e.unwritable = err != nil
}

// saveAtEnd writes the journal once more before the daemon ends.
func (e *Engine) saveAtEnd() {
	if e.writing != nil {
		<-e.writing
	}
	if err := e.journal.Save(e.record()); err != nil {
		e.opts.Log.Warn("journal", "err", err)
	}
	e.finishMemos()
}

// sweepInterval is an eighth of the shortest window, within a minute: a client
// that holds a connection is renewed twice in the half that is left then.
func (e *Engine) sweepInterval() time.Duration {
	shortest := 8 * time.Minute
	for _, g := range e.groups {
		shortest = min(shortest, g.Affinity)
	}
	return shortest / 8
}

// sweep renews the windows of clients with open connections.
func (e *Engine) sweep() {
	var renew []dataplane.Binding
	for _, g := range e.groups {
		for _, b := range g.policy.Sweep(e.opts.Now()) {
			renew = append(renew, dataplane.Binding{VirtualAddress: g.VirtualAddress, Client: b.Client, Mark: dataplane.Mark(b.Node)})
		}
	}
	e.refresh(renew, "with open connections")
}

// refresh begins windows anew in the kernel, and returns those that it still had.
func (e *Engine) refresh(renew []dataplane.Binding, whose string) []dataplane.Binding {
	if len(renew) == 0 {
		return nil
	}
	renewed, err := e.opts.Kernel.Refresh(renew)
	if err != nil {
		e.tell(event.Event{Kind: event.KernelFault, Severity: event.Alert, Once: true,
			Text: fmt.Sprintf("the windows of %s %s could not be renewed: %v", phrase.Count(len(renew), "MFD"), whose, err)})
	}
	return renewed
}
