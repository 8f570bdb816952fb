package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/phrase"
)

// Kernel is the table that deals and forwards; *dataplane.Table is the real
// one.
type Kernel interface {
	Adopt() (dataplane.Adopted, error)
	Apply(dataplane.Layout) error
	Make(dataplane.Layout, dataplane.Contents) error
	Change(up []dataplane.Mark, plans map[netip.Addr][]dataplane.Mark) error
	Wait([]dataplane.Mark) error
	Believe([]dataplane.Refusal) error
	Bind([]dataplane.Binding) error
	Refresh([]dataplane.Binding) ([]dataplane.Binding, error)
	Forget([]dataplane.Binding) error
	Bindings() ([]dataplane.Binding, error)
	Cut(...dataplane.Mark) (int, error)
	Check() (dataplane.Condition, error)
	Limit([]dataplane.Caller) error
	Admit(newcomers bool) error
	Pressure() (dataplane.Pressure, error)
}

// Tracker reads the kernel's connection events; *dataplane.Tracker is the real
// one.
type Tracker interface {
	Run(ctx context.Context, handle func(dataplane.Batch)) error
}

// layout is what the kernel is to do for the configuration.
func (e *Engine) layout() dataplane.Layout {
	l := dataplane.Layout{Newcomers: e.config.Newcomers}
	for _, g := range e.groups {
		d := dataplane.Group{
			VirtualAddress: g.VirtualAddress,
			Masked:         g.Mode == config.Masked,
			Affinity:       g.Affinity,
			Ports:          g.Ports,
			FTPPorts:       g.FTPPorts,
			PassivePorts:   g.PassivePorts,
			CheckPorts:     g.Checks.Ports,
		}
		for _, m := range g.members {
			d.Nodes = append(d.Nodes, dataplane.Node{Mark: dataplane.Mark(m.id), Address: m.Address})
		}
		l.Groups = append(l.Groups, d)
	}
	return l
}

// retryChange is the time between two tries of a change that the kernel
// refuses.
const retryChange = time.Second

// program gives the kernel what has changed. Connections to nodes that went
// Down or were removed are cut after it, or their MFDs would come back to them.
func (e *Engine) program() {
	now := e.opts.Now()
	e.planned = now
	if e.unset && now.Sub(e.refusedAt) < retryChange {
		return
	}
	if !e.change(now) {
		return
	}
	for _, m := range e.dead {
		e.cut(m)
	}
	e.dead = nil
}

// change gives the kernel the layout, the plans and the nodes that serve, each
// as far as it changed, and reports whether it has them all.
func (e *Engine) change(now time.Time) bool {
	if e.lost {
		if err := e.opts.Kernel.Make(e.layout(), e.contents(now)); err != nil {
			e.refused(now, "the rules and who is where", err)
			return false
		}
		e.lost, e.unapplied = false, false
	}
	if e.unapplied {
		if err := e.opts.Kernel.Apply(e.layout()); err != nil {
			e.refused(now, "the changed configuration", err)
			return false
		}
		e.unapplied = false
	}
	plans := map[netip.Addr][]dataplane.Mark{}
	for _, g := range e.groups {
		if slots, changed := g.policy.Plan(now); changed || e.unset {
			plans[g.VirtualAddress] = marks(slots)
		}
	}
	up := e.serving()
	waiting, believed := e.unknown(), e.believable(now)
	awaited, trusted := slices.Equal(waiting, e.waiting), slices.Equal(believed, e.believed)
	if len(plans) == 0 && up == nil && awaited && trusted {
		return true
	}
	to := up
	if to == nil {
		to = e.up
	}
	if err := e.opts.Kernel.Change(to, plans); err != nil {
		e.refused(now, "a change of the plan", err)
		return false
	}
	if !awaited {
		if err := e.opts.Kernel.Wait(waiting); err != nil {
			e.refused(now, "a change of whom MFDs wait for", err)
			return false
		}
		e.waiting = waiting
	}
	if !trusted {
		if err := e.opts.Kernel.Believe(believed); err != nil {
			e.refused(now, "a change of whose refusals reach MFDs", err)
			return false
		}
		e.believed = believed
	}
	if e.unset {
		e.tell(event.Event{Kind: event.KernelFault, Severity: event.Notice, Text: "the kernel takes changes again and has the last one"})
	}
	e.unset, e.faultTold = false, false
	e.up = to
	return true
}

