package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func readGroup(s *section, i int, limits Limits) Group {
	defName := "print" // also beside a second one, whose coming renames nobody
	if i > 0 {
		defName = "print-" + itoa(i+1)
	}
	g := Group{
		Name:           readName(s, defName),
		VirtualAddress: s.address("virtual_address"),
		DNSName:        readDNSName(s, "the name that MFDs know the virtual address by"),
		Mode:           Mode(s.text("mode", string(defaultMode), `"masked"`)),
		Affinity:       s.duration("affinity", defaultAffinity, limits.MinAffinity, limits.MaxAffinity, reqAffinity, whyAffinity),
		Ports:          readPorts(s, "ports", defaultPorts()),
		PassivePorts:   readPassive(s),
	}
	if _, written := s.values["virtual_address"]; !written {
		s.add(s.key("virtual_address"), "the virtual address is missing", reqOneVIP, `Add virtual_address = "192.0.2.10", a free address in the network of the service interface`)
	}
	if g.Mode != Masked && g.Mode != Transparent {
		s.add(s.key("mode"), fmt.Sprintf("%q is no mode", g.Mode), "nodes see MFDs under the virtual address (masked) or under their own (transparent)",
			`Write mode = "masked", which works in any network, or mode = "transparent", when the nodes' default gateway is this box`)
	}
	g.FTPPorts = readSinglePorts(s, "ftp_ports", []uint16{defaultFTPPort})
	g.Checks = readChecks(s.table("checks"), limits)
	g.Services = readServices(s.table("services"), limits)
	g.Limits = readClientLimits(s.table("limits"))
	for n, node := range s.tables("node") {
		g.Nodes = append(g.Nodes, readNode(node, n, g.Services, limits))
	}
	s.finish()
	checkPorts(s, g, limits)
	return g
}

func readName(s *section, def string) string {
	name := s.text("name", def, `"print"`)
	if !validName(name) {
		s.add(s.key("name"), fmt.Sprintf("%q is no name", name), "a name has 1 to 63 letters, digits and hyphens, no hyphen at its ends",
			`Write it like name = "`+def+`"`)
	}
	return name
}

func readNode(s *section, i int, group Services, limits Limits) Node {
	n := Node{
		Name:    readName(s, nodeName(i)),
		Address: s.address("address"),
		DNSName: readDNSName(s, "the server's own name"),
		Weight:  s.number("weight", defaultWeight, 1, limits.MaxWeight, "a weight is a share: a node of weight 2 gets twice the MFDs of one of weight 1; to take a node out, drain it"),
	}
	n.Services = readNodeServices(s.table("services"), group, limits)
	if _, written := s.values["address"]; !written {
		s.add(s.key("address"), "the node's address is missing", "", `Add address = "192.0.2.11", the physical address of the server`)
	}
	s.finish()
	return n
}

func readChecks(s *section, limits Limits) Checks {
	def := defaultChecks()
	c := Checks{
		Ports:    readSinglePorts(s, "ports", def.Ports),
		Interval: s.duration("interval", def.Interval, limits.MinInterval, limits.MaxInterval, reqMisses, reqMisses),
		Misses:   s.number("misses", def.Misses, limits.MinMisses, limits.MaxMisses, reqMisses),
		UpDelay:  s.duration("up_delay", def.UpDelay, limits.MinUpDelay, limits.MaxUpDelay, reqUpDelay, reqUpDelay),
	}
	c.Timeout = s.duration("timeout", min(def.Timeout, c.Interval/2), limits.MinTimeout, limits.MaxInterval,
		"a probe must leave time for one lost packet to be repeated, which takes a second", whyTimeout)
	if c.Timeout >= c.Interval {
		s.add(s.key("timeout"), fmt.Sprintf("the timeout of %s is not shorter than the interval of %s", shortDuration(c.Timeout), shortDuration(c.Interval)),
			whyTimeout, "Shorten the timeout, or lengthen the interval")
	}
	if len(c.Ports) == 0 {
		s.add(s.key("ports"), "no port is checked", `the requirement says "required ports for monitoring are 5555 (for SPOC service) and 5022 (for TS service)"`,
			"Remove the line, or write ports = [5555, 5022]")
	}
	s.finish()
	return c
}

func readPorts(s *section, name string, def []PortRange) []PortRange {
	l, written := s.list(name)
	if !written {
		return def
	}
	var out []PortRange
	for i, v := range l {
		if r, ok := s.portRange(element(s.key(name), i+1), v); ok {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	return out
}

func readSinglePorts(s *section, name string, def []uint16) []uint16 {
	l, written := s.list(name)
	if !written {
		return def
	}
	out := []uint16{}
	for i, v := range l {
		key := element(s.key(name), i+1)
		r, ok := s.portRange(key, v)
		switch {
		case !ok:
		case r.First != r.Last:
			s.add(key, fmt.Sprintf("%s is a range", r), "single ports are wanted here", "Write each port: "+name+" = [5555, 5022]")
		case slices.Contains(out, r.First):
			s.add(key, fmt.Sprintf("port %d stands here twice", r.First), "", "Remove one of the two")
		default:
			out = append(out, r.First)
		}
	}
	return out
}

func readPassive(s *section) PortRange {
	v, ok := s.take("passive_ports")
	if !ok {
		return PortRange{}
	}
	r, ok := s.portRange(s.key("passive_ports"), v)
	if ok && r.First < 1024 {
		s.add(s.key("passive_ports"), fmt.Sprintf("%s begins below 1024", r), `the requirement says "PASSIVE FTP and will require port > 1024 to be passed"`,
			`Set the same range on the FTP server and here, like passive_ports = "50000-50199"`)
	}
	return r
}

func (s *section) portRange(key string, v any) (PortRange, bool) {
	text, ok := v.(string)
	if n, isNumber := v.(int64); isNumber {
		text, ok = strconv.FormatInt(n, 10), true
	}
	if !ok {
		s.wrongType(key, v, "a port or a range", `5610 or "5011-5025"`)
		return PortRange{}, false
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		s.add(key, fmt.Sprintf("%q is no port or range of ports", text), "ports go from 1 to 65535, and a range from its lower to its higher end",
			`Write it like 5610 or "5011-5025"`)
		return PortRange{}, false
	}
	return PortRange{uint16(a), uint16(b)}, true
}

func (r PortRange) String() string {
	if r.First == r.Last {
		return itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Count is the number of ports in the range.
func (r PortRange) Count() int {
	if r.IsZero() {
		return 0
	}
	return int(r.Last) - int(r.First) + 1
}
