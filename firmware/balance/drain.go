package balance

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
)

// ErrUnknownNode says that the group has no such node.
var ErrUnknownNode = errors.New("the group has no such node")

// ErrUnknownClient says that the MFD is not bound.
var ErrUnknownClient = errors.New("this MFD is not bound; it gets a node at its next connection")

// ErrLastNode says that nobody would be left to serve.
var ErrLastNode = errors.New("it is the last node that serves, MFDs would be refused; bring another node into service first, or ask for it by force")

// Drain takes a node out of service in one of three ways. Gently: bound
// clients stay until their window ends. Move: they are dealt anew at their
// next connection, open connections finish. Stop: as move, and the caller cuts
// the open connections. The last node that takes new clients is refused
// unless forced.
func (g *Group) Drain(id NodeID, verb api.DrainVerb, force bool, now time.Time) error {
	n := g.byID[id]
	if n == nil {
		return ErrUnknownNode
	}
	if n.takesNew() && !force && !g.anotherTakesNew(id) {
		return ErrLastNode
	}
	var service api.Service
	var reason string
	switch verb {
	case api.DrainGently:
		service, reason = api.Draining, "drained by the operator: bound MFDs stay until their window ends"
	case api.MoveNow:
		service, reason = api.Draining, "drained by the operator: MFDs leave it at their next connection, open connections finish"
	case api.StopNow:
		service, reason = api.OutOfService, "stopped by the operator"
	default:
		return fmt.Errorf("%q is no way to drain; use %s, %s or %s", verb, api.DrainGently, api.MoveNow, api.StopNow)
	}
	n.change(now, func() {
		n.set(service, reason, now)
		n.keeps = verb == api.DrainGently
	})
	return nil
}

// Recall tells since when and why a node is in its service, which a restart did not
// change.
func (g *Group) Recall(id NodeID, since time.Time, reason string) {
	if n := g.byID[id]; n != nil {
		n.since, n.reason = since, reason
	}
}

// Left reports whether a node has left service in that way already, so that to ask
// again changes nothing. A stop that left connections open is worth another try.
func (g *Group) Left(id NodeID, verb api.DrainVerb) bool {
	n := g.byID[id]
	if n == nil || n.service == api.InService {
		return false
	}
	out := n.service == api.OutOfService && n.open == 0
	switch verb {
	case api.DrainGently:
		return out && n.bound == 0 || n.service == api.Draining && n.keeps
	case api.MoveNow:
		return out || n.service == api.Draining && !n.keeps
	}
	return verb == api.StopNow && out
}

func (g *Group) anotherTakesNew(id NodeID) bool {
	for _, n := range g.nodes {
		if n.ID != id && n.takesNew() {
			return true
		}
	}
	return false
}

// Return brings a node back into service.
func (g *Group) Return(id NodeID, now time.Time) error {
	n := g.byID[id]
	if n == nil {
		return ErrUnknownNode
	}
	n.change(now, func() {
		n.set(api.InService, "returned by the operator", now)
		n.keeps = true
	})
	return nil
}

// Leaving is how the node was asked to leave service; "" if it is in service.
func (g *Group) Leaving(id NodeID) api.DrainVerb {
	n := g.byID[id]
	switch {
	case n == nil || n.service == api.InService:
		return ""
	case n.service == api.OutOfService:
		return api.StopNow
	case n.keeps:
		return api.DrainGently
	}
	return api.MoveNow
}

func (n *node) set(s api.Service, reason string, now time.Time) {
	n.service, n.reason, n.since = s, reason, now
}

// Emptied takes drained nodes out of service that nobody is left on, or, when clients
// move, nobody is connected to, and returns them. A drain is a second old before that, on
// a busy box some more: connections that the kernel dealt just before it are told just
// after it, and out of service is not where the clients of a gentle drain are to find
// their node.
func (g *Group) Emptied(now time.Time) (done []NodeID) {
	wait := windowSlack
	if now.Sub(g.hushed) < late {
		wait = late
	}
	for _, n := range g.nodes {
		if n.service == api.Draining && now.Sub(n.since) >= wait && n.open == 0 && (n.bound == 0 || !n.keeps) {
			reason := "drained: no MFD is left on it"
			if n.bound > 0 {
				reason = "drained: no connection is open to it; an MFD that is still bound to it leaves it at its next connection"
			}
			n.set(api.OutOfService, reason, now)
			done = append(done, n.ID)
		}
	}
	return done
}

// EmptyBy is when a gently drained node will be empty if none of its clients
// is heard of any more; false while connections are open.
func (g *Group) EmptyBy(id NodeID) (time.Time, bool) {
	var last time.Time
	for _, c := range g.clients {
		if c.node != id {
			continue
		}
		if c.here > 0 {
			return time.Time{}, false
		}
		if seen := g.time(c.lastSeen); seen.After(last) {
			last = seen
		}
	}
	if last.IsZero() {
		return last, true
	}
	return last.Add(g.affinity), true
}

// MoveClient binds a client to another node from its next connection on.
func (g *Group) MoveClient(a netip.Addr, to NodeID, now time.Time) error {
	n := g.byID[to]
	if n == nil {
		return ErrUnknownNode
	}
	if !n.serves() {
		return errors.New("that node does not serve now; choose one that is Up and in service")
	}
	c := g.clients[a]
	if c == nil {
		return ErrUnknownClient
	}
	if c.node == to {
		g.Renew(a, now) // as the kernel's binding is written anew
		return nil
	}
	from := c.node
	g.drop(a, c)
	g.released[a] = now
	g.bind(a, n, Why{Cause: Operator, From: from}, now)
	return nil
}

// Forget unbinds a client: its next connection is a first contact.
func (g *Group) Forget(a netip.Addr, now time.Time) error {
	c := g.clients[a]
	if c == nil {
		return ErrUnknownClient
	}
	g.drop(a, c)
	g.released[a] = now
	return nil
}
