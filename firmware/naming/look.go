package naming

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"spoolgate/firmware/api"
)

// Looker asks the site's name servers.
type Looker struct {
	// Resolvers returns those to ask, in this order.
	Resolvers func() []netip.Addr
}

// patience is how long a name server may take to answer; it is asked twice.
const patience = 2 * time.Second

var errNoResolver = errors.New("no name server is known: set naming.resolvers or service.dns, or let DHCP bring one")

// Look asks what the name servers say of a name and an address that should stand
// for each other. Without a name only the address is asked for, and any name that
// leads back to it is right.
func (l *Looker) Look(ctx context.Context, c api.NameCheck) api.NameCheck {
	c.Forward, c.Reverse = []netip.Addr{}, []string{}
	names, by, err := l.reverse(ctx, c.Address)
	if err == nil {
		c.Reverse, c.Resolver = names, by
		name := c.Name
		if name == "" && len(names) > 0 {
			name = names[0]
		}
		if name != "" {
			c.Forward, c.Resolver, err = l.forward(ctx, name, c.Address)
		}
	}
	if err != nil {
		c.ResolverWrong = err.Error()
		return c
	}
	judge(&c)
	return c
}

// judge says what is wrong with the answers.
func judge(c *api.NameCheck) {
	record := fmt.Sprintf("add a PTR record for %s -> %s", c.Address, c.Name)
	switch {
	case c.Name == "":
		if len(c.Reverse) > 0 && !slices.Contains(c.Forward, c.Address) {
			c.ForwardWrong = fmt.Sprintf("%s is named %s, and that name does not lead back to it, says %s", c.Address, c.Reverse[0], c.Resolver)
		}
		return
	case len(c.Reverse) == 0:
		c.ReverseWrong = fmt.Sprintf("%s has no name, says %s: %s", c.Address, c.Resolver, record)
	case len(c.Reverse) > 1 && slices.Contains(c.Reverse, c.Name):
		c.ReverseWrong = fmt.Sprintf("%s has several names, says %s: %s; leave only %s", c.Address, c.Resolver, strings.Join(c.Reverse, ", "), c.Name)
	case c.Reverse[0] != c.Name:
		c.ReverseWrong = fmt.Sprintf("%s is named %s and not %s, says %s: %s in place of it", c.Address, strings.Join(c.Reverse, ", "), c.Name, c.Resolver, record)
	}
	record = fmt.Sprintf("%s -> %s", c.Name, c.Address)
	switch {
	case len(c.Forward) == 0:
		c.ForwardWrong = fmt.Sprintf("%s has no address, says %s: add an A record %s, or delegate the name to this box", c.Name, c.Resolver, record)
	case len(c.Forward) > 1 && slices.Contains(c.Forward, c.Address):
		c.ForwardWrong = fmt.Sprintf("%s has several addresses, says %s: %v; leave only %s, or MFDs go to the others", c.Name, c.Resolver, c.Forward, c.Address)
	case c.Forward[0] != c.Address:
		c.ForwardWrong = fmt.Sprintf("%s is %v and not %s, says %s: correct its A record", c.Name, c.Forward, c.Address, c.Resolver)
	}
}

func (l *Looker) reverse(ctx context.Context, a netip.Addr) (names []string, by string, err error) {
	m, by, err := l.ask(ctx, reverseName(a), dns.TypePTR)
	if err != nil {
		return nil, by, err
	}
	names = []string{}
	for _, rr := range m.Answer {
		if ptr, ok := rr.(*dns.PTR); ok {
			names = append(names, strings.ToLower(strings.TrimSuffix(ptr.Ptr, ".")))
		}
	}
	return names, by, nil
}

func (l *Looker) forward(ctx context.Context, name string, like netip.Addr) (addresses []netip.Addr, by string, err error) {
	kind := dns.TypeAAAA
	if like.Is4() {
		kind = dns.TypeA
	}
	m, by, err := l.ask(ctx, dns.Fqdn(name), kind)
	if err != nil {
		return nil, by, err
	}
	addresses = []netip.Addr{}
	for _, rr := range m.Answer {
		var ip []byte
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A.To4()
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			addresses = append(addresses, a)
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return addresses, by, nil
}

// ask asks one name server after the other until one answers. That there is no such
// name is an answer; that it does not know is none.
func (l *Looker) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, string, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(udpSize, false)
	var errs []error
	for _, r := range l.Resolvers() {
		m, err := exchange(ctx, q, netip.AddrPortFrom(r, 53))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s does not answer (%w)", r, err))
		case m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError:
			return m, r.String(), nil
		default:
			errs = append(errs, fmt.Errorf("%s answers %s", r, dns.RcodeToString[m.Rcode]))
		}
	}
	if len(errs) == 0 {
		return nil, "", errNoResolver
	}
	return nil, "", errors.Join(errs...)
}

func exchange(ctx context.Context, q *dns.Msg, at netip.AddrPort) (m *dns.Msg, err error) {
	for range 2 {
		c := &dns.Client{Timeout: patience, UDPSize: udpSize}
		if m, _, err = c.ExchangeContext(ctx, q, at.String()); err == nil && m.Truncated {
			c.Net = "tcp"
			m, _, err = c.ExchangeContext(ctx, q, at.String())
		}
		if err == nil {
			return m, nil
		}
	}
	return nil, err
}
