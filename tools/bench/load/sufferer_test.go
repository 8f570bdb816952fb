package load

import (
	"net/netip"
	"strings"
	"testing"
)

// A client may leave the node that failed, once; everything else is a client on two
// nodes.
func TestClientMayOnlyLeaveTheNodeThatFailed(t *testing.T) {
	victim, b, c := netip.MustParseAddr("198.19.254.11"), netip.MustParseAddr("198.19.254.12"), netip.MustParseAddr("198.19.254.13")
	for _, one := range []struct {
		name  string
		by    []netip.Addr // in order
		split bool
	}{
		{"stays", []netip.Addr{b, b, b}, false},
		{"leaves the victim", []netip.Addr{victim, victim, b, b}, false},
		{"leaves the victim for two", []netip.Addr{victim, b, c}, true},
		{"leaves a node that lives", []netip.Addr{b, c}, true},
		{"comes to the victim", []netip.Addr{b, victim}, true},
	} {
		s := &sufferer{outage: &outage{victim: victim}, nodes: map[netip.Addr]bool{}}
		for _, node := range one.by {
			s.answered(node)
		}
		if got := s.split(); (got != "") != one.split || one.split && !strings.Contains(got, "was first on "+one.by[0].String()) {
			t.Errorf("%s: %q", one.name, got)
		}
		if moved := one.by[len(one.by)-1] != one.by[0]; moved == s.landed.IsZero() {
			t.Errorf("%s: landed at %v", one.name, s.landed)
		}
	}
}
