package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/naming"
)

// names is what the engine does about names: it has the responder know them, takes
// look-ups for contacts, and keeps what the site's name servers say.
type names struct {
	responder *naming.Responder
	looker    *naming.Looker
	watch     *naming.Watch
	found     api.Names
	next      time.Time // look
	collect   time.Time // look-ups, not before
	asked     int       // how often what is to be looked at has changed
	looking   bool
}

// nameLook is what a look is to be at, and how often that had changed before.
type nameLook struct {
	checks []api.NameCheck
	asked  int
}

// doubtfulAfter is how soon a name is looked at again that was found other than before.
const doubtfulAfter = 5 * time.Second

func (e *Engine) newNames() names {
	return names{
		responder: naming.NewResponder(e.opts.Log, e.opts.Now),
		looker:    &naming.Looker{Resolvers: func() []netip.Addr { return e.resolvers() }},
		watch:     naming.NewWatch(),
		found:     noNames(),
	}
}

// resolvers are the configured ones, or those of the network.
func (e *Engine) resolvers() []netip.Addr {
	if r := *e.siteResolvers.Load(); len(r) > 0 {
		return r
	}
	c, err := dns.ClientConfigFromFile(e.opts.ResolvConf)
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, s := range c.Servers {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// nameGroups has the responder answer for the configured names.
func (e *Engine) nameGroups() {
	resolvers := slices.Clone(e.config.Naming.Resolvers)
	e.siteResolvers.Store(&resolvers)
	z := naming.Zone{TTL: e.config.Naming.TTL, Resolvers: resolvers}
	for _, g := range e.groups {
		if g.DNSName != "" {
			z.Names = append(z.Names, naming.Name{FQDN: g.DNSName, Address: g.VirtualAddress})
		}
	}
	e.names.responder.Set(z)
	e.names.next = time.Time{}
	e.names.asked++
}

// answerFrom are the box's own addresses in the networks of the virtual addresses that
// have a name. Names are answered for there, and not at a virtual address, where
// everything but the groups' ports is refused: and a pair of boxes is two name servers.
func (e *Engine) answerFrom() (out []netip.Addr) {
	if !e.config.Naming.Listen {
		return nil
	}
	for _, g := range e.groups {
		if g.DNSName == "" {
			continue
		}
		at := e.source.beside(g.VirtualAddress)
		if len(at) == 0 { // it is routed to the box, and in no network of its
			for _, p := range e.config.Service.Addresses {
				at = append(at, p.Addr())
			}
		}
		out = append(out, at...)
	}
	return out
}

// tickNames is called every second.
func (e *Engine) tickNames(now time.Time) {
	e.names.responder.Listen(e.answerFrom())
	e.contacts(now)
	if e.names.looking || now.Before(e.names.next) || e.looks == nil {
		return
	}
	checks := e.nameChecks()
	if len(checks) == 0 {
		e.learnNames(noNames(), now)
		return
	}
	select {
	case e.looks <- nameLook{checks, e.names.asked}:
		e.names.looking = true
	default:
	}
}

const (
	// contactsEvery is the least time between two collections of look-ups.
	contactsEvery = 100 * time.Millisecond
	// contactsShare is the part of its time, one in so many, that the loop spends on
	// them: with 100,000 bindings the kernel takes half a second to renew one.
	contactsShare = 20
)

// contacts takes look-ups for signs of life (requirement: "if connection (incl. DNS
// lookup) attempts are made by the MFD"). One that is not bound stays so: which node
// it gets is decided by its first connection. The kernel has the last word on who is
// bound: a window that ended there a moment ago is not begun anew here.
func (e *Engine) contacts(now time.Time) {
	if now.Before(e.names.collect) {
		return // the next tick after that does it
	}
	found := e.names.responder.Contacts()
	if len(found) == 0 {
		return
	}
	var renew []dataplane.Binding
	for _, c := range found {
		g := e.byVIP[c.VirtualAddress]
		if g == nil {
			continue
		}
		if b, bound := g.policy.Lookup(c.Client, now); bound {
			renew = append(renew, dataplane.Binding{VirtualAddress: g.VirtualAddress, Client: c.Client, Mark: dataplane.Mark(b.Node)})
		}
	}
	for _, b := range e.refresh(renew, "that looked the name up") {
		e.byVIP[b.VirtualAddress].seen.LookedUp(1)
		e.byVIP[b.VirtualAddress].policy.Renew(b.Client, now)
	}
	done := e.opts.Now()
	e.names.collect = done.Add(max(contactsEvery, contactsShare*done.Sub(now)))
}

// nameChecks are the names and addresses to look at: all, once one group has a name.
func (e *Engine) nameChecks() (checks []api.NameCheck) {
	for _, g := range e.groups {
		if g.DNSName == "" {
			continue
		}
		checks = append(checks, api.NameCheck{Group: g.Name, Name: g.DNSName, Address: g.VirtualAddress})
		for _, m := range g.members {
			checks = append(checks, api.NameCheck{Group: g.Name, Node: m.Name, Name: m.DNSName, Address: m.Address})
		}
	}
	return checks
}

// followNames looks at names when asked to, until ctx ends: a name server may take
// its time.
func (e *Engine) followNames(ctx context.Context, looks <-chan nameLook) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-looks:
			found := e.names.looker.Look(ctx, l.checks)
			if ctx.Err() != nil || e.ask(ctx, func() { e.looked(l, found) }) != nil {
				return
			}
		}
	}
}

// looked takes what a look found, unless the configuration has changed meanwhile: then
// the next tick looks at what it says now.
func (e *Engine) looked(l nameLook, found api.Names) {
	e.names.looking = false
	if l.asked != e.names.asked {
		return
	}
	now := e.opts.Now()
	found.Looked = now
	naming.Date(e.names.found.Checks, found.Checks, now)
	e.learnNames(found, now)
}

// noNames is what is found where no name is looked at.
func noNames() api.Names { return api.Names{Checks: []api.NameCheck{}, Servers: []api.NameServer{}} }

func (e *Engine) learnNames(found api.Names, now time.Time) {
	e.names.found = found
	for _, ev := range e.names.watch.Observe(found) {
		e.tell(ev)
	}
	e.names.next = now.Add(e.config.Naming.Interval)
	if e.names.watch.Doubtful() {
		e.names.next = now.Add(min(doubtfulAfter, e.config.Naming.Interval))
	}
}
