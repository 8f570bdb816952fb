package engine

import (
	"net/netip"
	"time"

	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/engine/proof"
)

// see notes for the proof what the beginning of a connection shows, before the policy
// learns of it, and reports whether it is a first contact.
func (g *group) see(ev dataplane.Event, now time.Time) (first bool) {
	g.seen.Opened(g.sighted(ev))
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

func (g *group) sighted(ev dataplane.Event) proof.Connection {
	return proof.Connection{Client: ev.Client, SeenAs: ev.SeenAs, Expected: g.seenAs(ev.Client), Port: ev.Port, Data: g.data(ev.Related, ev.Port)}
}

// data reports whether a connection is one of FTP's data, whose ports the server
// chooses: one that the helper of the kernel saw announced, or, with TLS, to one of
// the ports that are set aside.
func (g *group) data(related bool, port uint16) bool {
	return related || g.PassivePorts.Contains(port)
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
