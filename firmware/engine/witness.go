package engine

import (
	"context"
	"net/netip"
	"slices"

	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
)

// Witness shows the packets that tell of mistakes; *dataplane.Witness is the real
// one.
type Witness interface {
	Run(ctx context.Context, handle func(dataplane.Sighting)) error
}

// followWitness hands what is seen to the loop until ctx ends. Nothing that the box
// is for depends on it.
func (e *Engine) followWitness(ctx context.Context) {
	if e.opts.Witness == nil {
		return
	}
	err := e.opts.Witness.Run(ctx, func(s dataplane.Sighting) {
		// Only the end of the engine refuses it, and then it is of no use.
		_ = e.ask(ctx, func() { e.sighted(s) })
	})
	if err != nil {
		e.opts.Log.Warn("mistakes with FTP and with addresses of nodes are not recognised until the next start", "err", err)
	}
}

// sighted takes a packet that the rules showed.
func (e *Engine) sighted(s dataplane.Sighting) {
	m := e.at(s.Node.Addr())
	if m == nil {
		return
	}
	now, node := e.opts.Now(), e.observed(m, m.machine.Status(), s.Client)
	if s.Announced.IsValid() {
		e.tellMistakes(e.mistakes.Announced(now, node, s.Announced, m.group.PassivePorts.Contains(s.Announced.Port())))
		return
	}
	// Whoever is not bound is no MFD: an administrator may go where he likes.
	if passes(m.group, s.Node.Port()) && e.bound(s.Client) {
		e.tellMistakes(e.mistakes.Direct(now, node, s.Client, s.Node.Port()))
	}
}

// passes reports whether the group passes the port to its nodes.
func passes(g *group, port uint16) bool {
	return slices.Contains(g.FTPPorts, port) || slices.ContainsFunc(g.Ports, func(r config.PortRange) bool { return r.Contains(port) })
}

// bound reports whether an address is that of an MFD of any group.
func (e *Engine) bound(client netip.Addr) bool {
	now := e.opts.Now()
	return slices.ContainsFunc(e.groups, func(g *group) bool {
		_, ok := g.policy.Lookup(client, now)
		return ok
	})
}
