package engine

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"spoolgate/firmware/api"
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
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, netdPatience)
		n, err := e.opts.Network(limited)
		cancel()
		if err == nil {
			holds := map[netip.Addr]api.Hold{}
			for _, v := range n.VirtualAddresses {
				holds[v.Address] = v.Hold
			}
			if !reflect.DeepEqual(holds, last) {
				last = holds
				if e.ask(ctx, func() { e.holds, e.dirty = holds, true }) != nil {
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

// unreached says why MFDs can't reach a group whatever its nodes do; empty when
// they can, or when nobody knows.
func (e *Engine) unreached(g *group, now time.Time) string {
	hold, known := e.holds[g.VirtualAddress]
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