// refused notes a change that the kernel did not take, and tells the first of
// them in a row.
func (e *Engine) refused(now time.Time, what string, err error) {
	if !e.faultTold {
		meanwhile := " and goes on as before"
		if e.lost {
			meanwhile = ", and no MFD reaches a node without"
		}
		e.tell(event.Event{Kind: event.KernelFault, Severity: event.Alert,
			Text: "the kernel refused " + what + meanwhile + "; it is tried again every second: " + err.Error()})
	}
	e.unset, e.refusedAt, e.faultTold = true, now, true
}

// serving returns the marks that may serve, nil when they are those that the
// kernel has.
func (e *Engine) serving() []dataplane.Mark {
	up := []dataplane.Mark{}
	for _, g := range e.groups {
		up = append(up, marks(g.policy.Up())...)
	}
	if !e.unset && e.up != nil && slices.Equal(up, e.up) {
		return nil
	}
	return up
}

// unknown are the nodes that no probe has told of since the box started. Their
// MFDs wait instead of being moved to a node that happened to answer first.
func (e *Engine) unknown() (out []dataplane.Mark) {
	for _, g := range e.groups {
		for _, m := range g.members {
			if m.machine.Health() == api.Unknown && g.policy.Leaving(m.id) == "" {
				out = append(out, dataplane.Mark(m.id))
			}
		}
	}
	return out
}

// believable are the refusals that MFDs are told of: the node serves, and nobody listens
// at that port. Of all others an MFD notices nothing but a delay: it asks again until the
// node is found to serve, or has been given up.
func (e *Engine) believable(now time.Time) (out []dataplane.Refusal) {
	for _, g := range e.groups {
		for _, m := range g.members {
			for _, port := range m.complaints.Believed(now, m.machine.Health()) {
				out = append(out, dataplane.Refusal{Mark: dataplane.Mark(m.id), Port: port})
			}
		}
	}
	return out
}

// guard looks whether somebody else has changed the kernel's tables, and has what is
// missing written again: on a machine that is not the box's own, a firewall that
// starts removes all tables that it finds.
func (e *Engine) guard() {
	found, err := e.opts.Kernel.Check()
	switch {
	case err != nil:
		e.opts.Log.Warn("look after the kernel's table", "err", err)
	case found == dataplane.Touched:
		e.unapplied = true
	case found == dataplane.Lost:
		e.lost, e.unset, e.up, e.waiting, e.believed = true, true, nil, nil, nil
		e.refusedAt, e.faultTold = time.Time{}, false // it is written now, whatever was refused before
		e.tell(event.Event{Kind: event.KernelFault, Severity: event.Alert,
			Text: "another program removed the rules that pass MFDs to the nodes; they are written again now, with everybody on the node as before. Find out which program changes nftables on this machine, and stop it"})
	}
}

// contents are what a new table holds in place of one that is lost.
func (e *Engine) contents(now time.Time) dataplane.Contents {
	c := dataplane.Contents{Up: e.serving(), Waiting: e.unknown(), Plans: map[netip.Addr][]dataplane.Mark{}}
	for _, g := range e.groups {
		slots, _ := g.policy.Plan(now)
		c.Plans[g.VirtualAddress] = marks(slots)
		for _, b := range g.policy.Bindings(now) {
			c.Bindings = append(c.Bindings, dataplane.Binding{VirtualAddress: g.VirtualAddress, Client: b.Client, Mark: dataplane.Mark(b.Node), Left: b.Left})
		}
	}
	return c
}

// cut ends the open connections of a node, so that its MFDs notice at once.
func (e *Engine) cut(m *member) {
	n, err := e.opts.Kernel.Cut(dataplane.Mark(m.id))
	switch {
	case err != nil:
		e.tell(event.Event{Kind: event.KernelFault, Severity: event.Warning, Group: m.group.Name, Node: m.Name, Once: true,
			Text: "open connections to " + m.Name + " could not be cut; MFDs notice by their own time-outs: " + err.Error()})
	case n > 0:
		ev := event.Event{Kind: event.NodeCut, Severity: event.Notice, Group: m.group.Name, Node: m.Name, Count: n,
			Text: phrase.Count(n, "open connection") + " to " + m.Name + " cut; the MFDs connect again, to a node that serves"}
		if m.dead {
			ev.From = m.Name
		}
		e.tell(ev)
	}
}

func marks(ids []balance.NodeID) []dataplane.Mark {
	out := make([]dataplane.Mark, len(ids))
	for i, id := range ids {
		out[i] = dataplane.Mark(id)
	}
	return out
}
