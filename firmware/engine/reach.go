package engine

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

const (
	// askEvery is the time between two questions to netd.
	askEvery = time.Second
	// netdPatience is how long one may go unanswered; a netd that hangs is
	// restarted by init.
	netdPatience = 5 * time.Second
)

// followNetwork hands what netd says of the box's addresses to the loop, at
// each change, until ctx ends. Where there is no netd, as in a namespace of
// somebody else's, nothing is known and nothing is said of addresses.
func (e *Engine) followNetwork(ctx context.Context) {
	if e.opts.Network == nil {
		return
	}
	var last map[netip.Addr]api.Hold
	cable := ""
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, netdPatience)
		n, err := e.opts.Network(limited)
		cancel()
		if err == nil {
			holds := map[netip.Addr]api.Hold{}
			for _, v := range n.VirtualAddresses {
				holds[v.Address] = v.Hold
			}
			out := cableOut(n)
			if !reflect.DeepEqual(holds, last) || out != cable {
				last, cable = holds, out
				if e.ask(ctx, func() { e.reach(holds, out) }) != nil {
					return
				}
			}
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
		}
	}
}

// cableOut says that the box has no cable towards its nodes; empty when it has one.
func cableOut(n api.Network) string {
	for _, i := range n.Interfaces {
		if i.Role == "service" && !i.Disabled && !i.Carrier {
			return fmt.Sprintf("the service interface %s of this box has no cable, or the other end is off", i.Name)
		}
	}
	return ""
}

// reach takes over what netd says.
func (e *Engine) reach(holds map[netip.Addr]api.Hold, cable string) {
	e.holds, e.dirty = holds, true
	e.suspicion.Blame(cable)
	e.doubts(e.opts.Now())
}

// tellReach tells when MFDs begin or cease to reach a group.
func (e *Engine) tellReach(g *group, now time.Time) {
	away := e.unreached(g, now)
	switch {
	case away != "" && !g.away:
		e.tell(event.Event{Kind: event.GroupUnreached, Severity: event.Alert, Group: g.Name, Text: away})
	case away == "" && g.away:
		e.tell(event.Event{Kind: event.GroupUnreached, Severity: event.Notice, Group: g.Name,
			Text: fmt.Sprintf("MFDs reach the box at %s again", g.VirtualAddress)})
	}
	g.away = away != ""
	hold := e.holds[g.VirtualAddress]
	claimed := hold.State == api.Disputed
	switch {
	case claimed && !g.claimed:
		e.tell(event.Event{Kind: event.GroupDisputed, Severity: event.Warning, Group: g.Name,
			Text: fmt.Sprintf("another machine claims %s, too, so that some MFDs may land there: %s", g.VirtualAddress, hold.Reason)})
	case !claimed && g.claimed:
		e.tell(event.Event{Kind: event.GroupDisputed, Severity: event.Notice, Group: g.Name,
			Text: fmt.Sprintf("no other machine claims %s any more", g.VirtualAddress)})
	}
	g.claimed = claimed
}

// unreached says why MFDs can't reach a group whatever its nodes do; empty when
// they can, or when nobody knows.
func (e *Engine) unreached(g *group, now time.Time) string {
	hold, known := e.holds[g.VirtualAddress]
	if now.Sub(e.startedAt) < settlingIn {
		return ""
	}
	if !known && e.opts.Has != nil && !e.opts.Has(g.VirtualAddress) {
		return fmt.Sprintf("MFDs do not reach the box at %s: no interface of this machine has that address", g.VirtualAddress)
	}
	if !known || hold.State == api.Held || hold.State == api.Disputed {
		return ""
	}
	// A netd that was restarted looks at the address again; it is there meanwhile.
	if hold.State == api.Waiting && now.Sub(hold.Since) < settlingIn {
		return ""
	}
	return fmt.Sprintf("MFDs do not reach the box at %s: %s", g.VirtualAddress, hold.Reason)
}
