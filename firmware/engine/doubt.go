package engine

import (
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// doubts tells all members when the box begins or ends to suspect itself.
func (e *Engine) doubts(now time.Time) {
	v := e.suspicion.Verdict()
	if v == e.doubt {
		return
	}
	e.doubt = v
	for _, m := range e.members {
		if m.machine.Hold(now, v) {
			e.judge(m)
		}
	}
	e.tellDoubt(now)
}

// settlingIn is how long after its own start a box may be without an address
// before that is worth an alarm: netd is still asking for it.
const settlingIn = 10 * time.Second

func (e *Engine) tellDoubt(now time.Time) {
	switch v := e.doubt; {
	case v.Suspect && !e.doubtTold && (e.heard || now.Sub(e.startedAt) >= settlingIn):
		e.doubtTold, e.doubtPast = true, false
		e.tell(event.Event{Kind: event.BoxSuspicion, Severity: event.Alert, Since: v.Since,
			Text: "it is probably this box and not the nodes: " + v.Reason + ". " + e.goesOn(v) + ". Check the cable, the switch port and the VLAN of the service interface"})
	case !v.Suspect && e.doubtTold:
		e.doubtTold = false
		text := "probes are answered again; the box no longer suspects itself"
		if !e.suspicion.Answered() {
			text = "the box no longer suspects itself, though no probe is answered yet: what is left points to the nodes"
		}
		e.tell(event.Event{Kind: event.BoxSuspicion, Severity: event.Notice, Text: text})
	}
}

// goesOn says for how long the plan stands though nobody answers (health.Machine.Hold).
func (e *Engine) goesOn(v health.Verdict) string {
	if v.Certain {
		return "The last plan goes on"
	}
	var longest time.Duration
	for _, g := range e.groups {
		longest = max(longest, g.Checks.UpDelay)
	}
	return fmt.Sprintf("The last plan goes on for %v at most, the longest up_delay: nodes that are silent for longer are Down then", longest)
}

// endPastDoubt ends, with the first answer, the suspicion of before a start that nobody
// has had since.
func (e *Engine) endPastDoubt(o api.Outcome) {
	if e.doubtPast && o == api.Open {
		e.doubtPast = false
		e.tell(event.Event{Kind: event.BoxSuspicion, Severity: event.Notice, Text: "probes are answered; the box does not suspect itself any more"})
	}
}

// recallDoubt goes on with the suspicion of the box itself that was open when this
// daemon ended, so that its nodes are held as long as without the restart. Nodes that
// died while nobody watched were not doubted then, and are judged as ever.
func (e *Engine) recallDoubt(p past, kernel dataplane.Adopted, now time.Time) {
	if p.doubted.IsZero() {
		return
	}
	var silent []netip.AddrPort
	for _, m := range e.members {
		served, known := health.Served(p.healths[m.place()], p.doubted)
		if !known {
			h := m.machine.Health()
			served = h == api.Up || h == api.Checking
		}
		for _, port := range m.group.Checks.Ports {
			if served && p.stood(m, kernel) {
				silent = append(silent, netip.AddrPortFrom(m.Address, port))
			}
		}
	}
	e.suspicion.Recall(silent, p.doubted)
	v := e.suspicion.Verdict()
	if !v.Suspect {
		return
	}
	e.doubt, e.doubtTold, e.doubtPast = v, true, false
	e.book.Confirm(event.BoxSuspicion, "", "")
	for _, m := range e.members {
		m.machine.Hold(now, v)
	}
}
