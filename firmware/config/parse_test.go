package config

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const smallest = `
[[group]]
virtual_address = "192.0.2.10"
node = [{ address = "192.0.2.11" }, { address = "192.0.2.12" }]
`

func TestSmallestFileDefaultsToTheRequirement(t *testing.T) {
	c, err := Parse([]byte(smallest), Required())
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Hostname:  "spoolgate",
		Naming:    Naming{Interval: 5 * time.Minute, TTL: time.Minute, Listen: true},
		Newcomers: 500,
		Groups: []Group{{
			Name:           "print",
			VirtualAddress: netip.MustParseAddr("192.0.2.10"),
			Mode:           Masked,
			Affinity:       30 * time.Minute,
			Ports:          []PortRange{{21, 21}, {5011, 5025}, {5610, 5610}},
			FTPPorts:       []uint16{21},
			Checks: Checks{
				Ports: []uint16{5555, 5022}, Interval: 5 * time.Second, Timeout: 2500 * time.Millisecond,
				Misses: 3, UpDelay: 3 * time.Minute,
			},
			Limits: ClientLimits{Connections: 1000},
			Nodes: []Node{
				{Name: "A", Address: netip.MustParseAddr("192.0.2.11"), Weight: 1},
				{Name: "B", Address: netip.MustParseAddr("192.0.2.12"), Weight: 1},
			},
		}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	c, err := Parse([]byte(`
hostname = "spoolgate-2"
[service]
addresses = ["192.0.2.2/24"]
gateway = "192.0.2.1"
dns = ["192.0.2.53", "192.0.2.54"]
vlan = 12
[management]
addresses = "198.51.100.2/24"
[[group]]
name = "floor-1"
virtual_address = "192.0.2.10"
mode = "transparent"
affinity = "2h"
ports = ["5011-5025", 5610, 21, 2121]
ftp_ports = [21, 2121]
passive_ports = "50000-50199"
[group.checks]
ports = [5555]
interval = "10s"
timeout = "3s"
misses = 4
up_delay = "95s"
[[group.node]]
name = "spoc-1"
address = "192.0.2.11"
weight = 3
[[group]]
name = "floor-2"
virtual_address = "192.0.2.20"
[[group.node]]
address = "192.0.2.21"
`), Required())
	if err != nil {
		t.Fatal(err)
	}
	g := c.Groups[0]
	if c.Service.VLAN != 12 || len(c.Service.DNS) != 2 || c.Service.Gateway.String() != "192.0.2.1" || c.Management.Addresses[0].String() != "198.51.100.2/24" {
		t.Errorf("interfaces: %+v %+v", c.Service, c.Management)
	}
	if g.Mode != Transparent || g.Affinity != 2*time.Hour || g.PassivePorts != (PortRange{50000, 50199}) || !reflect.DeepEqual(g.FTPPorts, []uint16{21, 2121}) {
		t.Errorf("group: %+v", g)
	}
	if want := (Checks{Ports: []uint16{5555}, Interval: 10 * time.Second, Timeout: 3 * time.Second, Misses: 4, UpDelay: 95 * time.Second}); !reflect.DeepEqual(g.Checks, want) {
		t.Errorf("checks: %+v", g.Checks)
	}
	if !reflect.DeepEqual(g.Nodes[0], Node{Name: "spoc-1", Address: netip.MustParseAddr("192.0.2.11"), Weight: 3}) || len(c.Groups) != 2 {
		t.Errorf("nodes: %+v", g.Nodes)
	}
}

func TestEveryRefusalSaysWhereWhatWhyAndWhatToDo(t *testing.T) {
	group := func(lines string) string {
		return "[[group]]\nvirtual_address = \"192.0.2.10\"\nnode = [{ address = \"192.0.2.11\" }]\n" + lines
	}
	tests := []struct {
		name, file string
		want       string // "line: key: words of the problem"
	}{
		{"affinity below 30 minutes", group(`affinity = "29m59s"`), `line 4: group[1].affinity: 29m59s is outside 30m to 168h; the requirement says "Affinity needs to be set for a minimum of 30 minutes". Choose`},
		{"affinity above a week", group(`affinity = "100000h"`), `line 4: group[1].affinity: 100000h is outside 30m to 168h; an MFD that was silent for a week is treated like a new one`},
		{"no unit", group(`affinity = "30"`), `group[1].affinity: "30" is no time; a time is a number and its unit`},
		{"number for time", group(`affinity = 30`), `group[1].affinity: this is a whole number, and a time with its unit is wanted. Write it like affinity = "30m"`},
		{"unknown key", group(`afinity = "30m"`), `line 4: group[1].afinity: there is no such key; a misspelt key would silently do nothing. Remove it, or use one of:`},
		{"unknown table", smallest + "[servise]\nvlan = 1\n", `servise: there is no such key`},
		{"node is the virtual address", strings.Replace(smallest, ".12", ".10", 1), `line 4: group[1].node[2].address: 192.0.2.10 is the virtual address of group "print" already`},
		{"two nodes with one address", strings.Replace(smallest, ".12", ".11", 1), `group[1].node[2].address: 192.0.2.11 is node A of group "print" already`},
		{"own address is a node", smallest + "[service]\naddresses = [\"192.0.2.11/24\"]\n", `192.0.2.11 is the service interface's own address already`},
		{"one network on both interfaces", smallest + "[service]\naddresses = [\"192.0.2.2/24\"]\n[management]\naddresses = [\"192.0.2.3/25\"]\n", `management.addresses[1]: the network of 192.0.2.3/25 is the network of the service address 192.0.2.2/24 too`},
		{"port twice", group(`ports = ["5011-5025", 5022, 21]`), `line 4: group[1].ports: 5011-5025 and 5022 share a port`},
		{"passive range over ports", group(`passive_ports = "5000-5100"`), `group[1].passive_ports: 5000-5100 shares a port with 5011-5025`},
		{"low passive range", group(`passive_ports = "900-950"`), `begins below 1024; the requirement says "PASSIVE FTP`},
		{"probed port twice", group(`checks = { ports = [5555, 5555] }`), `group[1].checks.ports[2]: port 5555 stands here twice`},
		{"no probed port", group(`checks = { ports = [] }`), `required ports for monitoring are 5555`},
		{"one miss", group(`checks = { misses = 1 }`), `1 is outside 2 to 20; the requirement recommends`},
		{"no up-delay", group(`checks = { up_delay = "0s" }`), `the requirement says "Node shall not be considered up immediately`},
		{"timeout beyond interval", group(`checks = { interval = "2s", timeout = "3s" }`), `the timeout of 3s is not shorter than the interval of 2s`},
		{"FTP port not passed", group(`ports = ["5011-5025"]`), `group[1].ftp_ports: port 21 is not in ports`},
		{"mode", group(`mode = "nat"`), `"nat" is no mode`},
		{"weight", strings.Replace(smallest, `"192.0.2.12"`, `"192.0.2.12", weight = 0`, 1), `group[1].node[2].weight: 0 is outside 1 to 100`},
		{"name in place of address", strings.Replace(smallest, "192.0.2.12", "spoc2.example", 1), `"spoc2.example" is no IP address; names are not looked up here`},
		{"loopback node", strings.Replace(smallest, "192.0.2.12", "127.0.0.1", 1), `127.0.0.1 can't be the address of one machine`},
		{"no virtual address", "[[group]]\nnode = [{ address = \"192.0.2.11\" }]", `group[1].virtual_address: the virtual address is missing; the requirement says a group`},
		{"no node", "[[group]]\nvirtual_address = \"192.0.2.10\"", `group[1].node: the group has no node`},
		{"IPv6 virtual address", "[[group]]\nvirtual_address = \"2001:db8::1\"\nnode = [{ address = \"2001:db8::2\" }]", `2001:db8::1 is an IPv6 address; this release balances IPv4`},
		{"two families", strings.Replace(smallest, "192.0.2.12", "2001:db8::1", 1), `are of two families`},
		{"no group", "", `group: there is no group; the requirement says "The unit of failover`},
		{"same node name", strings.Replace(smallest, `"192.0.2.12"`, `"192.0.2.12", name = "a"`, 1), `another node of the group is named "a" too`},
		{"same group name", smallest + "[[group]]\nname = \"x\"\nvirtual_address = \"192.0.2.20\"\nnode = [{ address = \"192.0.2.21\" }]\n[[group]]\nname = \"X\"\nvirtual_address = \"192.0.2.30\"\nnode = [{ address = \"192.0.2.31\" }]\n", `group[3].name: another group is named "X" too`},
		{"host name", "hostname = \"my box\"\n" + smallest, `"my box" is no host name`},
		{"address without prefix", smallest + "[service]\naddresses = [\"192.0.2.2\"]\n", `line 6: service.addresses[1]: 192.0.2.2 is no address with a prefix length`},
		{"network address", smallest + "[service]\naddresses = [\"192.0.2.0/24\"]\n", `192.0.2.0 is the address of the network 192.0.2.0/24 itself; no machine`},
		{"gateway elsewhere", smallest + "[service]\naddresses = [\"192.0.2.2/24\"]\ngateway = \"198.51.100.1\"\n", `service.gateway: 198.51.100.1 is in none of the networks`},
		{"gateway with DHCP", smallest + "[service]\ngateway = \"192.0.2.1\"\n", `a gateway is set and no address`},
		{"own address is broadcast", smallest + "[service]\naddresses = [\"192.0.2.255/24\"]\n", `service.addresses[1]: 192.0.2.255 is the broadcast address of the network 192.0.2.0/24; no machine`},
		{"gateway is the own address", smallest + "[service]\naddresses = [\"192.0.2.2/24\"]\ngateway = \"192.0.2.2\"\n", `line 7: service.gateway: 192.0.2.2 is the service interface's own address; the box can't be its own way out. Write the address of the router`},
		{"gateway is the virtual address", smallest + "[service]\naddresses = [\"192.0.2.2/24\"]\ngateway = \"192.0.2.10\"\n", `service.gateway: 192.0.2.10 is the virtual address of group "print"; the box`},
		{"gateway is broadcast", smallest + "[management]\naddresses = [\"198.51.100.2/24\"]\ngateway = \"198.51.100.255\"\n", `management.gateway: 198.51.100.255 is the broadcast address of the network 198.51.100.0/24; the box`},
		{"virtual address is the network", smallest + "[service]\naddresses = [\"192.0.2.9/30\"]\n[[group]]\nname = \"x\"\nvirtual_address = \"192.0.2.8\"\nnode = [{ address = \"192.0.2.21\" }]\n", `group[2].virtual_address: 192.0.2.8 is the address of the network 192.0.2.8/30 itself; no machine`},
		{"node is broadcast", smallest + "[service]\naddresses = [\"192.0.2.9/30\"]\n", `group[1].node[1].address: 192.0.2.11 is the broadcast address of the network 192.0.2.8/30; no machine can have that address (RFC 1122, 3.2.1.3). Write`},
		{"vlan", smallest + "[service]\nvlan = 4095\n", `4095 is outside 0 to 4094; an 802.1Q tag has 12 bits`},
		{"group is no table", `group = 5`, `group[1]: this is a whole number, and a table is wanted`},
		{"no TOML", "[[group]\n", `line 1: this is not TOML`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.file), Required())
			if err == nil {
				t.Fatal("was accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
			var all Problems
			if !errors.As(err, &all) {
				t.Fatalf("not Problems: %T", err)
			}
			for _, p := range all {
				if p.What == "" || p.Do == "" {
					t.Errorf("says too little: %+v", p)
				}
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := Parse([]byte(`
hostname = 7
colour = "blue"
[[group]]
virtual_address = "192.0.2.10"
affinity = "5m"
mode = "nat"
ports = [0]
ftp_ports = []
[[group.node]]
address = "192.0.2.10"
weight = "much"
`), Required())
	var all Problems
	if !errors.As(err, &all) {
		t.Fatalf("got %v", err)
	}
	want := []string{"hostname", "colour", "group[1].affinity", "group[1].mode", "group[1].ports[1]", "group[1].ports", "group[1].node[1].address", "group[1].node[1].weight"}
	var got []string
	for _, p := range all {
		got = append(got, p.Key)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q\n%v", got, want, err)
	}
}

func TestOnlyOtherLimitsShortenTheWindow(t *testing.T) {
	file := []byte(strings.Replace(smallest, "node =", "affinity = \"2s\"\nnode =", 1))
	if _, err := Parse(file, Required()); err == nil {
		t.Error("a box accepted a window of two seconds")
	}
	lab := Required()
	lab.MinAffinity = time.Second
	if c, err := Parse(file, lab); err != nil || c.Groups[0].Affinity != 2*time.Second {
		t.Errorf("the lab did not get its window: %v", err)
	}
}

// FuzzParse holds that Parse never panics, that a refusal always has words, and
// that an accepted configuration keeps the requirement.
func FuzzParse(f *testing.F) {
	f.Add(smallest)
	f.Add("[[group]]\nvirtual_address = '192.0.2.10'\naffinity='1h'\n[[group.node]]\naddress='192.0.2.11'\n[group.checks]\nports=[1]")
	f.Add("a.b.c = [[1, {x = 2}], 'y']\n[a.b]\n[[q]]\n[q.r]\n[[q.s]]")
	f.Fuzz(func(t *testing.T, file string) {
		c, err := Parse([]byte(file), Required())
		if err != nil {
			var all Problems
			if !errors.As(err, &all) || len(all) == 0 || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("refused without words: %v", err)
			}
			return
		}
		seen := map[netip.Addr]bool{}
		for _, g := range c.Groups {
			if g.Affinity < 30*time.Minute || len(g.Nodes) == 0 || len(g.Checks.Ports) == 0 || g.Checks.Misses < 2 {
				t.Fatalf("accepted against the requirement: %+v", g)
			}
			for _, a := range append([]netip.Addr{g.VirtualAddress}, addressesOf(g.Nodes)...) {
				if seen[a] || !a.IsValid() {
					t.Fatalf("%v is used twice or is none: %+v", a, c)
				}
				seen[a] = true
			}
		}
	})
}

func addressesOf(nodes []Node) []netip.Addr {
	var out []netip.Addr
	for _, n := range nodes {
		out = append(out, n.Address)
	}
	return out
}

func TestFileThatNotepadWroteIsReadWithItsLineNumbers(t *testing.T) {
	const bom = "\xef\xbb\xbf"
	text := "hostname = \"floor-2\"\r\n[[group]]\r\nvirtual_address = \"192.0.2.10\"\r\nnode = [{ address = \"192.0.2.11\" }]\r\n"
	if c, err := Parse([]byte(bom+text), Required()); err != nil || c.Hostname != "floor-2" {
		t.Errorf("%q: %v", c.Hostname, err)
	}
	for wrong, line := range map[string]int{"hostname = 7\r\n": 1, "nonsense": 1, text + "affinity = \"1m\"\r\n": 5, text + "nonsense": 5} {
		_, err := Parse([]byte(bom+wrong), Required())
		var problems Problems
		if !errors.As(err, &problems) || !slices.ContainsFunc(problems, func(p Problem) bool { return p.Line == line }) {
			t.Errorf("%q: %v, want a problem of line %d", wrong, err, line)
		}
	}
}

func TestNetworkOnBothInterfacesIsReportedOnce(t *testing.T) {
	_, err := Parse([]byte(smallest+"[service]\naddresses = [\"192.0.2.1/24\", \"192.0.2.2/24\"]\n[management]\naddresses = [\"192.0.2.3/24\", \"192.0.2.4/24\"]\n"), Required())
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].What, "the network of 192.0.2.3/24 is the network of the service address 192.0.2.1/24 too") {
		t.Errorf("%v", err)
	}
}
