package proof

import (
	"fmt"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/health"
	"spoolgate/firmware/phrase"
)

// The ports that the requirement has monitored.
const (
	spoc = 5555
	ts   = 5022
)

// decision is what failover is decided by. Ports alone are one of the ways that the
// requirement allows, and so are, with "any", the ports of a node whose services
// can't be read.
func (g Group) decision() api.ProofItem {
	var f finding
	for _, n := range g.Nodes {
		probed := slices.ContainsFunc(n.Status.Ports, func(p api.Port) bool { return !p.Last.IsZero() })
		switch {
		case !probed:
			f.lacks("%s: not probed yet; do: wait for the next round, or spoolctl test %s", n.Name, n.Name)
			continue
		case !n.Services.Watched():
			f.shows("%s is %s, by its ports: %s", n.Name, n.Status.Health, n.Status.Reason)
			continue
		case n.Services.Combine == config.Any:
			f.shows("%s is %s, by its ports or its services: %s", n.Name, n.Status.Health, n.Status.Reason)
		default:
			f.shows("%s is %s, by its ports and its services: %s", n.Name, n.Status.Health, n.Status.Reason)
		}
		for _, s := range n.Status.Services {
			said := fmt.Sprintf("%s: %s", n.Name, health.ServiceSentence(s))
			switch {
			case s.Last.IsZero():
				f.lacks("%s; do: wait for the next round, or spoolctl test %s", said, n.Name)
			case s.Counts:
				f.notes("%s, at %s", said, s.Last.Local().Format(time.TimeOnly))
			case n.Services.Combine == config.Any:
				f.notes("%s: its ports decide, as combine = \"any\" has it", said)
			default:
				f.fails("%s, and does not count: its ports alone decide, although combine = \"all\" is configured", said)
			}
		}
	}
	return f.item(sentence{"failover-decision", failover,
		"make failover decision based on the state of appropriate Windows Services as reported by Service Control Manager ... AND/OR based on the availability of selected TCP ports"})
}

// monitored is whether both ports are probed now, whatever they answer.
func (g Group) monitored() api.ProofItem {
	var f finding
	for _, port := range []uint16{spoc, ts} {
		if !slices.Contains(g.Checks.Ports, port) {
			f.fails("port %d is not probed; do: write ports = [5555, 5022] into [group.checks]", port)
			continue
		}
		for _, n := range g.Nodes {
			i := slices.IndexFunc(n.Status.Ports, func(p api.Port) bool { return p.Port == port })
			if i < 0 || n.Status.Ports[i].Last.IsZero() {
				f.lacks("%s: port %d has not been probed yet; do: wait for the next round, or spoolctl test %s", n.Name, port, n.Name)
				continue
			}
			p := n.Status.Ports[i]
			if g.Now.Sub(later(p.Last, g.Paced)) > g.late() {
				f.fails("%s: port %d was last probed %v ago; do: look whether the box is overloaded", n.Name, port, g.Now.Sub(p.Last).Round(time.Second))
				continue
			}
			if p.Outcome == api.NoRoute || p.Outcome == api.Failed {
				f.fails("%s: port %d can't be probed from this box: %s; do: look at the cable and the addresses of the box", n.Name, port, p.Outcome)
				continue
			}
			f.shows("%s: port %d was probed at %s: %s", n.Name, port, p.Last.Local().Format(time.TimeOnly), p.Outcome)
		}
	}
	return f.item(sentence{"monitored-ports", failover,
		"If TCP based monitor is in place, required ports for monitoring are 5555 (for SPOC service) and 5022 (for TS service)"})
}

// late is an age that no last probe has where the period is kept: its round may be
// spread by a tenth, and its answer may take the whole time-out.
func (g Group) late() time.Duration {
	return 2*g.Checks.Interval + g.Checks.Timeout + time.Second
}

// period is measured by the probes themselves. The requirement recommends 5 seconds:
// another period is no failure, one that is not kept is.
func (g Group) period() api.ProofItem {
	var f finding
	for _, n := range g.Nodes {
		for _, port := range g.Checks.Ports {
			probes := g.paced(n.Probes[port])
			every, of := pace(probes)
			switch {
			case of < leastGaps:
				f.lacks("%s: port %d was probed %s%s, too few to measure; do: ask again in %v", n.Name, port, phrase.Count(len(probes), "time"), g.sincePaced(), (leastGaps+1)*g.Checks.Interval)
			case every > g.Checks.Interval*5/4:
				f.fails("%s: port %d was probed only every %v; do: look whether the box is overloaded", n.Name, port, every)
			default:
				f.shows("%s: port %d was probed every %v, the median of %s", n.Name, port, every, phrase.Count(of, "gap"))
			}
		}
	}
	if g.Checks.Interval != 5*time.Second {
		f.notes("the recommendation is 5s; interval = %q is configured", g.Checks.Interval)
	}
	return f.item(sentence{"period", failover, "Our recommendation for monitoring period is 5 seconds"})
}

