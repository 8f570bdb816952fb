package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"spoolgate/firmware/secret"
)

// MaxSize is the largest configuration file that is read, in bytes: 16 groups
// of 64 nodes with every key written out fit many times.
const MaxSize = 1 << 20

// byteOrderMark is what Notepad of Windows puts before a text in UTF-8; the
// parser would take it for the beginning of a key.
const byteOrderMark = "\ufeff"

// Parse returns the configuration that data holds, with all defaults filled
// in. When anything is wrong the error is a Problems with all of it. An encrypted
// password that this box can't open is not: without it the box still balances.
func Parse(data []byte, limits Limits) (Config, error) {
	return Check(data, limits, secret.Key{})
}

// Check is Parse for a person who is about to use the configuration: an encrypted
// password that the key of the box does not open is wrong. The zero Key opens none.
func Check(data []byte, limits Limits, key secret.Key) (Config, error) {
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	r := &report{lines: lineIndex(data), box: key}
	values := map[string]any{}
	if err := toml.Unmarshal(data, &values); err != nil {
		return Config{}, Problems{syntaxProblem(err)}
	}
	c := read(r, values, limits)
	checkWhole(r, c, limits)
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return Config{}, r.problems
	}
	return c, nil
}

// read reads everything that the file says.
func read(r *report, values map[string]any, limits Limits) Config {
	root := &section{report: r, values: values}
	c := Config{
		Hostname:   readHostname(root),
		Service:    readInterface(root.table("service"), false),
		Management: readInterface(root.table("management"), true),
		Naming:     readNaming(root.table("naming"), limits),
		Report:     readReport(root.table("report")),
		Newcomers:  readNewcomers(root.table("limits")),
	}
	groups := root.tables("group")
	for i, g := range groups {
		c.Groups = append(c.Groups, readGroup(g, i, limits))
	}
	root.finish()
	c.Plain = r.plain
	return c
}

func syntaxProblem(err error) Problem {
	p := Problem{What: "this is not TOML: " + strings.TrimPrefix(err.Error(), "toml: "), Do: "Correct the line; nothing after it was read"}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		p.Line, _ = decode.Position()
		p.Key = strings.Join(decode.Key(), ".")
	}
	return p
}

func readHostname(s *section) string {
	name := s.text("hostname", defaultHostname, `"spoolgate"`)
	if !validName(name) {
		s.add("hostname", fmt.Sprintf("%q is no host name", name), "a host name has 1 to 63 letters, digits and hyphens, no hyphen at its ends (RFC 1123, 2.1)",
			`Write it like hostname = "spoolgate-floor2"`)
	}
	return name
}

func readInterface(s *section, canDisable bool) Interface {
	i := Interface{
		Gateway: s.address("gateway"),
		DNS:     s.addresses("dns"),
		VLAN:    s.number("vlan", 0, 0, 4094, "an 802.1Q tag has 12 bits; 0 means untagged"),
	}
	if canDisable {
		i.Disabled = s.flag("disabled")
	}
	l, _ := s.list("addresses")
	for n, v := range l {
		key := element(s.key("addresses"), n+1)
		t, _ := v.(string)
		p, err := netip.ParsePrefix(t)
		if err != nil {
			s.add(key, fmt.Sprintf("%v is no address with a prefix length", v), "the box must know which neighbours it reaches directly",
				`Write it like "192.0.2.2/24"`)
			continue
		}
		if a := s.parseAddress(key, p.Addr().String()); !a.IsValid() {
			continue
		}
		if what := notOfHost(p.Addr(), []netip.Prefix{p}); what != "" {
			s.add(key, fmt.Sprintf("%s is %s", p.Addr(), what), "no machine can have that address (RFC 1122, 3.2.1.3)", "Write the box's own address in it, like 192.0.2.2/24")
			continue
		}
		i.Addresses = append(i.Addresses, p)
	}
	if i.Gateway.IsValid() && len(i.Addresses) > 0 && !onLink(i.Addresses, i.Gateway) {
		s.add(s.key("gateway"), fmt.Sprintf("%s is in none of the networks of addresses", i.Gateway), "a gateway must be a direct neighbour",
			"Correct the gateway, or the prefix length of the address")
	}
	if i.Gateway.IsValid() && i.DHCP() {
		s.add(s.key("gateway"), "a gateway is set and no address", "without addresses the interface asks DHCP, which brings the gateway",
			"Add addresses, or remove the gateway")
	}
	s.finish()
	return i
}

func onLink(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// validName reports whether s can be a host name label, which group and node
// names are too: they stand in paths, in DNS and on the panel's labels.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}
