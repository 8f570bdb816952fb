package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

func TestNoStoryOpensTwiceOrNeverEnds(t *testing.T) { rapid.Check(t, anyStory) }

func FuzzNoStoryOpensTwiceOrNeverEnds(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anyStory)) }

func anyStory(rt *rapid.T) {
	pace := DefaultPace()
	b := NewBook(pace, event.History{}, start)
	now := start
	open := map[uint64]bool{}
	messages := map[uint64]int{}
	restarts := 0
	var journal []api.Report
	note := func(reports ...api.Report) {
		for _, r := range reports {
			journal = append(journal, r)
			if r.Incident == nil {
				continue
			}
			if r.Event.Incident != r.Incident.ID || r.Incident.Title == "" || r.Incident.Cause == "" {
				rt.Fatalf("%+v", r)
			}
			switch r.Phase {
			case api.Begin:
				if open[r.Incident.ID] || messages[r.Incident.ID] > 0 {
					rt.Fatalf("begins again: %+v", r.Incident)
				}
				open[r.Incident.ID] = true
			case api.Clear:
				if r.Incident.Open() {
					rt.Fatalf("cleared and open: %+v", r.Incident)
				}
				open[r.Incident.ID] = false
			default:
				open[r.Incident.ID] = true
			}
			if r.Phase != api.Update {
				messages[r.Incident.ID]++
			}
			if most := 4 + 2*restarts + int(4*now.Sub(r.Incident.Began)/pace.Steady); messages[r.Incident.ID] > most {
				rt.Fatalf("%d messages, at most %d: %+v", messages[r.Incident.ID], most, r.Incident)
			}
		}
	}
	health := rapid.SampledFrom([]api.Health{api.Up, api.Down, api.Starting, api.Checking})
	state := rapid.SampledFrom([]api.BoxState{api.OK, api.NoSpare, api.NothingServing})
	node := rapid.SampledFrom([]string{"A", "B"})
	severity := rapid.SampledFrom([]string{event.Notice, event.Alert})
	narrow := rapid.SampledFrom([]string{event.NodeServices, event.NodeCheck})
	why := rapid.SampledFrom([]string{"Wrong password", "Port 445 refuses"})
	up := map[string]bool{}   // since the last restart
	wrong := map[key]string{} // what may belong to the node that is Down, and why
	steps := rapid.IntRange(1, 150).Draw(rt, "steps")
	for range steps {
		ev := api.Event{Group: "print", Text: "x"}
		switch rapid.IntRange(0, 9).Draw(rt, "what") {
		case 0, 1:
			h := health.Draw(rt, "health")
			ev.Kind, ev.Node, ev.State, ev.Severity = event.NodeHealth, node.Draw(rt, "node"), string(h), event.Notice
			if h == api.Down {
				ev.Severity = event.Warning
			}
			up[ev.Node] = h == api.Up
		case 2:
			st := state.Draw(rt, "state")
			ev.Kind, ev.State = event.GroupState, string(st)
			ev.Severity = map[api.BoxState]string{api.OK: event.Notice, api.NoSpare: event.Warning, api.NothingServing: event.Alert}[st]
		case 3:
			ev.Kind, ev.Group, ev.Severity = event.BoxSuspicion, "", severity.Draw(rt, "severity")
		case 4:
			ev.Kind, ev.From, ev.Node, ev.Count, ev.Severity = event.ClientMoved, node.Draw(rt, "from"), "B", 3, event.Notice
		case 5:
			restarts++
			clear(up)
			clear(wrong)
			b = NewBook(pace, event.History{Reports: journal}, now)
			continue
		case 6:
			ev.Kind, ev.Severity = event.GroupUnreached, severity.Draw(rt, "unreached")
		case 7:
			ev.Kind, ev.Node, ev.Severity, ev.Text = event.NodeService, node.Draw(rt, "ordered"), event.Notice, "by order"
		case 8:
			ev.Kind, ev.Node, ev.Severity, ev.Text = narrow.Draw(rt, "narrow"), node.Draw(rt, "found at"), severity.Draw(rt, "found"), why.Draw(rt, "why")
			if k := (key{kind: ev.Kind, group: ev.Group, node: ev.Node}); ev.Severity == event.Alert {
				wrong[k] = ev.Text
			} else {
				delete(wrong, k)
			}
		default:
			passed := rapid.IntRange(1, 400).Draw(rt, "seconds")
			for range passed {
				now = now.Add(time.Second)
				note(b.Tick(now)...)
			}
			for k, title := range wrong {
				told := slices.ContainsFunc(b.Open(), func(i api.Incident) bool { return keyOf(i) == k && i.Title == title && i.Away.IsZero() })
				if up[k.node] && time.Duration(passed)*time.Second > grace && !told {
					rt.Fatalf("%+v goes on, and nobody was told: %+v", k, b.Open())
				}
			}
			continue
		}
		note(b.Take(ev, now))
		for _, i := range b.Open() {
			if up[i.Node] && i.Kind == event.NodeDown && (strings.Contains(i.Title, "is Down") || i.Away.IsZero() || i.Severity != event.Warning) {
				rt.Fatalf("%s serves: %+v", i.Node, i)
			}
			if slices.Contains(i.Evidence, "by order") {
				rt.Fatalf("an order is evidence: %+v", i)
			}
		}
	}
	for _, n := range []string{"A", "B"} {
		note(b.Take(api.Event{Kind: event.NodeHealth, Severity: event.Notice, Group: "print", Node: n, State: string(api.Up), Text: "x"}, now))
		for _, kind := range []string{event.NodeServices, event.NodeCheck} {
			note(b.Take(api.Event{Kind: kind, Severity: event.Notice, Group: "print", Node: n, Text: "x"}, now))
		}
	}
	note(b.Take(api.Event{Kind: event.BoxSuspicion, Severity: event.Notice, Text: "x"}, now))
	note(b.Take(api.Event{Kind: event.GroupUnreached, Severity: event.Notice, Group: "print", Text: "x"}, now))
	note(b.Take(api.Event{Kind: event.GroupState, Severity: event.Notice, Group: "print", State: string(api.OK), Text: "x"}, now))
	for range int(2*pace.Steady/time.Second) + 60 {
		now = now.Add(time.Second)
		note(b.Tick(now)...)
	}
	if left := b.Open(); len(left) > 0 {
		rt.Fatalf("all is well, and open are %+v", left)
	}
	for id, is := range open {
		if is {
			rt.Fatalf("incident %d was never told to be over", id)
		}
	}
}
