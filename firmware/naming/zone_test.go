package naming

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var (
	vip    = netip.MustParseAddr("198.18.0.10")
	box    = netip.MustParseAddr("198.18.0.2")
	asker  = netip.MustParseAddr("198.18.1.20")
	ofSite = netip.MustParseAddr("198.18.0.53")
)

func zone() *Zone {
	return &Zone{TTL: time.Minute, Resolvers: []netip.Addr{ofSite}, Names: []Name{{"print.example.com", vip}, {"", netip.MustParseAddr("198.18.0.11")}}}
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

func TestAnswersAreForItsOwnNamesAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kind    uint16
		rcode   int
		answer  string // the data of the one answer
		contact bool
	}{
		{"print.example.com.", dns.TypeA, dns.RcodeSuccess, "198.18.0.10", true},
		{"PRINT.Example.com.", dns.TypeA, dns.RcodeSuccess, "198.18.0.10", true},
		{"print.example.com.", dns.TypeAAAA, dns.RcodeSuccess, "", true},
		{"print.example.com.", dns.TypeMX, dns.RcodeSuccess, "", true},
		{"print.example.com.", dns.TypeNS, dns.RcodeSuccess, "ns.print.example.com.", true},
		{"ns.print.example.com.", dns.TypeA, dns.RcodeSuccess, "198.18.0.2", true},
		{"10.0.18.198.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "print.example.com.", true},
		{"10.0.18.198.in-addr.arpa.", dns.TypeA, dns.RcodeSuccess, "", true},
		{"print.example.com.", dns.TypeANY, dns.RcodeSuccess, "RFC8482", false},
		{"x.print.example.com.", dns.TypeA, dns.RcodeNameError, "", false},
		{"1.10.0.18.198.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, "", false},
		{"example.com.", dns.TypeA, dns.RcodeRefused, "", false},
		{"example.org.", dns.TypeA, dns.RcodeRefused, "", false},
		{"11.0.18.198.in-addr.arpa.", dns.TypePTR, dns.RcodeRefused, "", false},
		{".", dns.TypeNS, dns.RcodeRefused, "", false},
	} {
		m, contact := zone().answer(question(tt.name, tt.kind), asker, box)
		var data []string
		for _, rr := range m.Answer {
			for i := 1; i <= dns.NumField(rr); i++ {
				data = append(data, dns.Field(rr, i))
			}
		}
		found := tt.answer == "" && len(m.Answer) == 0 || slices.Contains(data, tt.answer) && len(m.Answer) == 1
		if m.Rcode != tt.rcode || !found || contact.Client.IsValid() != tt.contact || m.RecursionAvailable {
			t.Errorf("%s %s: %v, contact %v", tt.name, dns.TypeToString[tt.kind], m, contact)
		}
		if refused := m.Rcode == dns.RcodeRefused; m.Authoritative == refused || len(m.Answer) == 0 && !refused && len(m.Ns) != 1 {
			t.Errorf("%s %s: authority %v", tt.name, dns.TypeToString[tt.kind], m)
		}
	}
}

// A group's name may be below another's, in whatever order they are written.
func TestNameBelowAnotherGroupsNameHasItsOwnAddress(t *testing.T) {
	other, third := netip.MustParseAddr("198.18.0.20"), netip.MustParseAddr("198.18.0.30")
	names := []Name{{"print.example.com", vip}, {"color.print.example.com", other}, {"ns.print.example.com", third}}
	for range names {
		names = append(names[1:], names[0])
		z := &Zone{TTL: time.Minute, Names: names}
		for _, n := range names {
			m, c := z.answer(question(n.FQDN+".", dns.TypeA), asker, box)
			if len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != n.Address.String() || c.VirtualAddress != n.Address {
				t.Errorf("%s: %v, contact of %v", n.FQDN, m, c.VirtualAddress)
			}
		}
	}
}

func TestLookUpIsTheContactOfWhoAsksAndOfWhomAListedResolverAsksFor(t *testing.T) {
	ask := func(from netip.Addr, subnet string) netip.Addr {
		q := question("print.example.com.", dns.TypeA)
		if subnet != "" {
			p := netip.MustParsePrefix(subnet)
			q.SetEdns0(1232, false)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}}
		}
		_, c := zone().answer(q, from, box)
		if c.VirtualAddress != vip {
			t.Errorf("contact of %v", c.VirtualAddress)
		}
		return c.Client
	}
	for _, tt := range []struct {
		from   netip.Addr
		subnet string
		want   netip.Addr
	}{
		{asker, "", asker}, {ofSite, "", ofSite}, {ofSite, "198.18.1.77/32", netip.MustParseAddr("198.18.1.77")},
		{ofSite, "198.18.1.0/24", ofSite}, {asker, "198.18.1.77/32", asker},
	} {
		if got := ask(tt.from, tt.subnet); got != tt.want {
			t.Errorf("%v for %q is the contact of %v, want %v", tt.from, tt.subnet, got, tt.want)
		}
	}
}

func FuzzNoMessageBreaksTheAnswer(f *testing.F) {
	for _, kind := range []uint16{dns.TypeA, dns.TypePTR, dns.TypeANY} {
		q, err := question("print.example.com.", kind).SetEdns0(1232, true).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		q := new(dns.Msg)
		if q.Unpack(packet) != nil {
			return
		}
		m, _ := zone().answer(q, ofSite, box)
		m.Truncate(udpSize)
		out, err := m.Pack()
		if err != nil || len(out) > udpSize {
			t.Fatalf("%d bytes, %v: %v", len(out), err, m)
		}
	})
}
