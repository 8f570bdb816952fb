package engine

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
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
	c, wrong := e.opts.Configuration.Start()
	kernel, err := e.opts.Kernel.Adopt()
	if err != nil {
		return err
	}
	if len(c.Groups) == 0 && len(kernel.Nodes) > 0 {
		return cmp.Or(wrong, config.ErrMissing)
	}
	record, journalErr := e.journal.Load()
	known := knownTo(kernel)
	ids := assign(c, known)
	e.members, e.byVIP = map[balance.NodeID]*member{}, map[netip.Addr]*group{}
	e.suspicion = health.NewSuspicion(round(c))
	e.arrange(c, ids)
	fresh := len(kernel.Nodes) == 0
	now := e.opts.Now()
	for _, m := range e.members {
		if !fresh {
			m.machine = health.NewMachineFrom(rule(m.group.Group, m.Node), prior(m, kernel, record), now)
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
	for mark := range kernel.Nodes {
		if e.members[balance.NodeID(mark)] == nil {
			// Taken out of the configuration while nobody was there to cut it.
			if _, err := e.opts.Kernel.Cut(mark); err != nil {
				return err
			}
		}
	}
	e.program()
	e.starts.follow(e.rules())
	e.schedule.Set(e.targets())
	e.windows.Set(e.windowsTargets())
	from := "the kernel, which went on without this daemon"
	if fresh {
		from = "the journal"
	}
	e.tell(event.Event{Kind: event.Started, Severity: event.Info,
		Text: fmt.Sprintf("%s; %s taken from %s", e.balancing(), count(len(bindings), "binding"), from)})
	e.inUse(wrong)
	if wrong == nil {
		e.report(e.book.Keep(e.configured, now)...)
	}
	e.checkUpDelays()
	e.tellPlain()
	if journalErr != nil {
		e.tell(event.Event{Kind: event.JournalFault, Severity: event.Warning, Once: true,
			Text: "the journal of who is where could not be read, MFDs are bound anew: " + journalErr.Error()})
	}
	e.publish()
	return nil
}

// seat is a node's place: an address in a group. A node that changes its group
// is another one, or it would keep the MFDs of the group that it left.
type seat struct{ group, node netip.Addr }

// knownTo are the places that the kernel's numbers stand for. The kernel keeps
// no group with a node, so it is told by those who are bound or dealt to it;
// the zero group stands for a node that nobody is bound or dealt to.
func knownTo(kernel dataplane.Adopted) map[balance.NodeID]seat {
	known := map[balance.NodeID]seat{}
	for mark, address := range kernel.Nodes {
		known[balance.NodeID(mark)] = seat{node: address}
	}
	place := func(vip netip.Addr, mark dataplane.Mark) {
		if s, ok := known[balance.NodeID(mark)]; ok {
			s.group = vip
			known[balance.NodeID(mark)] = s
		}
	}
	for vip, plan := range kernel.Plans {
		for _, mark := range plan {
			place(vip, mark)
		}
	}
	for _, b := range kernel.Bindings {
		place(b.VirtualAddress, b.Mark)
	}
	return known
}

// assign gives each node its number: the one that its place is known by, or the
// lowest free one. A number is not given to another place at once: what is open
// under it must be cut first.
func assign(c config.Config, known map[balance.NodeID]seat) map[netip.Addr]balance.NodeID {
	numbers := map[seat]balance.NodeID{}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		numbers[known[id]] = id
	}
	ids := map[netip.Addr]balance.NodeID{}
	next := balance.NodeID(1)
	for _, g := range c.Groups {
		for _, n := range g.Nodes {
			id, ok := numbers[seat{g.VirtualAddress, n.Address}]
			if !ok {
				id, ok = numbers[seat{node: n.Address}]
			}
			if !ok {
				for known[next].node.IsValid() {
					next++
				}
				id = next
				next++
			}
			ids[n.Address] = id
		}
	}
	return ids
}

// prior is what the kernel's table tells of a node's health before this daemon
// was restarted: who was not up was Down, unless the operator had taken it out
// or it has only just been configured.
func prior(m *member, kernel dataplane.Adopted, r dataplane.Record) api.Health {
	_, drained := r.Services[m.Address]
	_, there := kernel.Nodes[dataplane.Mark(m.id)]
	switch {
	case slices.Contains(kernel.Up, dataplane.Mark(m.id)):
		return api.Up
	case there && !drained:
		return api.Down
	}
	return api.Unknown
}

