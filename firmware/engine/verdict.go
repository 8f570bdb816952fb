package engine

import (
	"fmt"
	"slices"
	"strings"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/event"
)

// groupVerdict answers "can people print now, and is there a spare?". It is
// final once every node has been probed.
func groupVerdict(g *group) (state api.BoxState, reason string, final bool) {
	serving, unknown := 0, 0
	var lost string
	for i, n := range g.policy.Nodes() {
		h := g.members[i].machine.Health()
		switch {
		case n.Serving:
			serving++
		case h == api.Unknown:
			unknown++
			lost = join(lost, g.members[i].Name+" is not probed yet")
		case n.Service != api.InService:
			lost = join(lost, g.members[i].Name+" is "+lower(string(n.Service)))
		default:
			lost = join(lost, g.members[i].Name+" is "+string(h))
		}
	}
	final = unknown == 0
	switch {
	case serving == 0 && unknown == len(g.members):
		return api.NothingServing, "the first probes are under way", final
	case serving == 0:
		return api.NothingServing, lastResort(g), final
	case serving == 1 && len(g.members) == 1:
		return api.NoSpare, "only one node is configured; a second one would be a spare", final
	case serving == 1:
		return api.NoSpare, "one node carries everything: " + lost, final
	case lost != "":
		return api.OK, fmt.Sprintf("%d of %d nodes serve; %s", serving, len(g.members), lost), final
	}
	return api.OK, fmt.Sprintf("all %d nodes serve", serving), final
}

// serves reports whether MFDs can be dealt to a node of the group.
func (g *group) serves() bool {
	return slices.ContainsFunc(g.policy.Nodes(), func(n balance.NodeState) bool { return n.Serving })
}

// lastResort says why no node takes new MFDs, who is served all the same, and what is
// tried or to be done. A Starting node is not taken before its time (requirement: "Node
// shall not be considered up immediately but after defined time"): a server that accepts
// before it can serve loses jobs, and an MFD that is refused tries again.
func lastResort(g *group) string {
	var why, keep []string
	awaited := false
	up := g.policy.Up()
	for i, n := range g.policy.Nodes() {
		m, s := g.members[i], g.members[i].machine.Status()
		well, wanted := s.Health == api.Up || s.Health == api.Checking, n.Service == api.InService
		if slices.Contains(up, n.ID) {
			keep = append(keep, m.Name)
		}
		awaited = awaited || wanted
		switch {
		case well:
			why = append(why, fmt.Sprintf("%s is %s: return it to service", m.Name, lower(string(n.Service))))
		case wanted:
			why = append(why, fmt.Sprintf("%s is %s: %s", m.Name, s.Health, s.Reason))
		default:
			why = append(why, fmt.Sprintf("%s is %s: %s, and %s: return it to service, too", m.Name, s.Health, s.Reason, lower(string(n.Service))))
		}
	}
	text := "no node takes MFDs, which are refused and try again: "
	if len(keep) > 0 {
		text = fmt.Sprintf("no node takes new MFDs, which are refused and try again; those that are bound to %s go on until their window ends: ", strings.Join(keep, " or "))
	}
	text += strings.Join(why, "; ")
	if awaited {
		text += fmt.Sprintf(". Every node is probed every %v; the first that answers for its up-delay serves", g.Checks.Interval)
	}
	return text
}

var rank = map[api.BoxState]int{api.OK: 0, api.NoSpare: 1, api.NothingServing: 2}

// verdicts judges groups and box, and tells what changed.
func (e *Engine) verdicts() {
	now := e.opts.Now()
	worst := judged{state: api.OK}
	if len(e.groups) == 0 {
		worst = judged{state: api.NothingServing, reason: "this box has no configuration yet"}
	}
	if len(e.groups) == 0 && e.unused != "" {
		worst.reason = "the configuration is wrong, and there is no earlier one"
	}
	for _, g := range e.groups {
		state, reason, final := groupVerdict(g)
		g.bound = state == api.NothingServing && len(g.policy.Up()) > 0
		if away := e.unreached(g, now); away != "" {
			state, reason, g.bound = api.NothingServing, away, false
		}
		e.tellReach(g, now)
		if g.state.state != state {
			g.state.state, g.state.since = state, now
		}
		if final && g.told != state {
			ev := event.Event{Kind: event.GroupState, Severity: severityOf(g, state), Group: g.Name, State: string(state), Since: g.state.since,
				Text: fmt.Sprintf("group %s: %s: %s", g.Name, state, reason)}
			if state == g.before {
				e.book.Resume(ev)
			} else {
				e.tell(ev)
			}
			g.told, g.before = state, ""
		}
		g.state.reason = reason
		if rank[state] >= rank[worst.state] {
			if rank[state] > rank[worst.state] {
				worst.reason = ""
			}
			worst.state = state
			if len(e.groups) > 1 {
				reason = g.Name + ": " + reason
			}
			worst.reason = join(worst.reason, reason)
		}
	}
	worst.since = e.box.since
	if e.box.state != worst.state {
		worst.since = now
	}
	e.box = worst
}

func severityOf(g *group, s api.BoxState) string {
	switch {
	case s == api.NothingServing:
		return event.Alert
	case s == api.NoSpare && len(g.members) > 1:
		return event.Warning
	}
	return event.Notice
}
