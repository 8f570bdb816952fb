package engine

import (
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/health"
)

// calm is the least time between two snapshots, so that a burst of connections
// does not become a burst of pages.
const calm = 100 * time.Millisecond

// publish replaces the snapshot when it is out of date.
func (e *Engine) publish() {
	now := e.opts.Now()
	if !e.dirty || now.Sub(e.published) < calm && now.After(e.published) {
		return
	}
	e.verdicts()
	last, _ := e.snapshots.Latest()
	e.snapshots.Publish(e.snapshot(last.Version+1, now))
	e.dirty, e.published = false, now
}

func (e *Engine) snapshot(version uint64, now time.Time) api.Snapshot {
	s := api.Snapshot{
		Version: version,
		Time:    now,
		Box: api.Box{
			State: e.box.state, Reason: e.box.reason, Since: e.box.since,
			Hostname: e.config.Hostname, Suspicion: e.suspected(), Unused: e.unused,
		},
	}
	repeats := e.flights.Repeats()
	for _, g := range e.groups {
		shown := e.groupSnapshot(g, repeats)
		shown.Mistakes = e.mistakesOf(g)
		s.Groups = append(s.Groups, shown)
	}
	s.Room, s.Overload = e.load.room, e.overloads()
	s.Incidents = e.book.Open()
	return s
}

func (e *Engine) suspected() string {
	if !e.doubt.Suspect {
		return ""
	}
	return e.doubt.Reason
}

func (e *Engine) groupSnapshot(g *group, repeats map[netip.Addr]uint64) api.Group {
	out := api.Group{
		Name: g.Name, VirtualAddress: g.VirtualAddress, Mode: string(g.Mode), Affinity: api.Duration(g.Affinity), UpDelay: api.Duration(g.Checks.UpDelay),
		State: g.state.state, Reason: g.state.reason, Since: g.state.since, BoundOnly: g.bound, Clients: g.policy.Len(),
	}
	for _, r := range g.Ports {
		out.Ports = append(out.Ports, r.String())
	}
	if !g.PassivePorts.IsZero() {
		out.Ports = append(out.Ports, g.PassivePorts.String())
	}
	for i, n := range g.policy.Nodes() {
		m := g.members[i]
		h := m.machine.Status()
		starts := e.starts.starts[m.Address]
		out.Connections += n.Open
		out.Nodes = append(out.Nodes, api.Node{
			Name: m.Name, Address: m.Address, Weight: m.Weight,
			Health: h.Health, HealthReason: h.Reason, HealthSince: h.Since, UpAt: h.UpAt,
			Service: n.Service, ServiceReason: n.Reason, ServiceSince: n.Since,
			Serving: n.Serving, Clients: n.Clients, Connections: n.Open, Dealt: n.Dealt, Ports: h.Ports, Services: h.Services,
			Repeats: repeats[m.Address], Starts: starts, UpDelayAdvice: health.Advise(starts, g.Checks.UpDelay).Text,
		})
	}
	return out
}
