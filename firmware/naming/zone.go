// Package naming answers for the names of groups, and watches over them: whether
// the site's name servers say of virtual addresses and nodes what they should.
//
// The answers are for MFDs and for name servers of the site that have the names
// delegated, or forwarded, to this box. It answers for its own names and addresses
// and for nothing else, so that it is of no use to strangers: it never asks others
// for them, its answers are small, and each asker gets only so many. Whatever comes
// in, the engine goes on: the two share a process and nothing else.
package naming

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Name is a group's name and the virtual address that it stands for.
type Name struct {
	FQDN    string // without the last dot, in lower case, at most config.MaxDNSName long
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

// apex is a name that the box has authority over, with all below it: that of a group
// or the reverse of a virtual address. Each is a zone of its own, so that a site can
// delegate it.
type apex struct {
	Name
	zone    string
	reverse bool
}

// find is the zone that a name is in; of several, one of which is in the other, the
// inner one.
func (z *Zone) find(name string) (in apex, found bool) {
	for _, n := range z.Names {
		for _, a := range []apex{{n, dns.Fqdn(n.FQDN), false}, {n, reverseName(n.Address), true}} {
			if dns.IsSubDomain(a.zone, name) && len(a.zone) > len(in.zone) {
				in, found = a, true
			}
		}
	}
	return in, found
}

// above reports whether one of the box's names is below name. Then name exists too,
// without a record: to be told otherwise stops a name server from asking for the one
// below (RFC 8020).
func (z *Zone) above(name string) bool {
	for _, n := range z.Names {
		if strings.HasSuffix(dns.Fqdn(n.FQDN), "."+name) {
			return true
		}
	}
	return false
}

// fill puts the records for the one question of m, which came to the address at, into
// it. It returns the group that was asked for, if one was.
func (z *Zone) fill(m *dns.Msg, at netip.Addr) (group netip.Addr) {
	q := m.Question[0]
	name := strings.ToLower(q.Name)
	in, ours := z.find(name)
	if q.Qclass != dns.ClassINET || !ours || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		m.Rcode = dns.RcodeRefused
		return netip.Addr{}
	}
	m.Authoritative = true
	records, exists := z.records(in, name, q.Name, at)
	for _, rr := range records {
		if rr.Header().Rrtype == q.Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	switch {
	case !exists:
		m.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeANY:
		// RFC 8482: one small record instead of all.
		m.Answer = []dns.RR{&dns.HINFO{Hdr: z.header(q.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{z.soa(in, in.zone)}
	}
	if name != in.zone {
		return netip.Addr{}
	}
	return in.Address
}

// records are those of a name in a zone, and whether it exists: it may have none. They
// are written as the name was asked for, whose letters may be large and small to tell
// the answer from a forged one.
func (z *Zone) records(in apex, name, asked string, at netip.Addr) (records []dns.RR, exists bool) {
	switch {
	case name == in.zone && in.reverse:
		records = []dns.RR{&dns.PTR{Hdr: z.header(asked, dns.TypePTR), Ptr: dns.Fqdn(in.FQDN)}}
	case name == in.zone:
		records = []dns.RR{z.host(asked, in.Address)}
	case name == server(in.Name) && !in.reverse:
		return []dns.RR{z.host(asked, at)}, true
	default:
		return nil, z.above(name)
	}
	return append(records, z.soa(in, asked), &dns.NS{Hdr: z.header(asked, dns.TypeNS), Ns: server(in.Name)}), true
}

func (z *Zone) host(name string, a netip.Addr) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: z.header(name, dns.TypeA), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: z.header(name, dns.TypeAAAA), AAAA: a.AsSlice()}
}

func (z *Zone) soa(in apex, name string) dns.RR {
	return &dns.SOA{Hdr: z.header(name, dns.TypeSOA), Ns: server(in.Name), Mbox: "hostmaster." + dns.Fqdn(in.FQDN),
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 604800, Minttl: uint32(z.TTL.Seconds())}
}

func (z *Zone) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(z.TTL.Seconds())}
}

// server is the name of the name server of a group's zone, which is this box.
func server(n Name) string { return "ns." + dns.Fqdn(n.FQDN) }

func reverseName(a netip.Addr) string {
	name, err := dns.ReverseAddr(a.String())
	if err != nil {
		return "" // of an address that is none
	}
	return name
}
