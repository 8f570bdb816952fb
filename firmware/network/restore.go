package network

import (
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"spoolgate/firmware/api"
)

// nearEnd is how long before the end of a lease its address may be gone: the kernel
// counts whole seconds.
const nearEnd = 2 * time.Second

// restore puts addresses back that the box holds and another program took off the
// link, and announces them: for somebody who asked in between, they were nowhere.
func (p *port) restore() {
	if p.link == nil || p.stop == nil {
		return
	}
	there, err := netlink.AddrList(p.link, netlink.FAMILY_ALL)
	if err != nil {
		p.net.log.Warn("whether all addresses are there is not known", "interface", p.base, "err", err)
		return
	}
	for _, a := range slices.Concat(p.virtual, p.own) {
		if a.hold.State != api.Held && a.hold.State != api.Disputed {
			continue
		}
		if slices.ContainsFunc(there, func(has netlink.Addr) bool { return has.IPNet.String() == a.prefix.String() }) {
			continue
		}
		if end := p.expires(a); !end.IsZero() && time.Until(end) < nearEnd {
			continue
		}
		p.net.log.Warn("another program removed an address of the box: it is put back", "interface", p.link.Attrs().Name, "address", a.prefix)
		if err := p.install(a); err != nil {
			p.fault(a, err)
			continue
		}
		if err := p.proclaim(a); err != nil {
			p.net.log.Warn("neighbours learn only later that the address is back", "err", err)
		}
	}
}

// proclaim announces an address at once, beside its claim, which does so in turn.
func (p *port) proclaim(a *address) error {
	if !a.prefix.Addr().Is4() {
		return nil
	}
	link := p.hardware()
	conn, err := listen(link)
	if err != nil {
		return err
	}
	defer conn.Close()
	return announce(conn, link, a.prefix.Addr())
}
