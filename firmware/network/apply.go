package network

import (
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// apply takes an address that no other machine has.
func (p *port) apply(a *address) {
	if err := p.install(a); err != nil {
		p.fault(a, err)
		return
	}
	if a.set(api.Held, "", "no other machine has it") {
		p.net.log.Info("address is held", "interface", p.link.Attrs().Name, "address", a.prefix)
	}
}

// install puts an address on the link, and the default route that needs it.
func (p *port) install(a *address) error {
	if err := put(p.link, a.prefix, a.label, p.expires(a)); err != nil {
		return err
	}
	if a.label == ownLabel {
		p.sweep()
	}
	if gw := p.gateway(); a.label == ownLabel && (p.config.DHCP() || a.prefix.Contains(gw)) {
		return defaultRoute(p.link, gw, a.prefix.Addr(), p.metric)
	}
	return nil
}

// expires is when the kernel shall remove an address; never, if it is zero.
func (p *port) expires(a *address) time.Time {
	if a.label == ownLabel && p.config.DHCP() {
		return p.terms.lease.Expires
	}
	return time.Time{}
}

func (p *port) fault(a *address, err error) {
	if a.set(api.Waiting, "", err.Error()) {
		p.net.log.Error("address cannot be used", "address", a.prefix, "err", err)
	}
}

// sweep removes addresses of an earlier run or lease that nobody wants now. Until
// a DHCP server has spoken, the address of the earlier run stays.
func (p *port) sweep() {
	if p.link == nil || p.shared {
		return
	}
	var wanted []netip.Prefix
	for _, other := range p.net.ports {
		if other.link != nil && other.link.Attrs().Index == p.link.Attrs().Index {
			for _, a := range slices.Concat(other.virtual, other.own) {
				wanted = append(wanted, a.prefix)
			}
			wanted = append(wanted, other.config.Addresses...)
		}
	}
	labels := []string{virtualLabel, ownLabel}
	if p.config.DHCP() && len(p.own) == 0 && !p.terms.prefix.IsValid() && p.trouble == "" {
		labels = labels[:1]
	}
	for _, label := range labels {
		old, err := owned(p.link, label)
		if err != nil {
			p.net.log.Warn("old addresses stay", "err", err)
		}
		for _, prefix := range old {
			if slices.Contains(wanted, prefix) {
				continue
			}
			p.net.log.Info("address of an earlier configuration is removed", "interface", p.base, "address", prefix)
			if err := take(p.link, prefix); err != nil {
				p.net.log.Warn("old address stays", "err", err)
			}
		}
	}
}
