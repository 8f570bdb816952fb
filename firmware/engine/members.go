package engine

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// start takes over what there is: the kernel's table after a restart of the
// daemon, the journal after one of the box.
func (e *Engine) start() error {
	c, err := e.opts.Load()
	if err != nil {
		return err
	}
	kernel, err := e.opts.Kernel.Adopt()
	if err != nil {
		return err
	}
	if len(c.Groups) == 0 && len(kernel.Nodes) > 0 {
		return errNoGroups
	}
	record, journalErr := e.journal.Load()
	ids := assign(c, kernel.Nodes)
	e.members, e.byVIP = map[balance.NodeID]*member{}, map[netip.Addr]*group{}
	e.suspicion = health.NewSuspicion(round(c))
	e.arrange(c, ids)
	fresh := len(kernel.Nodes) == 0
	now := e.opts.Now()
	for _, m := range e.members {
		if !fresh {
			prior := api.Unknown
			if slices.Contains(kernel.Up, dataplane.Mark(m.id)) {
				prior = api.Up
			}
			m.machine = health.NewMachineFrom(rule(m.group.Group), prior, now)
		}
		e.judge(m)
	}
	if err := e.opts.Kernel.Apply(e.layout()); err != nil {
		return err
	}
	bindings := kernel.Bindings
	if fresh {
		// Before there are bindings: an MFD that calls now shall not lose its own.
		e.waiting = e.unknown()
		if err := e.opts.Kernel.Wait(e.waiting); err != nil {
			return err
		}
		bindings = e.remembered(record)
		if err := e.opts.Kernel.Bind(bindings); err != nil {
			return err
		}
	}
	e.adopt(bindings, ages(record))
	e.restoreServices(record)
	e.program()
	e.schedule.Set(e.targets())
	from := "the kernel, which went on without this daemon"
	if fresh {
		from = "the journal"
	}
	e.tell(event.Event{Kind: event.Started, Severity: event.Info,
		Text: fmt.Sprintf("balancing %s over %s; %s taken from %s", count(len(e.groups), "group"), count(len(e.members), "node"), count(len(bindings), "binding"), from)})
	if journalErr != nil {
		e.tell(event.Event{Kind: event.JournalFault, Severity: event.Warning,
			Text: "the journal of who is where could not be read, MFDs are bound anew: " + journalErr.Error()})
	}
	e.publish()
	return nil
}

// assign gives each node its number: the one that the kernel knows its address
// by, or the lowest free one.
func assign(c config.Config, known map[dataplane.Mark]netip.Addr) map[netip.Addr]balance.NodeID {
	ids := map[netip.Addr]balance.NodeID{}
	for _, mark := range slices.Sorted(maps.Keys(known)) {
		ids[known[mark]] = balance.NodeID(mark)
	}
	next := balance.NodeID(1)
	for _, g := range c.Groups {
		for _, n := range g.Nodes {
			if _, ok := ids[n.Address]; ok {
				continue
			}
			for known[dataplane.Mark(next)].IsValid() {
				next++
			}
			ids[n.Address] = next
			next++
		}
	}
	return ids
}

// arrange makes groups and members after the configuration, keeping those that
// stay.
func (e *Engine) arrange(c config.Config, ids map[netip.Addr]balance.NodeID) {
	now := e.opts.Now()
	oldGroups, oldMembers := e.byVIP, e.members
	e.config, e.groups = c, nil
	e.byVIP, e.members = map[netip.Addr]*group{}, map[balance.NodeID]*member{}
	var vips []netip.Addr
	for _, gc := range c.Groups {
		vips = append(vips, gc.VirtualAddress)
		g := oldGroups[gc.VirtualAddress]
		if g == nil {
			g = &group{}
		}
		g.Group, g.members = gc, nil
		var specs []balance.Spec
		for _, nc := range gc.Nodes {
			id := ids[nc.Address]
			m := oldMembers[id]
			switch {
			case m != nil && m.group == g:
				m.machine.SetRule(rule(gc), now)
			case len(oldMembers) > 0:
				// The right to be Up at the first answer is for nodes that were
				// there before the box; who joins later may just be starting.
				m = &member{machine: health.NewMachineFrom(rule(gc), api.Unknown, now)}
			default:
				m = &member{machine: health.NewMachine(rule(gc), now)}
			}
			m.Node, m.id, m.group = nc, id, g
			g.members = append(g.members, m)
			e.members[id] = m
			specs = append(specs, balance.Spec{ID: id, Weight: nc.Weight})
		}
		if g.policy == nil {
			g.policy = balance.NewGroup(gc.Affinity, specs, now)
		} else {
			g.policy.Configure(gc.Affinity, specs, now)
		}
		e.groups = append(e.groups, g)
		e.byVIP[gc.VirtualAddress] = g
	}
	e.source.avoid(vips)
}

func rule(g config.Group) health.Rule {
	return health.Rule{Ports: g.Checks.Ports, Misses: g.Checks.Misses, UpDelay: g.Checks.UpDelay, Interval: g.Checks.Interval}
}

// round is the length of a round of probes over all groups.
func round(c config.Config) time.Duration {
	var longest time.Duration
	for _, g := range c.Groups {
		longest = max(longest, g.Checks.Interval+g.Checks.Timeout)
	}
	return longest
}

func (e *Engine) targets() []health.Target {
	var out []health.Target
	for _, g := range e.groups {
		for _, m := range g.members {
			for _, p := range g.Checks.Ports {
				out = append(out, health.Target{Address: netip.AddrPortFrom(m.Address, p), Interval: g.Checks.Interval, Timeout: g.Checks.Timeout})
			}
		}
	}
	return out
}

// reload takes over a changed configuration; a faulty one changes nothing.
func (e *Engine) reload() error {
	c, err := e.opts.Load()
	if err == nil && len(c.Groups) == 0 && len(e.groups) > 0 {
		err = errNoGroups
	}
	if err != nil {
		e.tell(event.Event{Kind: event.ConfigRefused, Severity: event.Warning,
			Text: "the changed configuration is not used, the last one goes on: " + err.Error()})
		return err
	}
	known := map[dataplane.Mark]netip.Addr{}
	before := e.members
	for id, m := range before {
		known[dataplane.Mark(id)] = m.Address
	}
	e.arrange(c, assign(c, known))
	for _, m := range e.members {
		e.judge(m)
	}
	e.unapplied = true
	targets := e.targets()
	e.schedule.Set(targets)
	var addresses []netip.AddrPort
	for _, t := range targets {
		addresses = append(addresses, t.Address)
	}
	e.suspicion.Keep(addresses, round(c))
	e.tell(event.Event{Kind: event.ConfigChanged, Severity: event.Info,
		Text: fmt.Sprintf("configuration changed: %s, %s", count(len(e.groups), "group"), count(len(e.members), "node"))})
	for id, m := range before {
		if e.members[id] == nil {
			e.dead = append(e.dead, m)
		}
	}
	return nil
}

// errNoGroups keeps a file that has gone missing from ending all printing.
var errNoGroups = errors.New("the configuration file is missing while groups are being balanced; put it back, or reset the box to its factory state")

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
