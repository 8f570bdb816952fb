package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Naming is how the box answers for the names of its groups, and watches over them.
type Naming struct {
	// Resolvers are the site's name servers. They are asked whether the names are
	// right, and believed when they say for which MFD they ask (RFC 7871). Empty
	// means those of the network.
	Resolvers []netip.Addr
	// Interval is the time between two looks at the names.
	Interval time.Duration
	// TTL is how long others may keep an answer of this box.
	TTL time.Duration
	// Listen is whether the box answers; without, it only watches.
	Listen bool
}

// MaxDNSName is the longest name of a group, in characters: what the box answers has
// names below it, and the longest of DNS has 253.
const MaxDNSName = 253 - len("hostmaster.")

const (
	defaultNamingInterval = 5 * time.Minute
	// Short, so that MFDs ask again within every window: a look-up renews it.
	defaultNamingTTL = time.Minute
)

func readNaming(s *section, limits Limits) Naming {
	n := Naming{
		Resolvers: s.addresses("resolvers"),
		Interval: s.duration("interval", defaultNamingInterval, limits.MinLook, 24*time.Hour,
			"names change seldom, and each look asks the site's name servers some questions",
			"a record that is wrong should be known within a day"),
		TTL: s.duration("ttl", defaultNamingTTL, time.Second, time.Hour,
			"a name that is kept for less than a second would be asked for at every connection",
			"a name that is kept for long is not looked up, and a look-up is what renews a binding without a connection"),
		Listen: s.flagOr("listen", true),
	}
	s.finish()
	return n
}

// readDNSName reads a full name; it is kept without its last dot, in lower case.
func readDNSName(s *section, purpose string) string {
	name := strings.ToLower(strings.TrimSuffix(s.text("dns_name", "", `"print.example.com"`), "."))
	if name == "" {
		return ""
	}
	labels := strings.Split(name, ".")
	wrong := len(labels) < 2 || len(name) > MaxDNSName
	for _, l := range labels {
		wrong = wrong || !validName(l)
	}
	if _, err := netip.ParseAddr(name); wrong || err == nil {
		s.add(s.key("dns_name"), fmt.Sprintf("%q is no full DNS name", name),
			"a full name has two labels or more, each of 1 to 63 letters, digits and hyphens, with dots between them, and "+itoa(MaxDNSName)+" characters at most, for longer ones are made of it (RFC 1035, 2.3.1)",
			`Write `+purpose+`, like dns_name = "print.example.com"`)
		return ""
	}
	return name
}

// checkDNSNames refuses a name for two things, which would have two addresses, and one
// that the box would answer for without knowing of it.
func checkDNSNames(r *report, c Config) {
	owners := map[string]string{}
	claim := func(path, name, what string) {
		if name == "" {
			return
		}
		if owner, taken := owners[name]; taken {
			r.add(join(path, "dns_name"), fmt.Sprintf("%s is the name of %s already", name, owner), "a name must mean one address", "Give one of the two another name")
			return
		}
		owners[name] = what
	}
	for _, g := range c.Groups {
		if g.DNSName != "" {
			owners["ns."+g.DNSName] = fmt.Sprintf("the name server of group %q, which is this box,", g.Name)
		}
	}
	for i, g := range c.Groups {
		path := element("group", i+1)
		claim(path, g.DNSName, fmt.Sprintf("group %q", g.Name))
		for k, n := range g.Nodes {
			at := element(join(path, "node"), k+1)
			claim(at, n.DNSName, fmt.Sprintf("node %s of group %q", n.Name, g.Name))
			for _, over := range c.Groups {
				if c.Naming.Listen && over.DNSName != "" && strings.HasSuffix(n.DNSName, "."+over.DNSName) {
					r.add(join(at, "dns_name"), fmt.Sprintf("%s is below %s, the name of group %q", n.DNSName, over.DNSName, over.Name),
						"for a group's name and all below it the site's name servers ask this box, which knows no nodes there", "Give the node a name beside it, like "+beside(n.DNSName, over.DNSName))
				}
			}
		}
	}
}

// beside moves a name that is below a group's one level up.
func beside(name, group string) string {
	_, parent, _ := strings.Cut(group, ".")
	first, _, _ := strings.Cut(name, ".")
	return first + "." + parent
}
