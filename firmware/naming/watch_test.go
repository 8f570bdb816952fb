package naming

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

func right() api.NameCheck {
	return api.NameCheck{Group: "print", Name: "print.example.com", Address: vip, Resolver: "198.18.0.53"}
}

// of is one look.
func of(checks ...api.NameCheck) api.Names {
	return api.Names{Checks: checks, Servers: []api.NameServer{{Address: ofSite}}}
}

func kinds(events []api.Event) string {
	out := ""
	for _, ev := range events {
		out += fmt.Sprintf("%s %s;", ev.Kind, ev.Severity)
	}
	return out
}

func TestWrongNameIsToldOnceItIsSureAndOnceItIsRight(t *testing.T) {
	w := NewWatch()
	noPTR, silent, node := right(), right(), right()
	noPTR.ReverseWrong = "no PTR"
	silent.ResolverWrong = "198.18.0.53 is silent"
	node.Node, node.Name, node.ForwardWrong = "A", "", "does not lead back" // nobody's promise
	look := func(want string, checks ...api.NameCheck) {
		t.Helper()
		if got := kinds(w.Observe(of(checks...))); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	look("", right(), node)
	look("", noPTR)
	if !w.Doubtful() {
		t.Error("no reason to look again soon")
	}
	look("", right())
	look("", noPTR)
	look("naming.reverse warning;", noPTR)
	if w.Doubtful() {
		t.Error("looks again soon for what is told")
	}
	look("", noPTR)
	look("", silent)
	look("naming.servers warning;", silent)
	look("", noPTR)
	look("naming.servers notice;", noPTR) // and the PTR is missing still
	look("", right())
	if !w.Doubtful() {
		t.Error("no reason to look again soon for what may be right")
	}
	look("naming.reverse notice;", right())
	look("", noPTR)
	look("naming.reverse warning;", noPTR)
	look("naming.reverse notice;") // not configured any more: it is over
	look("", noPTR)                // and again: from the beginning
	if e := w.Observe(of(noPTR)); len(e) != 1 || e[0].Group != "print" || e[0].Kind != event.NameReverse {
		t.Errorf("%+v", e)
	}
}

func TestNameServerThatIsSilentIsToldThoughAnotherOneAnswers(t *testing.T) {
	w := NewWatch()
	spare := of(right())
	spare.Servers = append(spare.Servers, api.NameServer{Address: netip.MustParseAddr("198.18.0.54"), Wrong: "is silent"})
	w.Observe(spare)
	told := w.Observe(spare)
	if len(told) != 1 || told[0].Kind != event.NameServers || told[0].Text != "the name server 198.18.0.54 is silent; left is 198.18.0.53" {
		t.Errorf("%+v", told)
	}
	w.Observe(of(right()))
	if told := w.Observe(of(right())); kinds(told) != "naming.servers notice;" {
		t.Errorf("%+v", told)
	}
}

// Whatever is found in whatever order, each trouble is told and cleared in turn, by the
// end it is told as it is, and none is left behind by what is not watched any more.
func TestTroublesWithNamesBeginAndEndInTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := NewWatch()
		open := map[subject]bool{}
		look := func(found api.Names) {
			for _, ev := range w.Observe(found) {
				s := subject{ev.Kind, ev.Group, ev.Node}
				if begins := ev.Severity == event.Warning; begins == open[s] || ev.Text == "" {
					t.Fatalf("%+v told while open is %v", ev, open[s])
				}
				open[s] = !open[s]
			}
		}
		words := rapid.SampledFrom([]string{"", "wrong"})
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			found := of()
			for _, node := range []string{"", "A"} {
				if rapid.Bool().Draw(t, "watched") {
					c := right()
					c.Node, c.ForwardWrong, c.ReverseWrong, c.ResolverWrong = node, words.Draw(t, "forward"), words.Draw(t, "reverse"), words.Draw(t, "resolver")
					found.Checks = append(found.Checks, c)
				}
			}
			look(found)
		}
		c := right()
		c.ReverseWrong = "wrong"
		for range sure {
			look(of(c))
		}
		for s, is := range open {
			if is != (s == subject{event.NameReverse, "print", ""}) {
				t.Fatalf("%v is open: %v", s, is)
			}
		}
		if w.Doubtful() {
			t.Fatal("doubtful of what was said often")
		}
	})
}

func TestAnswersHaveTheTimeSinceWhichTheyAreTheSame(t *testing.T) {
	a, b, later := morning, morning.Add(time.Minute), morning.Add(time.Hour)
	first := []api.NameCheck{right()}
	Date(nil, first, a)
	for want, change := range map[time.Time][]func(*api.NameCheck){
		a: {func(c *api.NameCheck) {}, func(c *api.NameCheck) { c.Resolver = "another" }},
		b: {func(c *api.NameCheck) { c.Reverse = []string{"x"} }, func(c *api.NameCheck) { c.ReverseWrong = "wrong" },
			func(c *api.NameCheck) { c.Name = "other.example.com" }, func(c *api.NameCheck) { c.Node = "A" }, func(c *api.NameCheck) { c.Forward = []netip.Addr{vip} }},
	} {
		for i, do := range change {
			second := slices.Clone(first)
			do(&second[0])
			third := slices.Clone(second)
			Date(first, second, b)
			Date(second, third, later)
			if second[0].Since != want || third[0].Since != want {
				t.Errorf("%s %d: since %s, then %s", want, i, second[0].Since, third[0].Since)
			}
		}
	}
}

func TestServerThatDoesNotAnswerIsNamedInWords(t *testing.T) {
	l := Looker{Resolvers: func() []netip.Addr { return nil }}
	found := l.Look(t.Context(), []api.NameCheck{right()})
	if c := found.Checks[0]; c.Verdict() != api.NameUnknown || !strings.Contains(c.ResolverWrong, "set naming.resolvers") {
		t.Errorf("%+v", c)
	}
	l.Resolvers = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.13.13.13")} }
	found = l.Look(t.Context(), []api.NameCheck{right(), right()})
	for _, c := range found.Checks {
		if c.ResolverWrong != "127.13.13.13 has nothing that answers on port 53" {
			t.Errorf("%+v", c)
		}
	}
	if s := found.Servers; len(s) != 1 || s[0].Wrong == "" {
		t.Errorf("%+v", s)
	}
}
