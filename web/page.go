package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
)

// page is what the status page shows: a view put into words, shapes and tones.
type page struct {
	Hostname string
	Version  string
	Zone     string
	Verdict  verdict
	Notes    []string
	Panel    panel
	Groups   []group
	Events   []api.Event // newest first
}

// verdict answers "can people print now, and is there a spare?".
type verdict struct {
	State    api.BoxState
	Sentence string
	Reason   string
	Since    time.Time
	Tone     string // good, warn, bad, quiet: the classes of the style sheet
}

type panel struct {
	Notice string
	Lamps  []lamp
}

type lamp struct {
	api.Lamp
	Class string // of the pattern
	Light string // pattern and colour in words
}

type group struct {
	api.Group
	Held   string
	Window string
	Seen   string
	Nodes  []node
}

type node struct {
	api.Node
	Tone            string
	Share           int // percent of the group's MFDs
	Health, Service axis
}

// axis is one of a node's two states, with its reason and since.
type axis struct {
	Word, Reason, Shape, Tone string
	Since                     time.Time
}

func newPage(v view, now time.Time) page {
	p := page{Hostname: "box", Zone: now.Format("MST"), Verdict: judge(v)}
	if v.Services != nil {
		p.Version = v.Services.Boot.Version
		p.Notes = append(p.Notes, v.Services.Boot.Problems...)
		for _, d := range v.Services.Services {
			if d.State != api.DaemonRunning && d.State != api.DaemonReloading {
				p.Notes = append(p.Notes, fmt.Sprintf("%s is %s: %s", d.Name, strings.ToLower(string(d.State)), d.Reason))
			}
		}
	}
	if v.Panel != nil {
		p.Panel.Notice = v.Panel.Notice
		for _, l := range v.Panel.Lamps {
			p.Panel.Lamps = append(p.Panel.Lamps, newLamp(l))
		}
	} else {
		p.Panel.Notice = "does not answer"
	}
	p.Events = slices.Clone(v.Events)
	slices.Reverse(p.Events)
	if v.Balancer == nil {
		return p
	}
	p.Hostname = v.Balancer.Box.Hostname
	if s := v.Balancer.Box.Suspicion; s != "" {
		p.Notes = append([]string{"It is probably this box and not the nodes: " + s}, p.Notes...)
	}
	for _, g := range v.Balancer.Groups {
		p.Groups = append(p.Groups, newGroup(g))
	}
	return p
}

func judge(v view) verdict {
	if v.Balancer == nil {
		out := verdict{State: "Unknown", Tone: "quiet", Sentence: "Nobody can tell whether people can print.", Since: v.Lost,
			Reason: "The balancer does not answer. Bound MFDs go on; init starts it again by itself."}
		if v.Lost.IsZero() {
			out.Sentence, out.Reason = "One moment.", "The first state is under way."
		}
		return out
	}
	b := v.Balancer.Box
	out := verdict{State: b.State, Reason: sentence(b.Reason), Since: b.Since}
	switch b.State {
	case api.OK:
		out.Sentence, out.Tone = "People can print, and there is a spare.", "good"
	case api.NoSpare:
		out.Sentence, out.Tone = "People can print, but there is no spare.", "warn"
	case api.NothingServing:
		out.Sentence, out.Tone = "Nobody can print.", "bad"
		for _, g := range v.Balancer.Groups {
			if g.State != api.NothingServing {
				out.Sentence = "Some people can't print."
			}
		}
	default:
		out.Sentence, out.Tone = string(b.State)+".", "quiet"
	}
	return out
}

func newLamp(l api.Lamp) lamp {
	light := string(l.Pattern)
	if l.Pattern != api.Off {
		light += " " + string(l.Colour)
	}
	return lamp{Lamp: l, Class: strings.ReplaceAll(string(l.Pattern), " ", "-"), Light: light}
}

func newGroup(g api.Group) group {
	out := group{Group: g, Window: minutes(time.Duration(g.Affinity)), Seen: "seen by the nodes under their own addresses"}
	if g.Mode == "masked" {
		out.Seen = "seen by the nodes under the virtual address"
	}
	for _, n := range g.Nodes {
		one := node{Node: n, Health: healthAxis(n), Service: serviceAxis(n)}
		if g.Clients > 0 {
			one.Share = 100 * n.Clients / g.Clients
		}
		switch {
		case n.Serving:
			one.Tone = "good"
		case n.Health == api.Down:
			one.Tone = "bad"
		case n.Service != api.InService:
			one.Tone = "quiet"
		default:
			one.Tone = "warn"
		}
		out.Nodes = append(out.Nodes, one)
	}
	return out
}

func healthAxis(n api.Node) axis {
	a := axis{Word: string(n.Health), Reason: sentence(n.HealthReason), Since: n.HealthSince}
	switch n.Health {
	case api.Up:
		a.Shape, a.Tone = "circle", "good"
	case api.Checking, api.Starting:
		a.Shape, a.Tone = "triangle", "warn"
	case api.Down:
		a.Shape, a.Tone = "diamond", "bad"
	default:
		a.Shape, a.Tone = "square", "quiet"
	}
	return a
}

func serviceAxis(n api.Node) axis {
	a := axis{Word: string(n.Service), Reason: sentence(n.ServiceReason), Since: n.ServiceSince}
	switch n.Service {
	case api.InService:
		a.Shape, a.Tone = "circle", "good"
	case api.Draining:
		a.Shape, a.Tone = "triangle", "warn"
	default:
		a.Shape, a.Tone = "square", "quiet"
	}
	return a
}

// sentence makes a sentence of a reason.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func minutes(d time.Duration) string {
	if d%time.Minute == 0 && d >= time.Minute {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return d.String()
}
