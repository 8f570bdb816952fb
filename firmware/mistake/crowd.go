package mistake

import (
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/event"
)

// Crowd is the number of connections open at once from one address that is more
// than one MFD has: the requirement passes 17 ports, and two connections on each are
// 34. Fewer MFDs than that behind one address are not noticed.
const Crowd = 40

const (
	// crowding is how long an address must have that many. MFDs that come back after
	// a failure open more for a moment.
	crowding = 10 * time.Second
	// emptying is how long it must have less than half of it until the finding is
	// over: at night there are few behind any address.
	emptying = 24 * time.Hour
	// crowds bounds the addresses that are kept.
	crowds = 256
)

// caller is an MFD, or what stands for several, in a group.
type caller struct {
	group  string
	client netip.Addr
}

// crowd is an address with many connections.
type crowd struct {
	node  string
	open  int
	since time.Time // many are open, and none of them was left without an answer
	told  bool
	few   time.Time // of one that was told; zero while there are not few
}

// Busy takes the number of connections that a client has open, when it is Crowd or
// more, or the client is Watched.
func (b *Book) Busy(now time.Time, n Place, client netip.Addr, open int) {
	k := caller{n.Group, client}
	c := b.crowds[k]
	if c == nil {
		if open < Crowd || len(b.crowds) >= crowds {
			return
		}
		c = &crowd{since: now}
		b.crowds[k] = c
	}
	c.node, c.open = n.Node, open
	switch {
	case !c.told && open < Crowd:
		delete(b.crowds, k)
	case open >= Crowd/2:
		c.few = time.Time{}
	case c.few.IsZero():
		c.few = now
	}
}

// Watched reports whether a client had many connections open.
func (b *Book) Watched(group string, client netip.Addr) bool {
	return len(b.crowds) > 0 && b.crowds[caller{group, client}] != nil
}

// doubt takes note that a client's connection was not served: what it has open may
// be one MFD that tries again and again.
func (b *Book) doubt(now time.Time, n Node, client netip.Addr) {
	if c := b.crowds[caller{n.Group, client}]; c != nil {
		c.since = now
	}
}

func (b *Book) tickCrowds(now time.Time) (changes []Finding) {
	for k, c := range b.crowds {
		shared := key{event.ClientShared, Place{Group: k.group}}
		switch {
		case !c.told && now.Sub(c.since) >= crowding:
			c.told = true
			changes = append(changes, b.raise(now, shared, k.client.String(), func(addresses []string) string {
				return sharedText(addresses, c)
			})...)
		case c.told && !c.few.IsZero() && now.Sub(c.few) >= emptying:
			delete(b.crowds, k)
			changes = append(changes, b.settle(shared, k.client.String(),
				"no address has more connections open than one MFD has, for a day now")...)
		}
	}
	return changes
}

func sharedText(addresses []string, last *crowd) string {
	text := fmt.Sprintf("MFDs arrive behind one address: more connections are open at once from %s than one MFD has", list(addresses))
	if len(addresses) == 1 {
		text += fmt.Sprintf(" (%d, on node %s)", last.open, last.node)
	}
	return text + ". Each address counts as one MFD, so that all behind it are on one node, and the load is uneven. " +
		"Let the router or firewall between them and the box pass their own addresses, without NAT; if that can't be, live with it"
}
