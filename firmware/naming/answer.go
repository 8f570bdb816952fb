package naming

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// udpSize is the largest answer over UDP: it fits into one packet of any network.
const udpSize = 1232

// request is a message as it came, and between whom.
type request struct {
	packet []byte
	asker  netip.Addr
	at     netip.Addr // the own address that it came to
	stream bool       // over TCP
}

// answer answers a request; nil is no answer. Contact is valid when it was the
// look-up of a group.
func (z *Zone) answer(r request) ([]byte, Contact) {
	q := new(dns.Msg)
	if err := q.Unpack(r.packet); err != nil {
		if len(r.packet) < headerSize || q.Response {
			return nil, Contact{} // no question; an answer to an answer would go on for ever
		}
		return pack(refusal(q, dns.RcodeFormatError)), Contact{}
	}
	if q.Response {
		return nil, Contact{}
	}
	m, contact := z.reply(q, r)
	size := dns.MaxMsgSize
	if !r.stream {
		size = dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpSize)
		}
	}
	m.Truncate(size)
	return pack(m), contact
}

// headerSize is the least that a message has, in bytes.
const headerSize = 12

func (z *Zone) reply(q *dns.Msg, r request) (*dns.Msg, Contact) {
	opts := slices.DeleteFunc(slices.Clone(q.Extra), func(rr dns.RR) bool { return rr.Header().Rrtype != dns.TypeOPT })
	switch {
	case q.Opcode != dns.OpcodeQuery:
		return refusal(q, dns.RcodeNotImplemented), Contact{}
	case len(q.Question) != 1, len(q.Answer) > 0, len(opts) > 1:
		return refusal(q, dns.RcodeFormatError), Contact{}
	}
	m := new(dns.Msg).SetReply(q)
	m.Compress = true
	client := r.asker
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(udpSize, opt.Do())
		if opt.Version() != 0 {
			m.Rcode = dns.RcodeBadVers
			return m, Contact{}
		}
		client = z.behind(opt, r.asker, m.IsEdns0())
	}
	group := z.fill(m, r.at)
	if !group.IsValid() {
		return m, Contact{}
	}
	return m, Contact{group, client}
}

// refusal is a header alone: it repeats nothing of what was not understood.
func refusal(q *dns.Msg, rcode int) *dns.Msg {
	return &dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Opcode: q.Opcode, RecursionDesired: q.RecursionDesired, Rcode: rcode}}
}

// truncated tells whoever asks too much over UDP to ask over TCP, where nobody can
// ask in another's name. It is no larger than the question.
func truncated(packet []byte) []byte {
	q := new(dns.Msg)
	if q.Unpack(packet) != nil || q.Response || q.Opcode != dns.OpcodeQuery || len(q.Question) != 1 {
		return nil
	}
	m := new(dns.Msg).SetReply(q)
	m.Truncated = true
	return pack(m)
}

func pack(m *dns.Msg) []byte {
	out, err := m.Pack()
	if err != nil {
		return nil // what was asked can't be written, so it can't be asked for either
	}
	return out
}

// behind is the client that a resolver of the site asks for, when it names one
// machine and not a network (RFC 7871); the asker itself otherwise. The reply then
// says that it is for that machine alone, though all get the same: or the resolver
// would answer the next MFD by itself, whose look-up would be no contact.
func (z *Zone) behind(opt *dns.OPT, asker netip.Addr, reply *dns.OPT) netip.Addr {
	if !slices.Contains(z.Resolvers, asker) {
		return asker // who is not listed is not heard, as if the option were not known
	}
	for _, o := range opt.Option {
		subnet, ok := o.(*dns.EDNS0_SUBNET)
		if !ok {
			continue
		}
		a, valid := netip.AddrFromSlice(subnet.Address)
		a = a.Unmap()
		echo := *subnet
		echo.SourceScope = 0
		one := valid && int(subnet.SourceNetmask) == a.BitLen()
		if one {
			echo.SourceScope = echo.SourceNetmask
		}
		reply.Option = append(reply.Option, &echo)
		if one {
			return a
		}
		break
	}
	return asker
}
