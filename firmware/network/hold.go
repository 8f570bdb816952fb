package network

import (
	"context"
	"fmt"
	"net"

	"spoolgate/firmware/api"
)

// claimOf brings the news of a claim to the goroutine that owns the port.
type claimOf struct {
	*port
	a   *address
	ctx context.Context
}

func (c claimOf) news(f func()) {
	c.net.do(c.ctx, func() {
		if c.ctx.Err() == nil {
			f()
		}
	})
}

func (c claimOf) clear() { c.news(func() { c.apply(c.a) }) }

func (c claimOf) failed(err error) { c.news(func() { c.fault(c.a, err) }) }

func (c claimOf) taken(by net.HardwareAddr) {
	c.news(func() {
		reason := fmt.Sprintf("the machine with the MAC address %s already has %s: it is not used here; take the address away from that machine or choose another", by, c.a.prefix.Addr())
		if c.a.set(api.Conflict, by.String(), reason) {
			c.net.log.Error("address is refused", "address", c.a.prefix, "holder", by.String())
		}
		if err := take(c.link, c.a.prefix); err != nil {
			c.net.log.Error("address of another machine stays", "err", err)
		}
	})
}

func (c claimOf) disputed(by net.HardwareAddr) {
	c.news(func() {
		reason := fmt.Sprintf("the machine with the MAC address %s claims %s too, which this box holds and defends: take the address away from that machine", by, c.a.prefix.Addr())
		if c.a.set(api.Disputed, by.String(), reason) {
			c.net.log.Error("address is disputed", "address", c.a.prefix, "rival", by.String())
		}
	})
}
