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
listen = false
[[group]]
virtual_address = "192.0.2.10"
dns_name = "Print.Example.COM."
node = [{ address = "192.0.2.11", dns_name = "sq1.example.com" }, { address = "192.0.2.12" }]
`), Required())
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Naming; !slices.Equal(n.Resolvers, []netip.Addr{netip.MustParseAddr("192.0.2.53")}) || n.TTL != 30*time.Second || n.Interval != 5*time.Minute || n.Listen {
		t.Errorf("%+v", n)
	}
	if g := c.Groups[0]; g.DNSName != "print.example.com" || g.Nodes[0].DNSName != "sq1.example.com" || g.Nodes[1].DNSName != "" {
		t.Errorf("%+v", g)
	}
}

func TestWrongNamesAreRefused(t *testing.T) {
	for name, wrong := range map[string]bool{
		"print.example.com": false, "a.b": false, "print": true, "192.0.2.10": true, "-a.example.com": true, "a..b": true,
		"a_b.example.com": true, strings.Repeat("a", 64) + ".com": true, strings.Repeat("a.", 127) + "com": true, strings.Repeat("a.", 120) + "bc": false, strings.Repeat("a.", 120) + "bcd": true, "print example.com": true,
	} {
		_, err := Parse([]byte(smallest+"dns_name = \""+name+"\"\n"), Required())
		var p Problems
		if errors.As(err, &p) != wrong || wrong && (len(p) != 1 || p[0].Key != "group[1].dns_name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNameThatWouldMeanTwoThingsIsRefused(t *testing.T) {
	site := func(naming, second, node string) string {
		return naming + `
[[group]]
name = "print"
virtual_address = "192.0.2.10"
dns_name = "print.example.com"
node = [{ address = "192.0.2.11", dns_name = "` + node + `" }]
[[group]]
name = "scan"
virtual_address = "192.0.2.20"
dns_name = "` + second + `"
node = [{ address = "192.0.2.21" }]
`
	}
	for _, tt := range []struct{ naming, second, node, want string }{
		{"", "scan.example.com", "sq1.example.com", ""},
		{"", "scan.print.example.com", "sq1.example.com", ""},
		{"", "scan.example.com", "print.example.com", `group[1].node[1].dns_name: print.example.com is the name of group "print" already; a name must mean one address. Give`},
		{"", "PRINT.example.com", "sq1.example.com", `group[2].dns_name: print.example.com is the name of group "print" already`},
		{"", "ns.print.example.com", "sq1.example.com", `group[2].dns_name: ns.print.example.com is the name of the name server of group "print", which is this box, already`},
		{"", "scan.example.com", "sq1.print.example.com", `group[1].node[1].dns_name: sq1.print.example.com is below print.example.com, the name of group "print"; for a group's name and all below it the site's name servers ask this box, which knows no nodes there. Give the node a name beside it, like sq1.example.com.`},
		{"naming.listen = false", "scan.example.com", "sq1.print.example.com", ""},
		{"naming.listen = 1", "scan.example.com", "sq1.example.com", `naming.listen: this is a whole number, and true or false is wanted. Write it like listen = false`},
	} {
		_, err := Parse([]byte(site(tt.naming, tt.second, tt.node)), Required())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
