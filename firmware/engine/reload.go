package engine

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/event"
	"spoolgate/firmware/mistake"
	"spoolgate/firmware/phrase"
)

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
	before, stood := e.members, places(e.config)
	for id, m := range before {
		known[id] = seat{m.group.VirtualAddress, m.Address}
	}
	e.arrange(c, assign(c, known))
	e.report(e.book.Keep(e.stays(stood), e.opts.Now())...)
	for _, m := range e.members {
		e.judge(m)
		if !m.Services.Watched() {
			e.tellBlind(m) // no answer will come that could end it
		}
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
	e.flights.Keep(nodes)
	e.starts.follow(e.rules())
	e.tell(event.Event{Kind: event.ConfigChanged, Severity: event.Info,
		Text: fmt.Sprintf("configuration changed: %s, %s", phrase.Count(len(e.groups), "group"), phrase.Count(len(e.members), "node"))})
	e.checkUpDelays()
	for id, m := range before {
		if e.members[id] == nil {
			e.dead = append(e.dead, m)
		}
	}
	return api.Done{Text: e.balancing()}, nil
}

func (e *Engine) balancing() string {
	return fmt.Sprintf("balancing %s over %s", phrase.Count(len(e.groups), "group"), phrase.Count(len(e.members), "node"))
}

// stays returns whether a name stands for what it stood for before, of a group or of a
// node in one.
func (e *Engine) stays(stood map[mistake.Place]netip.Addr) func(group, node string) bool {
	stands := places(e.config)
	return func(group, node string) bool {
		was, is := stood[mistake.Place{Group: group, Node: node}], stands[mistake.Place{Group: group, Node: node}]
		return is.IsValid() && (!was.IsValid() || was == is)
	}
}

// places are the addresses that the names of groups and nodes stand for.
func places(c config.Config) map[mistake.Place]netip.Addr {
	out := map[mistake.Place]netip.Addr{}
	for _, g := range c.Groups {
		out[mistake.Place{Group: g.Name}] = g.VirtualAddress
		for _, n := range g.Nodes {
			out[mistake.Place{Group: g.Name, Node: n.Name}] = n.Address
		}
	}
	return out
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
	problems := strings.Split(e.unused, "\n")
	does := "the last good one goes on"
	if len(e.groups) == 0 {
		does = "there is no earlier one, so nobody is served"
	}
	e.tell(event.Event{Kind: event.ConfigRefused, Severity: event.Warning, Text: "the configuration is not used, and " + does + ": " + strings.Join(problems, " "), Evidence: problems})
}
