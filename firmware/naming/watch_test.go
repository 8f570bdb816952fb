package naming

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

func TestWhatIsWrongIsSaidWithWhatToDo(t *testing.T) {
	addresses := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	for _, tt := range []struct {
		name         string
		forward      []netip.Addr
		reverse      []string
		forwardWrong string
		reverseWrong string
	}{
		{"print.example.com", addresses("198.18.0.10"), []string{"print.example.com"}, "", ""},
		{"print.example.com", nil, nil, "print.example.com has no address, says R: add an A record print.example.com -> 198.18.0.10", "198.18.0.10 has no name, says R: add a PTR record for 198.18.0.10 -> print.example.com"},
		{"print.example.com", addresses("198.18.0.99"), []string{"old.example.com"}, "print.example.com is [198.18.0.99] and not 198.18.0.10", "is named old.example.com and not print.example.com"},
		{"print.example.com", addresses("198.18.0.10", "198.18.0.11"), []string{"a.example.com", "print.example.com"}, "several addresses", "several names"},
		{"", addresses("198.18.0.10"), []string{"a.example.com"}, "", ""},
		{"", addresses("198.18.0.11"), []string{"a.example.com"}, "does not lead back", ""},
		{"", nil, nil, "", ""},
	} {
		c := api.NameCheck{Name: tt.name, Address: vip, Resolver: "R", Forward: tt.forward, Reverse: tt.reverse}
		judge(&c)
		if !strings.Contains(c.ForwardWrong, tt.forwardWrong) || (c.ForwardWrong == "") != (tt.forwardWrong == "") ||
			!strings.Contains(c.ReverseWrong, tt.reverseWrong) || (c.ReverseWrong == "") != (tt.reverseWrong == "") {
			t.Errorf("%+v", c)
		}
	}
}

func TestWrongNameIsToldOnceItIsSureAndOnceItIsRight(t *testing.T) {
	w := NewWatch()
	right := api.NameCheck{Group: "print", Name: "print.example.com", Address: vip}
	noPTR, silent, node := right, right, right
	noPTR.ReverseWrong = "no PTR"
	silent.ResolverWrong = "does not answer"
	node.Node, node.Name, node.ForwardWrong = "A", "", "does not lead back" // nobody's promise
	look := func(want string, checks ...api.NameCheck) {
		t.Helper()
		got := ""
		for _, ev := range w.Observe(checks) {
			got += fmt.Sprintf("%s %s;", ev.Kind, ev.Severity)
		}
		if got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	look("", right, node)
	look("", noPTR)
	if !w.Doubtful() {
		t.Error("no reason to look again soon")
	}
	look("", right)
	look("", noPTR)
	look("naming.reverse warning;", noPTR)
	if w.Doubtful() {
		t.Error("looks again soon for what is told")
	}
	look("", noPTR)
	look("", silent)
	look("naming.servers warning;", silent)
	look("naming.servers notice;", noPTR) // and the PTR is missing still
	look("naming.reverse notice;", right)
	look("", noPTR)
	look("naming.reverse warning;", noPTR)
	look("")        // not configured any more
	look("", noPTR) // and again: from the beginning
	if e := w.Observe([]api.NameCheck{noPTR}); len(e) != 1 || e[0].Group != "print" || e[0].Kind != event.NameReverse {
		t.Errorf("%+v", e)
	}
}
