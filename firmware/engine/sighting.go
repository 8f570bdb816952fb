package engine

import (
	"net/netip"
	"time"

	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/engine/proof"
)

// see notes for the proof whom a connection binds, before the policy learns of it, and
// reports whether it is a first contact.
func (g *group) see(ev dataplane.Event, now time.Time) (first bool) {
	if ev.Related {
		return false
	}
	if _, bound := g.policy.Lookup(ev.Client, now); bound {
		return false
	}
	if fewest, judged := g.policy.Fewest(balance.NodeID(ev.Mark), now); judged {
		g.seen.Dealt(fewest)
	}
	return true
}

func sighted(ev dataplane.Event) proof.Connection {
	return proof.Connection{Client: ev.Client, SeenAs: ev.SeenAs, Port: ev.Port, Related: ev.Related}
}

// endSessions ends the sessions of MFDs that are bound no more.
func (e *Engine) endSessions(now time.Time) {
	for _, g := range e.groups {
		g.seen.End(func(a netip.Addr) bool {
			_, bound := g.policy.Lookup(a, now)
			return !bound
		})
	}
}
