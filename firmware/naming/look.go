package naming

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"spoolgate/firmware/api"
)

// Looker asks the site's name servers.
type Looker struct {
	// Resolvers returns those to ask.
	Resolvers func() []netip.Addr
}

const noServer = "no name server is known: set naming.resolvers or service.dns, or let DHCP bring one"

// Look asks what the name servers say of names and addresses that should stand for
// each other. Each server is asked, as each may be the one that an MFD asks: one that
// says something wrong is believed before those that are right. One that is silent is
// not waited for again.
//
// Without a name only the address is asked for, and any name that leads back to it is
// right.
func (l *Looker) Look(ctx context.Context, checks []api.NameCheck) api.Names {
	all := l.Resolvers()
	silent := map[netip.Addr]string{}
	found := api.Names{Checks: make([]api.NameCheck, len(checks)), Servers: []api.NameServer{}}
	for i, c := range checks {
		found.Checks[i] = look(ctx, c, all, silent)
	}
	for _, s := range all {
		found.Servers = append(found.Servers, api.NameServer{Address: s, Wrong: silent[s]})
	}
	return found
}

func look(ctx context.Context, c api.NameCheck, servers []netip.Addr, silent map[netip.Addr]string) api.NameCheck {
	c.Forward, c.Reverse = []netip.Addr{}, []string{}
	var right *api.NameCheck
	var unknown []string
	for _, s := range servers {
		if silent[s] != "" {
			unknown = append(unknown, fmt.Sprintf("%s %s", s, silent[s]))
			continue
		}
		said, err := saidBy(ctx, s, c)
		var notKnown answered
		switch {
		case err != nil:
			unknown = append(unknown, fmt.Sprintf("%s %s", s, err))
			if !errors.As(err, &notKnown) {
				silent[s] = err.Error()
			}
		case said.ForwardWrong != "" || said.ReverseWrong != "":
			return said
		case right == nil:
			right = &said
		}
	}
	switch {
	case right != nil:
		return *right
	case len(unknown) == 0:
		unknown = []string{noServer}
	}
	c.ResolverWrong = strings.Join(unknown, "; ")
	return c
}

// saidBy is what one server says, and what is wrong with it.
func saidBy(ctx context.Context, server netip.Addr, c api.NameCheck) (api.NameCheck, error) {
	c.Resolver = server.String()
	reverse, err := ask(ctx, server, reverseName(c.Address), dns.TypePTR)
	if err != nil {
		return c, err
	}
	for _, rr := range reverse {
		if ptr, ok := rr.(*dns.PTR); ok {
			c.Reverse = append(c.Reverse, strings.ToLower(strings.TrimSuffix(ptr.Ptr, ".")))
		}
	}
	name := c.Name
	if name == "" && len(c.Reverse) > 0 {
		name = c.Reverse[0]
	}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		// An MFD that knows both would take the address that is not the box's.
		if own := (kind == dns.TypeA) == c.Address.Is4(); name == "" || !own && !ofGroup(c) {
			continue
		}
		forward, err := ask(ctx, server, dns.Fqdn(name), kind)
		if err != nil {
			return c, err
		}
		c.Forward = append(c.Forward, addressesIn(forward)...)
	}
	slices.SortFunc(c.Forward, netip.Addr.Compare)
	judge(&c)
	return c, nil
}

func addressesIn(records []dns.RR) (out []netip.Addr) {
	for _, rr := range records {
		var ip []byte
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A.To4()
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a)
		}
	}
	return out
}