// paced are the probes since the interval is what it is.
func (g Group) paced(probes []api.Probe) []api.Probe {
	first := slices.IndexFunc(probes, func(p api.Probe) bool { return !p.Time.Before(g.Paced) })
	if first < 0 {
		return nil
	}
	return probes[first:]
}

// sincePaced says since when probes count, where that is not all the time.
func (g Group) sincePaced() string {
	if !g.Paced.After(g.Seen.Since) {
		return ""
	}
	return fmt.Sprintf(" since %s, when the interval became %v", clock(g.Paced), g.Checks.Interval)
}

// A measurement takes as many gaps between probes, and of more the last ones: it is of
// now.
const (
	leastGaps = 3
	mostGaps  = 5
)

// pace is the median of the last gaps between probes. Probes between the rounds, when
// traffic or a person asked for them, make some of them shorter.
func pace(probes []api.Probe) (every time.Duration, of int) {
	probes = probes[max(len(probes)-mostGaps-1, 0):]
	var gaps []time.Duration
	for i := 1; i < len(probes); i++ {
		gaps = append(gaps, probes[i].Time.Sub(probes[i-1].Time))
	}
	if len(gaps) == 0 {
		return 0, 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2].Round(10 * time.Millisecond), len(gaps)
}

// downAfter needs a node that went Down: nothing else shows after how many attempts.
func (g Group) downAfter() api.ProofItem {
	var f finding
	for _, n := range g.Nodes {
		fall, fell := g.Seen.falls[n.Address]
		switch {
		case !fell:
		case fall.Misses < fall.Configured:
			f.fails("%s was considered Down after only %d of %d unsuccessful attempts on port %d, at %s; do: save a support bundle (spoolctl support FILE) and report it",
				n.Name, fall.Misses, fall.Configured, fall.Port, clock(fall.At))
		default:
			f.shows("%s was considered Down after %d unsuccessful attempts in a row on port %d, at %s", n.Name, fall.Misses, fall.Port, clock(fall.At))
		}
	}
	if len(f.seen)+len(f.wrong) == 0 {
		f.lacks("no node went Down by its ports since %s; do: stop the service on a node in a maintenance window", clock(g.Seen.Since))
	}
	if g.Checks.Misses != 3 {
		f.notes("the recommendation is 3; misses = %d is configured", g.Checks.Misses)
	}
	return f.item(sentence{"down-after", failover, "with node considered down after 3 unsuccessful attempts"})
}

// upDelay needs the starts of every node: the delay must be based on them.
func (g Group) upDelay() api.ProofItem {
	var f finding
	for _, n := range g.Nodes {
		a := health.Advise(n.Starts, g.Checks.UpDelay)
		switch {
		case a.Longest > g.Checks.UpDelay && a.Text != "":
			f.fails("%s: %s", n.Name, a.Text)
		case a.Longest > g.Checks.UpDelay:
			f.fails("%s took %v to start; do: set a longer up_delay in [group.checks]", n.Name, a.Longest.Round(time.Second))
		case a.Text == "":
			f.lacks("%s: %s measured, 3 are needed; do: restart the server in a maintenance window", n.Name, phrase.Count(len(n.Starts), "start"))
		default:
			f.shows("%s: %s", n.Name, a.Text)
		}
		if waited, rose := g.Seen.waited[n.Address]; rose {
			if waited < g.Checks.UpDelay {
				f.notes("%s was Up %v after its first answers; up_delay may have been shorter then", n.Name, waited.Round(time.Second))
			} else {
				f.notes("%s answered for %v before it was Up", n.Name, waited.Round(time.Second))
			}
		}
	}
	f.notes("configured: a node is Up when it has answered for %v without a failure", g.Checks.UpDelay)
	return f.item(sentence{"up-delay", failover,
		"Node shall not be considered up immediately but after defined time which must be based on real time required for Management/Site Server to start"})
}
