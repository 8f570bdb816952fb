// Package naming answers for the names of groups, and watches over them: whether
// the site's name servers say of virtual addresses and nodes what they should.
//
// The answers are for MFDs and for name servers of the site that have the names
// delegated, or forwarded, to this box. It answers for its own names and addresses
// and for nothing else, so that it is of no use to strangers: it never asks others
// for them, its answers are small, and each asker gets only so many.
package naming

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Name is a group's name and the virtual address that it stands for.
type Name struct {
	FQDN    string // without the last dot, in lower case; empty: only the address is answered for
	Address netip.Addr
}

// Zone is what the box answers for.
type Zone struct {
	Names []Name
	TTL   time.Duration
	// Resolvers are believed when they say for which client they ask.
	Resolvers []netip.Addr
}

// Contact is a look-up of a group's name by an MFD.
type Contact struct{ VirtualAddress, Client netip.Addr }

// answer answers a question that came to the address at, from asker. Contact is
// valid when it was the look-up of a group.
func (z *Zone) answer(q *dns.Msg, asker, at netip.Addr) (*dns.Msg, Contact) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Compress = true
	if len(q.Question) != 1 || q.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeNotImplemented
		return m, Contact{}
	}
	client := asker
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(udpSize, false)
		if opt.Version() != 0 {
			m.Rcode = dns.RcodeBadVers
			return m, Contact{}
		}
		client = z.behind(opt, asker, m.IsEdns0())
	}
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	if question.Qclass != dns.ClassINET {
		m.Rcode = dns.RcodeRefused
		return m, Contact{}
	}
	n, apex, of := z.find(name)
	if of == nil {
		m.Rcode = dns.RcodeRefused
		return m, Contact{}
	}
	m.Authoritative = true
	if question.Qtype == dns.TypeANY {
		// RFC 8482: one small record instead of all.
		m.Answer = []dns.RR{&dns.HINFO{Hdr: z.header(question.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
		return m, Contact{}
	}
	if !of(name, n, at, m) {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa(apex, n)}
	}
	if m.Rcode == dns.RcodeSuccess {
		return m, Contact{n.Address, client}
	}
	return m, Contact{}
}

// find finds the zone that a name is in: the deepest, as one group's name may be
// below another's. of is nil for a name that is in none.
func (z *Zone) find(name string) (in Name, apex string, of func(string, Name, netip.Addr, *dns.Msg) bool) {
	for _, n := range z.Names {
		if n.FQDN == "" {
			continue
		}
		if own := dns.Fqdn(n.FQDN); dns.IsSubDomain(own, name) && len(own) > len(apex) {
			in, apex, of = n, own, z.forward
		}
		if own := reverseName(n.Address); dns.IsSubDomain(own, name) && len(own) > len(apex) {
			in, apex, of = n, own, z.reverse
		}
	}
	return in, apex, of
}

// forward answers within the zone of a group's name: the name itself, and the name
// of the name server in it. It reports whether the name exists.
func (z *Zone) forward(name string, n Name, at netip.Addr, m *dns.Msg) bool {
	q := m.Question[0]
	address := n.Address
	switch name {
	case dns.Fqdn(n.FQDN):
		if q.Qtype == dns.TypeNS || q.Qtype == dns.TypeSOA {
			m.Answer = []dns.RR{z.authority(q.Qtype, dns.Fqdn(n.FQDN), n)}
			return true
		}
	case server(n):
		address = at
	default:
		return false
	}
	switch {
	case q.Qtype == dns.TypeA && address.Is4():
		m.Answer = []dns.RR{&dns.A{Hdr: z.header(q.Name, dns.TypeA), A: address.AsSlice()}}
	case q.Qtype == dns.TypeAAAA && address.Is6():
		m.Answer = []dns.RR{&dns.AAAA{Hdr: z.header(q.Name, dns.TypeAAAA), AAAA: address.AsSlice()}}
	}
	return true
}

// reverse answers within the zone of a virtual address' reverse name.
func (z *Zone) reverse(name string, n Name, _ netip.Addr, m *dns.Msg) bool {
	if name != reverseName(n.Address) {
		return false
	}
	switch q := m.Question[0]; q.Qtype {
	case dns.TypePTR:
		m.Answer = []dns.RR{&dns.PTR{Hdr: z.header(q.Name, dns.TypePTR), Ptr: dns.Fqdn(n.FQDN)}}
	case dns.TypeNS, dns.TypeSOA:
		m.Answer = []dns.RR{z.authority(q.Qtype, name, n)}
	}
	return true
}

func (z *Zone) authority(kind uint16, apex string, n Name) dns.RR {
	if kind == dns.TypeNS {
		return &dns.NS{Hdr: z.header(apex, dns.TypeNS), Ns: server(n)}
	}
	return z.soa(apex, n)
}

func (z *Zone) soa(apex string, n Name) dns.RR {
	ttl := uint32(z.TTL.Seconds())
	return &dns.SOA{Hdr: z.header(apex, dns.TypeSOA), Ns: server(n), Mbox: "hostmaster." + dns.Fqdn(n.FQDN),
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 604800, Minttl: ttl}
}

func (z *Zone) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(z.TTL.Seconds())}
}

// server is the name of the name server of a group's zone, which is this box.
func server(n Name) string { return "ns." + dns.Fqdn(n.FQDN) }

func reverseName(a netip.Addr) string {
	name, err := dns.ReverseAddr(a.String())
	if err != nil {
		return "." // of an address that is none; nobody asks for it
	}
	return name
}

// behind is the client that a resolver of the site asks for, when it names one
// machine and not a network (RFC 7871); the asker itself otherwise.
func (z *Zone) behind(opt *dns.OPT, asker netip.Addr, reply *dns.OPT) netip.Addr {
	for _, o := range opt.Option {
		subnet, ok := o.(*dns.EDNS0_SUBNET)
		if !ok {
			continue
		}
		// The answer is the same for every client.
		echo := *subnet
		echo.SourceScope = 0
		reply.Option = append(reply.Option, &echo)
		a, valid := netip.AddrFromSlice(subnet.Address)
		if a = a.Unmap(); !valid || int(subnet.SourceNetmask) != a.BitLen() {
			continue
		}
		for _, r := range z.Resolvers {
			if r == asker {
				return a
			}
		}
	}
	return asker
}
