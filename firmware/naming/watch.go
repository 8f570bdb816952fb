package naming

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// sure is how many looks in a row must say the same before it is believed: a name
// server that is reloading its zone is neither wrong nor right.
const sure = 2

// Watch turns looks into events: one when something is wrong, one when it is right
// again. It is pure, and for one goroutine.
type Watch struct {
	subjects map[subject]*opinion
}

// subject is what can be wrong.
type subject struct{ kind, group, node string }

// opinion is what is thought of a subject.
type opinion struct {
	wrong    bool // as told
	contrary int  // looks in a row that say the other
}

// NewWatch has seen nothing yet.
func NewWatch() *Watch { return &Watch{subjects: map[subject]*opinion{}} }

// Doubtful reports whether the last look contradicts what is told: look again soon.
func (w *Watch) Doubtful() bool {
	for _, o := range w.subjects {
		if o.contrary > 0 {
			return true
		}
	}
	return false
}

// Observe takes what one look at all names found. What is wrong with names that are
// not looked at any more is over.
func (w *Watch) Observe(found api.Names) (events []api.Event) {
	seen := map[subject]bool{}
	observe := func(s subject, wrong, right string) {
		seen[s] = true
		if ev, told := w.observe(s, wrong, right); told {
			events = append(events, ev)
		}
	}
	for _, c := range found.Checks {
		forward, reverse := subject{event.NameForward, c.Group, c.Node}, subject{event.NameReverse, c.Group, c.Node}
		switch {
		case c.ResolverWrong != "":
			// Nothing is known of the name: what was, stays.
			seen[forward], seen[reverse] = true, true
		case c.Name != "": // what has none is shown, and nobody's promise
			observe(forward, c.ForwardWrong, fmt.Sprintf("%s leads to %s again, says %s", c.Name, c.Address, c.Resolver))
			observe(reverse, c.ReverseWrong, fmt.Sprintf("%s is named %s again, says %s", c.Address, c.Name, c.Resolver))
		}
	}
	if len(found.Checks) > 0 {
		observe(subject{event.NameServers, "", ""}, unanswered(found), "the site's name servers answer again")
	}
	for s, o := range w.subjects {
		if seen[s] {
			continue
		}
		delete(w.subjects, s)
		if o.wrong {
			events = append(events, api.Event{Kind: s.kind, Group: s.group, Node: s.node, Severity: event.Notice,
				Text: "the name is not watched any more; before, it was wrong"})
		}
	}
	return events
}

// unanswered says which name servers did not tell; empty when all did.
func unanswered(found api.Names) string {
	var silent, answer []string
	for _, s := range found.Servers {
		if s.Wrong != "" {
			silent = append(silent, fmt.Sprintf("%s %s", s.Address, s.Wrong))
		} else {
			answer = append(answer, s.Address.String())
		}
	}
	i := slices.IndexFunc(found.Checks, func(c api.NameCheck) bool { return c.ResolverWrong != "" })
	switch {
	case i >= 0:
		return "no name server tells whether the names are right: " + found.Checks[i].ResolverWrong
	case len(silent) > 0:
		return fmt.Sprintf("the name server %s; left is %s", strings.Join(silent, ", and "), strings.Join(answer, ", "))
	}
	return ""
}

func (w *Watch) observe(s subject, wrong, right string) (ev api.Event, told bool) {
	o := w.subjects[s]
	if o == nil {
		o = &opinion{}
		w.subjects[s] = o
	}
	if o.wrong == (wrong != "") {
		o.contrary = 0
		return ev, false
	}
	if o.contrary++; o.contrary < sure {
		return ev, false
	}
	o.wrong, o.contrary = wrong != "", 0
	ev = api.Event{Kind: s.kind, Group: s.group, Node: s.node, Severity: event.Notice, Text: right}
	if o.wrong {
		ev.Severity, ev.Text = event.Warning, wrong
	}
	return ev, true
}

// Date says since when each check has found what it found now.
func Date(before, after []api.NameCheck, now time.Time) {
	for i := range after {
		c := &after[i]
		c.Since = now
		for _, b := range before {
			if b.Group == c.Group && b.Node == c.Node && same(b, *c) {
				c.Since = b.Since
			}
		}
	}
}

func same(a, b api.NameCheck) bool {
	verdict := func(c api.NameCheck) [3]bool {
		return [3]bool{c.ForwardWrong != "", c.ReverseWrong != "", c.ResolverWrong != ""}
	}
	return a.Name == b.Name && a.Address == b.Address && verdict(a) == verdict(b) &&
		slices.Equal(a.Forward, b.Forward) && slices.Equal(a.Reverse, b.Reverse)
}
