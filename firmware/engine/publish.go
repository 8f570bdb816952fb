package engine

import (
	"sync"
	"time"

	"spoolgate/firmware/api"
)

// board is where the loop pins the snapshot for all to read.
type board struct {
	mu      sync.Mutex
	last    api.Snapshot
	changed chan struct{} // closed when last is replaced
}

// read returns the snapshot and a channel that is closed at the next one.
func (b *board) read() (api.Snapshot, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, b.changed
}

func (b *board) pin(s api.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = s
	close(b.changed)
	b.changed = make(chan struct{})
}

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
	last, _ := e.board.read()
	e.board.pin(e.snapshot(last.Version+1, now))
	e.dirty, e.published = false, now
}

func (e *Engine) snapshot(version uint64, now time.Time) api.Snapshot {
	s := api.Snapshot{
		Version: version,
		Time:    now,
		Box: api.Box{
			State: e.box.state, Reason: e.box.reason, Since: e.box.since,
			Hostname: e.config.Hostname, Suspicion: e.suspected(),
		},
	}
	for _, g := range e.groups {
		s.Groups = append(s.Groups, g.snapshot())
	}
	return s
}

func (e *Engine) suspected() string {
	if !e.doubt.Suspect {
		return ""
	}
	return e.doubt.Reason
}

func (g *group) snapshot() api.Group {
	out := api.Group{
		Name: g.Name, VirtualAddress: g.VirtualAddress, Mode: string(g.Mode), Affinity: api.Duration(g.Affinity),
		State: g.state.state, Reason: g.state.reason, Since: g.state.since, Clients: g.policy.Len(),
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
		out.Connections += n.Open
		out.Nodes = append(out.Nodes, api.Node{
			Name: m.Name, Address: m.Address, Weight: m.Weight,
			Health: h.Health, HealthReason: h.Reason, HealthSince: h.Since, UpAt: h.UpAt,
			Service: n.Service, ServiceReason: n.Reason, ServiceSince: n.Since,
			Serving: n.Serving, Clients: n.Clients, Connections: n.Open, Dealt: n.Dealt, Ports: h.Ports,
		})
	}
	return out
}