// arrange makes groups and members after the configuration, keeping those that
// stay.
func (e *Engine) arrange(c config.Config, ids map[netip.Addr]balance.NodeID) {
	now := e.opts.Now()
	oldGroups, oldMembers := e.byVIP, e.members
	e.config, e.groups = c, nil
	e.byVIP, e.members = map[netip.Addr]*group{}, map[balance.NodeID]*member{}
	atAddress := map[netip.Addr]*member{}
	leaving := map[netip.Addr]api.DrainVerb{}
	for _, m := range oldMembers {
		atAddress[m.Address] = m
		leaving[m.Address] = m.group.policy.Leaving(m.id)
	}
	var vips []netip.Addr
	for _, gc := range c.Groups {
		vips = append(vips, gc.VirtualAddress)
		g := oldGroups[gc.VirtualAddress]
		if g == nil {
			g = &group{}
		}
		renamed := g.Name != gc.Name
		if renamed {
			g.told, g.away, g.claimed = "", false, false // its state is told anew under the new name
		}
		g.Group, g.members = gc, nil
		var specs []balance.Spec
		for _, nc := range gc.Nodes {
			id := ids[nc.Address]
			m := oldMembers[id]
			switch {
			case m != nil && m.group == g:
				m.machine.SetRule(rule(gc, nc), now)
			case atAddress[nc.Address] != nil:
				// In another group, or its group has another address: the machine
				// is the same, and what is known of it holds.
				m = &member{machine: health.NewMachineFrom(rule(gc, nc), atAddress[nc.Address].machine.Status().Health, now)}
			case len(oldMembers) > 0:
				// The right to be Up at the first answer is for nodes that were
				// there before the box; who joins later may just be starting.
				m = &member{machine: health.NewMachineFrom(rule(gc, nc), api.Unknown, now)}
			default:
				m = &member{machine: health.NewMachine(rule(gc, nc), now)}
			}
			if renamed || m.Name != nc.Name {
				m.health = ""
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
		for _, m := range g.members {
			if verb := leaving[m.Address]; verb != "" && atAddress[m.Address].id != m.id {
				// The node is there and the verb is known: nothing can refuse it.
				_ = g.policy.Drain(m.id, verb, true, now)
			}
		}
		e.groups = append(e.groups, g)
		e.byVIP[gc.VirtualAddress] = g
	}
	e.source.avoid(vips)
	e.keepMistakes()
	e.nameGroups()
}

func rule(g config.Group, n config.Node) health.Rule {
	r := health.Rule{Ports: g.Checks.Ports, Misses: g.Checks.Misses, UpDelay: g.Checks.UpDelay, Interval: g.Checks.Interval}
	if s := n.Services; s.Watched() {
		r.Services = health.ServiceRule{Names: s.Names, Any: s.Combine == config.Any, Misses: s.Misses, Interval: s.Interval}
	}
	return r
}

// round is the length of a round of probes and questions over all groups.
func round(c config.Config) time.Duration {
	var longest time.Duration
	for _, g := range c.Groups {
		longest = max(longest, g.Checks.Interval+g.Checks.Timeout)
		for _, n := range g.Nodes {
			if n.Services.Watched() {
				longest = max(longest, n.Services.Interval+n.Services.Timeout)
			}
		}
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

// reload reads the configuration again and takes it over if it is another one than
// that in use; a faulty one changes nothing.
func (e *Engine) reload() (api.Done, error) {
	c, err := e.opts.Configuration.Load()
	if err == nil && len(c.Groups) == 0 && len(e.groups) > 0 {
		err = config.ErrMissing
	}
	refused := e.unused != ""
	e.inUse(err)
	if err != nil {
		return api.Done{}, err
	}
	if reflect.DeepEqual(c, e.config) {
		if refused {
			e.tell(event.Event{Kind: event.ConfigChanged, Severity: event.Info, Text: "the configuration that was written is the one in use again"})
		}
		return api.Done{Text: "nothing changed: " + e.balancing()}, nil
	}
	known := map[balance.NodeID]seat{}
	before := e.members
	for id, m := range before {
		known[id] = seat{m.group.VirtualAddress, m.Address}
	}
	e.arrange(c, assign(c, known))
	for _, m := range e.members {
		e.judge(m)
	}
	e.unapplied = true
	targets := e.targets()
	e.schedule.Set(targets)
	var addresses []netip.AddrPort
	var nodes []netip.Addr
	for _, t := range targets {
		addresses = append(addresses, t.Address)
	}
	for _, m := range e.members {
		nodes = append(nodes, m.Address)
		if m.Services.Watched() {
			addresses = append(addresses, netip.AddrPortFrom(m.Address, windowsPort))
		}
	}
	e.suspicion.Keep(addresses, round(c))
	e.windows.Set(e.windowsTargets())
	e.tellPlain()
	e.report(e.book.Keep(e.configured, e.opts.Now())...)
	e.flights.Keep(nodes)
	e.starts.follow(e.rules())
	e.tell(event.Event{Kind: event.ConfigChanged, Severity: event.Info,
		Text: fmt.Sprintf("configuration changed: %s, %s", count(len(e.groups), "group"), count(len(e.members), "node"))})
	e.checkUpDelays()
	for id, m := range before {
		if e.members[id] == nil {
			e.dead = append(e.dead, m)
		}
	}
	return api.Done{Text: e.balancing()}, nil
}

func (e *Engine) balancing() string {
	return fmt.Sprintf("balancing %s over %s", count(len(e.groups), "group"), count(len(e.members), "node"))
}

// configured reports whether there is a group, and a node in it if one is named.
func (e *Engine) configured(groupName, nodeName string) bool {
	for _, g := range e.groups {
		if g.Name == groupName {
			return nodeName == "" || slices.ContainsFunc(g.members, func(m *member) bool { return m.Name == nodeName })
		}
	}
	return false
}

// inUse notes whether the configuration that was written is the one in use, or what
// is wrong with it.
func (e *Engine) inUse(wrong error) {
	if wrong == nil {
		e.unused = ""
		if err := e.opts.Configuration.Keep(); err != nil {
			e.opts.Log.Warn("a wrong configuration at the next start would find no earlier one", "err", err)
		}
		return
	}
	e.unused = wrong.Error()
	does := "the last good one goes on"
	if len(e.groups) == 0 {
		does = "there is no earlier one, so nobody is served"
	}
	e.tell(event.Event{Kind: event.ConfigRefused, Severity: event.Warning, Text: "the configuration is not used, and " + does + ": " + e.unused})
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
