package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
	"spoolgate/firmware/phrase"
)

// start takes over what there is: the kernel's table after a restart of the
// daemon, the journal after one of the box.
func (e *Engine) start(before past) error {
	before.places = places(e.opts.Configuration.Last())
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
	if wrong == nil {
		e.report(e.book.Keep(e.stays(before.places), now)...)
	}
	for _, m := range e.members {
		if !fresh && !undecided(m, kernel) {
			was := before.prior(m, kernel, record)
			m.machine = health.NewMachineFrom(rule(m.group.Group, m.Node), was, now)
			if was == api.Up {
				e.answeredBefore(m)
			}
		}
		if before.stood(m, kernel) {
			m.machine.Recall(before.healths[m.place()])
		}
	}
	e.doubtPast = !before.doubted.IsZero()
	if !fresh {
		e.recallDoubt(before, kernel, now)
	}
	e.need(record)
	for _, m := range e.members {
		e.judge(m)
	}
	e.endUnwatched()
	e.beginLoad()
	bindings, from, err := e.takeOver(kernel, record)
	if err != nil {
		return err
	}
	e.adopt(bindings, e.origins(bindings, record, before))
	for _, m := range before.moves {
		e.history.moves.put(m)
	}
	e.restoreServices(record)
	for _, m := range e.members {
		if before.stood(m, kernel) {
			before.recallService(m)
			e.recallDelay(m, before.delays[m.place()])
		}
	}
	if !fresh {
		e.recallStates(before)
	}
	e.recallMistakes(before, kernel)
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
	e.tell(event.Event{Kind: event.Started, Severity: event.Info,
		Text: fmt.Sprintf("%s; %s taken from %s", e.balancing(), phrase.Count(len(bindings), "binding"), from)})
	e.inUse(wrong)
	e.checkUpDelays()
	e.tellPlain()
	if journalErr != nil {
		e.tell(event.Event{Kind: event.JournalFault, Severity: event.Warning, Once: true,
			Text: "the journal of who is where could not be read, MFDs are bound anew: " + journalErr.Error()})
	}
	e.publish()
	return nil
}

// takeOver has the kernel do what the configuration says, with everybody who is bound on
// his node, and returns the bindings and whom they were taken from. A table that is there
// is changed; where there is none, or that of another version, one is made with all in it.
func (e *Engine) takeOver(kernel dataplane.Adopted, record dataplane.Record) (bindings []dataplane.Binding, from string, err error) {
	layout := e.layout()
	bindings, from = kernel.Under(layout), "the kernel, which went on without this daemon"
	if len(kernel.Nodes) > 0 && !kernel.Remade {
		e.waiting, e.believed = kernel.Waiting, kernel.Believed
		return bindings, from, e.opts.Kernel.Apply(layout)
	}
	from += "; its rules were those of another version, and are written anew"
	e.waiting = kernel.Waiting
	if len(kernel.Nodes) == 0 {
		e.waiting = e.unknown()
	}
	if len(kernel.Nodes) == 0 || kernel.Bindings == nil {
		bindings, from = e.remembered(record), "the journal"
	}
	return bindings, from, e.opts.Kernel.Make(layout, dataplane.Contents{Up: kernel.Up, Waiting: e.waiting, Plans: kernel.Plans, Bindings: bindings})
}

// stood reports whether what events told of the node's name was told of this machine, as
// far as the last configuration and the kernel know, which has forgotten all after a
// start of the box.
func (p past) stood(m *member, kernel dataplane.Adopted) bool {
	if len(p.places) > 0 && p.places[m.place()] != m.Address {
		return false
	}
	_, there := markOf(m, kernel)
	return len(kernel.Nodes) == 0 || there
}

// markOf is what the kernel knows a node by: another mark than its own if its group has
// got another address meanwhile.
func markOf(m *member, kernel dataplane.Adopted) (dataplane.Mark, bool) {
	for mark, a := range kernel.Nodes {
		if a == m.Address {
			return mark, true
		}
	}
	return 0, false
}

// undecided reports whether no probe had told of the node before this daemon was
// restarted, so that its MFDs wait: it is as after the start of the box. Where another
// node of the group is known to serve already, it may have been configured since.
func undecided(m *member, kernel dataplane.Adopted) bool {
	mark, _ := markOf(m, kernel)
	return slices.Contains(kernel.Waiting, mark) && !slices.ContainsFunc(m.group.members, func(m *member) bool {
		mark, there := markOf(m, kernel)
		return there && slices.Contains(kernel.Up, mark)
	})
}

// prior is what the kernel's table tells of a node's health before this daemon
// was restarted: who was not up was Down, unless it has only just been configured.
// Whether it was Starting, and how one is that the operator had taken out, the last
// event tells.
func (p past) prior(m *member, kernel dataplane.Adopted, r dataplane.Record) api.Health {
	_, drained := r.Services[m.Address]
	mark, there := markOf(m, kernel)
	last := api.Unknown
	if told := p.healths[m.place()]; len(told) > 0 && p.stood(m, kernel) {
		last = told[len(told)-1].Health
	}
	switch {
	case there && slices.Contains(kernel.Up, mark):
		return api.Up
	case there && (drained || last == api.Starting):
		return last
	case there:
		return api.Down
	}
	return api.Unknown
}
