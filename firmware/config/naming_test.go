package config

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNamesAreRead(t *testing.T) {
	c, err := Parse([]byte(`
[naming]
resolvers = ["192.0.2.53"]
ttl = "30s"
[[group]]
virtual_address = "192.0.2.10"
dns_name = "Print.Example.COM."
node = [{ address = "192.0.2.11", dns_name = "sq1.example.com" }, { address = "192.0.2.12" }]
`), Required())
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Naming; !slices.Equal(n.Resolvers, []netip.Addr{netip.MustParseAddr("192.0.2.53")}) || n.TTL != 30*time.Second || n.Interval != 5*time.Minute {
		t.Errorf("%+v", n)
	}
	if g := c.Groups[0]; g.DNSName != "print.example.com" || g.Nodes[0].DNSName != "sq1.example.com" || g.Nodes[1].DNSName != "" {
		t.Errorf("%+v", g)
	}
}

func TestWrongNamesAreRefused(t *testing.T) {
	for name, wrong := range map[string]bool{
		"print.example.com": false, "a.b": false, "print": true, "192.0.2.10": true, "-a.example.com": true, "a..b": true,
		"a_b.example.com": true, strings.Repeat("a", 64) + ".com": true, strings.Repeat("a.", 127) + "com": true, "print example.com": true,
	} {
		_, err := Parse([]byte(smallest+"dns_name = \""+name+"\"\n"), Required())
		var p Problems
		if errors.As(err, &p) != wrong || wrong && (len(p) != 1 || p[0].Key != "group[1].dns_name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	_, err := Parse([]byte(`
[[group]]
virtual_address = "192.0.2.10"
dns_name = "print.example.com"
node = [{ address = "192.0.2.11", dns_name = "print.example.com" }]
`), Required())
	if err == nil || !strings.Contains(err.Error(), "print.example.com is the name of group \"print\" already") {
		t.Errorf("one name twice: %v", err)
	}
}
