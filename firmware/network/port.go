package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/network/vlan"
)

// port is an interface in its role. Its workers live from cable in to cable out.
type port struct {
	net     *Network
	role    string
	base    string // the interface below the VLAN
	config  config.Interface
	metric  int
	shared  bool // management without an interface or VLAN of its own: lives on the service interface
	virtual []*address

	link    netlink.Link // nil while it is absent
	absent  bool         // it can't be had, as trouble says
	carrier bool
	since   time.Time
	trouble string
	own     []*address
	terms   terms // of DHCP
	stop    context.CancelFunc
}

// address is one that the box has or wants.
type address struct {
	prefix netip.Prefix
	label  string
	group  string // of a virtual address
	hold   api.Hold
}

// look compares the port with the kernel's links and starts or stops its workers.
func (p *port) look(ctx context.Context) {
	if p.config.Disabled || p.shared && p.config.DHCP() {
		p.trouble = ""
		if p.shared && !p.config.Disabled {
			p.trouble = "this box has no management interface: it is managed at the service address; give management a VLAN or an address of its own"
		}
		return
	}
	l, err := p.find()
	p.absent = err != nil
	if err != nil {
		if p.trouble != err.Error() {
			p.net.log.Error("interface is missing", "role", p.role, "err", err)
		}
		p.down(err.Error())
		p.link = nil
		return
	}
	renewed := p.link == nil || p.link.Attrs().Index != l.Attrs().Index
	if renewed {
		p.down("")
	}
	p.link = l
	carrier := l.Attrs().RawFlags&unix.IFF_RUNNING != 0
	switch {
	case carrier && p.stop == nil:
		p.up(ctx)
	case !carrier && (p.stop != nil || renewed):
		p.down("no link: plug in the cable of " + p.base + ", or look at the other end")
	}
}

// find returns the link, set up and tuned.
func (p *port) find() (netlink.Link, error) {
	l, err := netlink.LinkByName(p.base)
	if err != nil {
		return nil, fmt.Errorf("%s", missing(p.base, linkNames()))
	}
	if err := ready(l); err != nil {
		return nil, err
	}
	if p.config.VLAN == 0 {
		return l, nil
	}
	if l, err = vlan.Ensure(l, p.config.VLAN); err != nil {
		return nil, err
	}
	return l, ready(l)
}

func ready(l netlink.Link) error {
	name := l.Attrs().Name
	if err := tune(name); err != nil {
		return err
	}
	if l.Attrs().Flags&net.FlagUp != 0 {
		return nil
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

func linkNames() (names []string) {
	links, _ := net.Interfaces()
	for _, l := range links {
		if l.Flags&net.FlagLoopback == 0 {
			names = append(names, l.Name)
		}
	}
	return names
}

// up starts the workers of a port whose cable is in.
func (p *port) up(ctx context.Context) {
	ctx, p.stop = context.WithCancel(ctx)
	p.carrier, p.since, p.trouble = true, time.Now(), ""
	p.net.log.Info("link is up", "role", p.role, "interface", p.link.Attrs().Name)
	if p.config.DHCP() {
		p.lease(ctx)
	} else {
		p.own = nil
		for _, prefix := range p.config.Addresses {
			p.own = append(p.own, &address{prefix: prefix, label: ownLabel})
		}
	}
	for _, a := range slices.Concat(p.virtual, p.own) {
		p.claim(ctx, a, false)
	}
}

// down stops the workers; addresses stay where they are.
func (p *port) down(why string) {
	if p.stop != nil {
		p.stop()
		p.stop = nil
		p.net.log.Warn("link is down", "role", p.role, "interface", p.base)
	}
	if p.carrier || p.trouble != why {
		p.since = time.Now()
	}
	p.carrier, p.trouble = false, why
	for _, a := range slices.Concat(p.virtual, p.own) {
		a.set(api.Waiting, "", why)
	}
}

// lease starts to follow a DHCP lease, beginning with the address that is there.
func (p *port) lease(ctx context.Context) {
	wanted := p.terms.prefix.Addr()
	if old, err := owned(p.link, ownLabel); err == nil && len(old) > 0 && !wanted.IsValid() {
		wanted = old[0].Addr()
	}
	link := p.hardware()
	check := func(a netip.Addr) (net.HardwareAddr, error) { return anybody(ctx, link, a) }
	go follow(ctx, link, p.net.config.Hostname, wanted, check, leaseOf{p, ctx})
}

// leaseOf brings the news of a lease to the goroutine that owns the port.
type leaseOf struct {
	*port
	ctx context.Context
}

func (l leaseOf) granted(t terms) {
	l.net.do(l.ctx, func() {
		if l.ctx.Err() != nil {
			return
		}
		same := l.terms.prefix == t.prefix && len(l.own) == 1
		l.terms, l.trouble = t, ""
		if same {
			l.apply(l.own[0]) // a new lifetime
			return
		}
		l.net.log.Info("DHCP lease", "interface", l.base, "address", t.prefix, "server", t.lease.Server, "until", t.lease.Expires)
		a := &address{prefix: t.prefix, label: ownLabel}
		l.own = []*address{a}
		l.port.claim(l.ctx, a, true)
	})
}

func (l leaseOf) lost(err error) {
	l.net.do(l.ctx, func() {
		if l.ctx.Err() != nil {
			return
		}
		if l.trouble != err.Error() {
			l.net.log.Warn("no DHCP lease", "interface", l.base, "err", err)
		}
		l.trouble = err.Error()
		if l.terms.prefix.IsValid() && !time.Now().Before(l.terms.lease.Expires) {
			l.terms, l.own = terms{}, nil
			l.sweep()
		}
	})
}

func (p *port) hardware() *net.Interface {
	a := p.link.Attrs()
	return &net.Interface{Index: a.Index, MTU: a.MTU, Name: a.Name, HardwareAddr: a.HardwareAddr, Flags: a.Flags}
}

func (p *port) gateway() netip.Addr {
	if p.config.DHCP() {
		return p.terms.gateway
	}
	return p.config.Gateway
}

// claim checks, puts and defends an address. One of IPv6 the kernel checks itself.
func (p *port) claim(ctx context.Context, a *address, checked bool) {
	if !a.prefix.Addr().Is4() {
		p.apply(a)
		return
	}
	a.set(api.Waiting, "", "checking that no other machine has it")
	go claim(ctx, p.hardware(), a.prefix.Addr(), checked, claimOf{p, a, ctx})
}
