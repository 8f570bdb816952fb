package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// startsName is the file, beside the journal, of the starts that were measured: by
// address, as names change. It is written only after a start, which is a few times
// a month.
const startsName = "starts.json"

// startWatch measures the starts of the nodes and remembers them over a restart of
// the box.
type startWatch struct {
	memo
	watches map[netip.Addr]*health.Startup
	starts  map[netip.Addr][]api.Start   // oldest first
	warned  map[netip.Addr]time.Duration // up-delays that were told to be too short
}

// openStarts reads what is remembered. The error says why that is nothing, when
// there was something; then it starts anew.
func openStarts(dir string) (*startWatch, error) {
	w := &startWatch{memo: memo{path: filepath.Join(dir, startsName)}, watches: map[netip.Addr]*health.Startup{}, starts: map[netip.Addr][]api.Start{},
		warned: map[netip.Addr]time.Duration{}}
	err := w.read(&w.starts)
	if err != nil || w.starts == nil {
		w.starts = map[netip.Addr][]api.Start{}
	}
	return w, err
}

// follow has the configured nodes measured, each after the rule of its group.
func (w *startWatch) follow(rules map[netip.Addr]health.Rule) {
	maps.DeleteFunc(w.watches, func(a netip.Addr, _ *health.Startup) bool { _, stays := rules[a]; return !stays })
	for a, rule := range rules {
		if s := w.watches[a]; s != nil {
			s.SetRule(rule)
		} else {
			w.watches[a] = health.NewStartup(rule)
		}
	}
}

// add remembers a start; those of nodes that are gone are forgotten with it.
func (w *startWatch) add(node netip.Addr, s api.Start) {
	starts := append(w.starts[node], s)
	w.starts[node] = slices.Clone(starts[max(len(starts)-health.KeptStarts, 0):])
	maps.DeleteFunc(w.starts, func(a netip.Addr, _ []api.Start) bool { return w.watches[a] == nil })
	w.unsaved = true
}

// rules says how each configured node is judged.
func (e *Engine) rules() map[netip.Addr]health.Rule {
	out := map[netip.Addr]health.Rule{}
	for _, m := range e.members {
		out[m.Address] = rule(m.group.Group, m.Node)
	}
	return out
}

// measure takes the result of a probe, as probed does. What a box sees that
// suspects itself, or that nobody has answered yet, is no start of a node.
func (e *Engine) measure(now time.Time, p probed) {
	a := p.target.Address.Addr()
	s, m := e.starts.watches[a], e.at(a)
	if s == nil || m == nil {
		return
	}
	if e.doubt.Suspect || e.doubt.Deaf {
		s.Lose()
		return
	}
	if start, measured := s.Observe(now, p.target.Address.Port(), p.probe); measured {
		e.tellStart(m, start)
	}
}

// tellStart tells of a start that was measured, and of what that says of the
// up-delay.
func (e *Engine) tellStart(m *member, start api.Start) {
	configured := m.group.Checks.UpDelay
	before := health.Advise(e.starts.starts[m.Address], configured)
	e.starts.add(m.Address, start)
	advice := health.Advise(e.starts.starts[m.Address], configured)
	took := time.Duration(start.Took)
	ev := event.Event{Kind: event.NodeStart, Severity: event.Info, Group: m.group.Name, Node: m.Name,
		Text: fmt.Sprintf("%s took %.1f s from its first sign of life to steady answers", m.Name, took.Seconds())}
	switch {
	case took > configured:
		ev.Severity = event.Warning
		e.starts.warned[m.Address] = configured
		ev.Text += ", and " + tooShort(m, advice)
	case advice.Delay != before.Delay:
		ev.Severity = event.Notice
		ev.Text += ". Of " + m.Name + ", " + advice.Text
	}
	e.tell(ev)
}

// tooShort says what to do about an up-delay that is shorter than a start.
func tooShort(m *member, a health.Advice) string {
	text := only(m.group) + ": MFDs may reach a server that still starts. "
	if a.Delay > m.group.Checks.UpDelay {
		return text + "Of " + m.Name + ", " + a.Text
	}
	return text + "Set a longer one in [group.checks]; how long is proposed after three starts"
}

// only is what is said of an up-delay that is too short.
func only(g *group) string {
	return fmt.Sprintf("up_delay of group %s is only %v", g.Name, g.Checks.UpDelay)
}

// recallDelay takes over from what was last told whether the node's up-delay was told to
// be too short: a restart makes no start happen again.
func (e *Engine) recallDelay(m *member, told string) {
	if strings.Contains(told, only(m.group)+": ") {
		e.starts.warned[m.Address] = m.group.Checks.UpDelay
	}
}

// checkUpDelays tells of nodes whose configured up-delay is shorter than what was
// measured before, once for each delay, and of those that are long enough now.
func (e *Engine) checkUpDelays() {
	for _, g := range e.groups {
		for _, m := range g.members {
			a := health.Advise(e.starts.starts[m.Address], g.Checks.UpDelay)
			told, before := e.starts.warned[m.Address]
			if a.Longest <= g.Checks.UpDelay {
				if before {
					delete(e.starts.warned, m.Address)
					e.tell(event.Event{Kind: event.NodeStart, Severity: event.Notice, Group: g.Name, Node: m.Name,
						Text: fmt.Sprintf("up_delay of group %s, %v, is as long as %s has needed to start", g.Name, g.Checks.UpDelay, m.Name)})
				}
				continue
			}
			if told == g.Checks.UpDelay {
				continue
			}
			e.starts.warned[m.Address] = g.Checks.UpDelay
			e.tell(event.Event{Kind: event.NodeStart, Severity: event.Warning, Group: g.Name, Node: m.Name,
				Text: fmt.Sprintf("%s has needed up to %.1f s to start, and %s", m.Name, a.Longest.Seconds(), tooShort(m, a))})
		}
	}
}
