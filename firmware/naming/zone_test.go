package naming

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"spoolgate/firmware/config"
)

var (
	vip    = netip.MustParseAddr("198.18.0.10")
	box    = netip.MustParseAddr("198.18.0.2")
	asker  = netip.MustParseAddr("198.18.1.20")
	ofSite = netip.MustParseAddr("198.18.0.53")
)

// zone has two groups, the name of one of which is below that of the other.
func zone() *Zone {
	return &Zone{TTL: time.Minute, Resolvers: []netip.Addr{ofSite},
		Names: []Name{{"print.example.com", vip}, {"scan.hall.print.example.com", netip.MustParseAddr("198.18.0.20")}}}
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

// answerTo is a question as a packet over UDP, and the answer taken apart.
func answerTo(t *testing.T, q *dns.Msg, from netip.Addr) (*dns.Msg, Contact) {
	t.Helper()
	packet, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	reply, contact := zone().answer(request{packet: packet, asker: from, at: box})
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("%v: answer %x: %v", q, reply, err)
	}
	return m, contact
}

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
		{"print.example.com.", dns.TypeDS, dns.RcodeSuccess, "", true},
		{"print.example.com.", dns.TypeNS, dns.RcodeSuccess, "ns.print.example.com.", true},
		{"print.example.com.", dns.TypeSOA, dns.RcodeSuccess, "hostmaster.print.example.com.", true},
		{"ns.print.example.com.", dns.TypeA, dns.RcodeSuccess, "198.18.0.2", false},
		{"ns.print.example.com.", dns.TypeAAAA, dns.RcodeSuccess, "", false},
		{"10.0.18.198.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "print.example.com.", true},
		{"10.0.18.198.IN-ADDR.arpa.", dns.TypePTR, dns.RcodeSuccess, "print.example.com.", true},
		{"10.0.18.198.in-addr.arpa.", dns.TypeA, dns.RcodeSuccess, "", true},
		{"print.example.com.", dns.TypeANY, dns.RcodeSuccess, "RFC8482", true},
		{"x.print.example.com.", dns.TypeA, dns.RcodeNameError, "", false},
		{"x.print.example.com.", dns.TypeANY, dns.RcodeNameError, "", false},
		{"ns.10.0.18.198.in-addr.arpa.", dns.TypeA, dns.RcodeNameError, "", false},
		{"scan.hall.print.example.com.", dns.TypeA, dns.RcodeSuccess, "198.18.0.20", true},
		{"hall.print.example.com.", dns.TypeA, dns.RcodeSuccess, "", false},
		{"ns.scan.hall.print.example.com.", dns.TypeA, dns.RcodeSuccess, "198.18.0.2", false},
		{"1.10.0.18.198.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, "", false},
		{"print.example.com.", dns.TypeAXFR, dns.RcodeRefused, "", false},
		{"print.example.com.", dns.TypeIXFR, dns.RcodeRefused, "", false},
		{"example.com.", dns.TypeA, dns.RcodeRefused, "", false},
		{"example.org.", dns.TypeA, dns.RcodeRefused, "", false},
		{"11.0.18.198.in-addr.arpa.", dns.TypePTR, dns.RcodeRefused, "", false},
		{".", dns.TypeNS, dns.RcodeRefused, "", false},
	} {
		m, contact := answerTo(t, question(tt.name, tt.kind), asker)
		var data []string
		for _, rr := range m.Answer {
			if rr.Header().Name != tt.name {
				t.Errorf("%s is answered for as %s", tt.name, rr.Header().Name)
			}
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
	names := []Name{{"print.example.com", vip}, {"color.print.example.com", netip.MustParseAddr("198.18.0.20")}, {"a.b.print.example.com", netip.MustParseAddr("198.18.0.30")}}
	for range names {
		names = append(names[1:], names[0])
		z := &Zone{TTL: time.Minute, Names: names}
		for _, n := range names {
			packet, err := question(n.FQDN+".", dns.TypeA).Pack()
			if err != nil {
				t.Fatal(err)
			}
			reply, c := z.answer(request{packet: packet, asker: asker, at: box})
			m := new(dns.Msg)
			if err := m.Unpack(reply); err != nil || len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != n.Address.String() || c.VirtualAddress != n.Address {
				t.Errorf("%s: %v %v, contact of %v", n.FQDN, err, m, c.VirtualAddress)
			}
		}
	}
}

func TestLookUpIsTheContactOfWhoAsksAndOfWhomAListedResolverAsksFor(t *testing.T) {
	for _, tt := range []struct {
		from   netip.Addr
		subnet string
		want   netip.Addr
		scope  string // of the answer: "" when the option is not in it
	}{
		{asker, "", asker, ""}, {ofSite, "", ofSite, ""},
		{ofSite, "198.18.1.77/32", netip.MustParseAddr("198.18.1.77"), "198.18.1.77/32/32"},
		{ofSite, "198.18.1.0/24", ofSite, "198.18.1.0/24/0"}, {ofSite, "0.0.0.0/0", ofSite, "0.0.0.0/0/0"},
		{asker, "198.18.1.77/32", asker, ""},
	} {
		q := question("print.example.com.", dns.TypeA)
		if tt.subnet != "" {
			p := netip.MustParsePrefix(tt.subnet)
			q.SetEdns0(1232, false)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}}
		}
		m, c := answerTo(t, q, tt.from)
		if c != (Contact{vip, tt.want}) {
			t.Errorf("%v for %q is the contact %v, want of %v", tt.from, tt.subnet, c, tt.want)
		}
		scope := ""
		if opt := m.IsEdns0(); opt != nil && len(opt.Option) > 0 {
			scope = opt.Option[0].String()
		}
		if scope != tt.scope {
			t.Errorf("%v for %q is told scope %q, want %q", tt.from, tt.subnet, scope, tt.scope)
		}
	}
}

// The longest name that a group may have leaves room for those that the box makes of
// it, and its answers still fit into the smallest packet.
func TestLongestNameIsAnsweredForWhole(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := label + "." + label + "." + label + "."
	long += strings.Repeat("b", config.MaxDNSName-len(long))
	z := &Zone{TTL: time.Minute, Names: []Name{{long, vip}}}
	for _, ask := range []struct {
		name string
		kind uint16
	}{{long + ".", dns.TypeA}, {long + ".", dns.TypeSOA}, {long + ".", dns.TypeNS}, {long + ".", dns.TypeMX}, {"ns." + long + ".", dns.TypeA},
		{"x." + long + ".", dns.TypeA}, {"10.0.18.198.in-addr.arpa.", dns.TypePTR}, {"10.0.18.198.in-addr.arpa.", dns.TypeTXT}} {
		packet, err := question(ask.name, ask.kind).Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := z.answer(request{packet: packet, asker: asker, at: box})
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil || m.Truncated || len(m.Answer)+len(m.Ns) != 1 {
			t.Errorf("%s: %v %v", ask.name, err, m)
		}
	}
}
