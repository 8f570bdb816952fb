package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// key is what makes two troubles the same one.
type key struct{ kind, group, node, program string }

func keyOf(i api.Incident) key { return key{i.Kind, i.Group, i.Node, i.Program} }

// entry is an incident while it may still change.
type entry struct {
	api.Incident
	base       string    // severity without what follows from it
	raisedTo   string    // the highest severity that was told
	eased      bool      // it gets better, and is not away
	nextDigest time.Time // not before; zero while it does not flap
	pause      time.Duration
	summed     int       // Times, as last summed up
	alone      bool      // no event tells its end
	confirmed  bool      // it was seen since this book began
	wasAway    time.Time // since then, as a book of before a restart told
}

// Bounds of what is kept of an incident: how many lines of evidence, the first of
// which say how it began, and how long one may be, and the cause.
const (
	mostEvidence = 12
	longestLine  = 300
	longestCause = 1000
)

func (e *entry) add(ev api.Event) {
	if ev.Kind == event.ClientMoved {
		e.Moved += ev.Count // a number says it: a line for each would crowd out the evidence
		return
	}
	lines := ev.Evidence
	if len(lines) == 0 {
		lines = []string{ev.Text}
	}
	for _, l := range lines {
		if l = clip(l, longestLine); !slices.Contains(e.Evidence, l) {
			e.Evidence = append(e.Evidence, l)
		}
	}
	if n := len(e.Evidence); n > mostEvidence {
		e.Evidence = slices.Concat(e.Evidence[:mostEvidence/2], e.Evidence[n-mostEvidence/2:])
	}
}

// clip cuts a text that is too long, between two letters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// raise takes over a severity of the trouble itself.
func (e *entry) raise(severity string) {
	if grave(severity) > grave(e.base) {
		e.base = severity
	}
	if grave(e.base) > grave(e.Severity) {
		e.Severity = e.base
	}
}

// lasts reports whether the trouble is there: an incident that comes and goes explains
// nothing while its trouble is away, and is blamed for nothing.
func (e *entry) lasts() bool { return e != nil && e.Open() && !e.passing() }

// passing reports whether an incident that comes and goes is open for nothing but that
// its trouble may come back.
func (e *entry) passing() bool { return e.Open() && e.ComesAndGoes && !e.Away.IsZero() }

// comeAgain counts a trouble that is there again, with the cause and the evidence that
// it has this time. One that was told to be over is summed up at once: whoever was told
// so must not go on believing it.
func (e *entry) comeAgain(title string, ev api.Event, now time.Time, pace Pace) {
	e.Times++
	e.Title, e.Cause, e.Evidence = title, clip(ev.Text, longestCause), nil
	wasOver := !e.Open()
	e.Cleared, e.Away, e.eased = time.Time{}, time.Time{}, false
	if wasOver || !e.ComesAndGoes && e.Times >= flapping {
		e.ComesAndGoes, e.pause, e.nextDigest = true, max(e.pause, pace.FirstDigest), now
	}
}

// rename calls an incident by the cause that it has now, where the event says it: what was
// wrong before may have been mended, and is in the evidence.
func (e *entry) rename(title string, ev api.Event) {
	if title != e.Title {
		e.Title, e.Cause = title, clip(ev.Text, longestCause)
	}
}

// goAway notes that the trouble of an incident that comes and goes is away: what
// followed from it is over, and it is not said to be there.
func (e *entry) goAway(now time.Time) {
	if e.Away.IsZero() {
		e.Away, e.eased, e.Severity = now, false, e.base
		e.Title = wentAway(e.Incident)
	}
}

// awaySince says of a trouble that was away before a restart that it stayed so: its node
// was well throughout, since then.
func (e *entry) awaySince(well time.Time) {
	if e.passing() && !well.IsZero() && !well.After(e.wasAway) {
		e.Away = e.wasAway
	}
}

func (e *entry) report(ev api.Event, phase api.Phase) api.Report {
	ev.Incident = e.ID
	i := e.Incident
	i.Evidence = slices.Clone(i.Evidence)
	r := api.Report{Event: ev, Incident: &i, Phase: phase}
	if grave(e.Severity) > grave(e.raisedTo) {
		r.Raised = phase == api.Update
		e.raisedTo = e.Severity
	}
	return r
}

// clear ends the incident by what time alone brings about.
func (e *entry) clear(now time.Time, why string) api.Report {
	e.end(now)
	e.Updated = now
	return e.report(api.Event{Kind: event.IncidentCleared, Severity: event.Notice, Group: e.Group, Node: e.Node, Program: e.Program, Text: e.Title + ": " + why}, api.Clear)
}

func (e *entry) end(now time.Time) {
	e.Cleared, e.Away, e.eased, e.confirmed = now, time.Time{}, false, true
}

// digest sums up what came and went.
func (e *entry) digest(now time.Time, pace Pace) api.Report {
	is := "it is there now"
	if e.eased {
		is = "it is getting better now"
	}
	text := fmt.Sprintf("%s: it comes and goes, came %d times since %s, and %s. If it goes on like this, the next summary follows in %v, and a last message when it has stayed away for %v",
		e.Title, e.Times, clock(e.Began), is, e.pause, pace.Steady)
	e.nextDigest, e.Updated, e.summed = now.Add(e.pause), now, e.Times
	e.pause = min(2*e.pause, pace.LongestDigest)
	return e.report(api.Event{Kind: event.IncidentDigest, Severity: e.Severity, Group: e.Group, Node: e.Node, Program: e.Program, Text: text}, api.Digest)
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

func grave(severity string) int {
	return slices.Index([]string{event.Info, event.Notice, event.Warning, event.Alert}, severity)
}
