package naming

import (
	"net/netip"
	"strings"
	"testing"

	"spoolgate/firmware/api"
)

func TestWhatIsWrongIsSaidWithWhatToDo(t *testing.T) {
	addresses := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	const name = "print.example.com"
	for _, tt := range []struct {
		group, node, name string
		forward           []netip.Addr
		reverse           []string
		forwardWrong      string
		reverseWrong      string
		verdict           api.NameVerdict
	}{
		{"print", "", name, addresses("198.18.0.10"), []string{name}, "", "", api.NameRight},
		{"print", "", name, nil, nil, "print.example.com has no address, says R: add an A record print.example.com -> 198.18.0.10, or delegate the name to this box",
			"198.18.0.10 has no name, says R: add a PTR record for 198.18.0.10 -> print.example.com", api.NameWrong},
		{"print", "", name, addresses("198.18.0.99"), []string{"old.example.com"}, "print.example.com is 198.18.0.99 and not 198.18.0.10", "is named old.example.com and not print.example.com", api.NameWrong},
		{"print", "", name, addresses("198.18.0.10", "198.18.0.11"), []string{"a.example.com", name}, "several addresses, says R: 198.18.0.10, 198.18.0.11; leave only 198.18.0.10", "several names", api.NameWrong},
		{"print", "", name, addresses("198.18.0.10", "fd00::1"), []string{name}, "several addresses", "", api.NameWrong},
		// A server may have more addresses and names than one.
		{"print", "A", name, addresses("198.18.0.10", "198.18.0.11"), []string{"a.example.com", name}, "", "", api.NameRight},
		{"print", "A", name, addresses("198.18.0.11", "198.18.0.12"), []string{"a.example.com"}, "print.example.com is 198.18.0.11, 198.18.0.12 and not 198.18.0.10", "is named a.example.com and not print.example.com", api.NameWrong},
		{"print", "A", "", nil, nil, "", "", api.NameUnnamed},
		{"", "", "", addresses("198.18.0.10"), []string{"a.example.com"}, "", "", api.NameRight},
		{"", "", "", addresses("198.18.0.11"), []string{"a.example.com"}, "does not lead back", "", api.NameWrong},
		{"", "", "", nil, nil, "", "", api.NameUnnamed},
	} {
		c := api.NameCheck{Group: tt.group, Node: tt.node, Name: tt.name, Address: vip, Resolver: "R", Forward: tt.forward, Reverse: tt.reverse}
		judge(&c)
		if !strings.Contains(c.ForwardWrong, tt.forwardWrong) || (c.ForwardWrong == "") != (tt.forwardWrong == "") ||
			!strings.Contains(c.ReverseWrong, tt.reverseWrong) || (c.ReverseWrong == "") != (tt.reverseWrong == "") || c.Verdict() != tt.verdict {
			t.Errorf("%s: %+v", c.Verdict(), c)
		}
	}
}
