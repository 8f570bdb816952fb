package naming

import (
	"fmt"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// toRaise is how many looks in a row must find a name wrong: a name server that is
// reloading its zone is not.
const toRaise = 2

// Watch turns looks into events: one when a name is wrong, one when it is right
// again. It is pure, and for one goroutine.
type Watch struct {
	wrong map[subject]int // looks in a row
	told  map[subject]bool
}

type subject struct{ kind, group, node string }

// NewWatch has seen nothing yet.
func NewWatch() *Watch { return &Watch{wrong: map[subject]int{}, told: map[subject]bool{}} }

// Doubtful reports whether something is wrong that is not told yet: look again soon.
func (w *Watch) Doubtful() bool {
	for s := range w.wrong {
		if !w.told[s] {
			return true
		}
	}
	return false
}

// Observe takes what one look at all names found. Names that are not looked at any
// more are forgotten.
func (w *Watch) Observe(checks []api.NameCheck) (events []api.Event) {
	seen := map[subject]bool{}
	silent := ""
	for _, c := range checks {
		if c.ResolverWrong != "" {
			silent = c.ResolverWrong
			// Nothing is known of the name: what was, stays.
			seen[subject{event.NameForward, c.Group, c.Node}], seen[subject{event.NameReverse, c.Group, c.Node}] = true, true
			continue
		}
		if c.Name == "" {
			continue // shown, and nobody's promise
		}
		name := fmt.Sprintf("%s and %s", c.Name, c.Address)
		events = w.observe(events, seen, subject{event.NameForward, c.Group, c.Node}, c.ForwardWrong, name)
		events = w.observe(events, seen, subject{event.NameReverse, c.Group, c.Node}, c.ReverseWrong, name)
	}
	if silent != "" {
		silent = "no name server tells whether the names are right: " + silent
	}
	events = w.observe(events, seen, subject{event.NameServers, "", ""}, silent, "the name servers")
	for s := range w.wrong {
		if !seen[s] {
			delete(w.wrong, s)
			delete(w.told, s)
		}
	}
	return events
}

func (w *Watch) observe(events []api.Event, seen map[subject]bool, s subject, wrong, name string) []api.Event {
	seen[s] = true
	ev := api.Event{Kind: s.kind, Group: s.group, Node: s.node}
	if wrong == "" {
		if w.told[s] {
			ev.Severity, ev.Text = event.Notice, name+": right again"
			events = append(events, ev)
		}
		delete(w.wrong, s)
		delete(w.told, s)
		return events
	}
	w.wrong[s]++
	if w.wrong[s] < toRaise || w.told[s] {
		return events
	}
	w.told[s] = true
	ev.Severity, ev.Text = event.Warning, wrong
	return append(events, ev)
}
