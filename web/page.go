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
	New      bool        // nothing is configured yet
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

func newPage(v view, now time.Time) page {
	p := page{Hostname: "box", Zone: now.Format("MST"), Verdict: judge(v)}
	p.Notes = notes(v)
	if v.Services != nil {
		p.Version = v.Services.Boot.Version
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
	p.New = len(v.Balancer.Groups) == 0
	for _, g := range v.Balancer.Groups {
		p.Groups = append(p.Groups, newGroup(g, v.Network))
	}
	return p
}

func judge(v view) verdict {
	if v.Balancer == nil {
		out := verdict{State: "Unknown", Tone: "warn", Sentence: "Nobody can tell whether people can print.", Since: v.Lost,
			Reason: "The balancer does not answer. Bound MFDs go on; init starts it again by itself."}
		if v.Lost.IsZero() {
			out.Sentence, out.Reason, out.Tone = "One moment.", "The first state is under way.", "quiet"
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
		if len(v.Balancer.Groups) == 0 {
			out.Sentence, out.Tone = "This box is new.", "quiet"
			return out
		}
		out.Sentence, out.Tone = "Nobody can print.", "bad"
		for _, g := range v.Balancer.Groups {
			if g.State != api.NothingServing || g.BoundOnly {
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

func toneOf(s api.BoxState) string {
	switch s {
	case api.OK:
		return "good"
	case api.NoSpare:
		return "warn"
	case api.NothingServing:
		return "bad"
	}
	return "quiet"
}
