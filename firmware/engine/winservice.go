package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
	"spoolgate/firmware/winservice"
)

// windowsAnswers are what one node said of its Windows services.
type windowsAnswers struct {
	node    netip.Addr
	answers []api.WindowsAnswer
}

// windowsPort is where the services are asked for; Suspicion knows the way to a node
// by it.
const windowsPort = 445

// windowsTargets are the nodes whose services are watched. A node whose password can't
// be opened is told so instead.
func (e *Engine) windowsTargets() (out []winservice.Target) {
	for _, g := range e.groups {
		for _, m := range g.members {
			if !m.Services.Watched() {
				continue
			}
			t, err := e.windowsTarget(m)
			if err != nil {
				e.hear(windowsAnswers{m.Address, each(m.Services.Names, api.WindowsSealedPassword)})
				continue
			}
			out = append(out, t)
		}
	}
	return out
}

func (e *Engine) windowsTarget(m *member) (winservice.Target, error) {
	password, err := e.opts.Key.Open(m.Services.Password)
	return winservice.Target{
		Node: m.Address, Account: winservice.Account{User: m.Services.Account, Password: password},
		Names: m.Services.Names, Interval: m.Services.Interval, Timeout: m.Services.Timeout,
	}, err
}

func each(names []string, s api.WindowsState) (out []api.WindowsAnswer) {
	for _, name := range names {
		out = append(out, api.WindowsAnswer{Name: name, State: s})
	}
	return out
}

// hear takes what a node said of its services.
func (e *Engine) hear(a windowsAnswers) {
	now := e.opts.Now()
	if o, tells := way(a.answers); tells {
		e.heard = e.heard || o != api.NoRoute
		e.suspicion.Observe(now, netip.AddrPortFrom(a.node, windowsPort), api.Probe{Time: now, Outcome: o})
		e.doubts(now)
	}
	for _, m := range e.members {
		if m.Address != a.node {
			continue
		}
		if m.machine.ObserveServices(now, a.answers) {
			e.judge(m)
		}
		e.tellBlind(m)
	}
	e.dirty = true
}

// way is what the answers of a node show of the way to it: whoever answers, whatever
// it is, can be reached.
func way(answers []api.WindowsAnswer) (o api.Outcome, tells bool) {
	for _, a := range answers {
		switch a.State {
		case api.WindowsHostDown:
			return api.Absent, true
		case api.WindowsUnreachable:
			return api.Unreachable, true
		case api.WindowsTimedOut:
			return api.TimedOut, true
		case api.WindowsNoRoute:
			return api.NoRoute, true
		case api.WindowsRefused:
			return api.Refused, true
		case api.WindowsNotAsked, api.WindowsSealedPassword, api.WindowsWrongPassword:
			// A wrong password may be what another node said.
			return "", false
		}
	}
	return api.Open, len(answers) > 0
}

// tellBlind tells when services of a node that is in use can't be judged, and when
// they can again. A node that is Down has its own event.
func (e *Engine) tellBlind(m *member) {
	s := m.machine.Status()
	if m.Services.Watched() && (s.Health == api.Down || s.Health == api.Unknown) {
		return
	}
	var states []string
	var first api.WindowsService
	for _, v := range s.Services {
		if v.Counts || v.Last.IsZero() {
			continue
		}
		if len(states) == 0 {
			first = v
		}
		states = append(states, v.Name+" "+string(v.State))
	}
	blind := strings.Join(states, ", ")
	if blind == m.blind {
		return
	}
	m.blind = blind
	if blind == "" {
		e.tellJudged(m)
		return
	}
	e.tell(event.Event{Kind: event.NodeServices, Severity: event.Warning, Group: m.group.Name, Node: m.Name,
		Text: fmt.Sprintf("%s: only its ports are judged, not all its Windows services: %s", m.Name, health.ServiceSentence(first))})
}

// tellPlain tells of passwords that somebody wrote into the file by hand, and when
// they are encrypted. Where there is no key nothing can be.
func (e *Engine) tellPlain() {
	plain := len(e.config.Plain) > 0 && !e.opts.Key.IsZero()
	if plain == e.plain {
		return
	}
	e.plain = plain
	if !plain {
		e.tell(event.Event{Kind: event.ConfigPlain, Severity: event.Notice, Text: "every password of the configuration is encrypted"})
		return
	}
	e.tell(event.Event{Kind: event.ConfigPlain, Severity: event.Warning,
		Text: "not encrypted in the configuration: " + strings.Join(e.config.Plain, ", ") + "; anybody who gets the file reads it. Put it in place again with spoolctl config apply /data/config.toml"})
}

// listPatience is how long a node may take to list its services.
const listPatience = 15 * time.Second

// serveServices lists the Windows services that a node has. It waits for the node
// outside the loop.
func (e *Engine) serveServices(w http.ResponseWriter, r *http.Request) {
	var target winservice.Target
	var failed error
	if err := e.ask(r.Context(), func() {
		var m *member
		if m, failed = e.find(r.PathValue("group"), r.PathValue("node")); failed != nil {
			return
		}
		if m.Services.Account == "" {
			failed = &api.Error{Status: http.StatusConflict, What: fmt.Sprintf("%s has no account to ask for its Windows services with", m.Name),
				Do: "Add account and password under [group.services] of the configuration"}
			return
		}
		if target, failed = e.windowsTarget(m); failed != nil {
			failed = &api.Error{Status: http.StatusConflict, What: fmt.Sprintf("the password for the Windows services of %s %v", m.Name, failed)}
		}
	}); err != nil {
		failed = err
	}
	if failed != nil {
		wire.Answer(w, nil, failed)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), listPatience)
	defer cancel()
	found, err := e.windows.List(ctx, target)
	if err != nil {
		wire.Answer(w, nil, unlisted(target, err))
		return
	}
	for i := range found {
		found[i].Watched = slices.ContainsFunc(target.Names, func(name string) bool { return strings.EqualFold(name, found[i].Name) })
	}
	wire.Answer(w, found, nil)
}

func unlisted(t winservice.Target, err error) error {
	answer := &api.Error{Status: http.StatusConflict, What: fmt.Sprintf("%s does not list its Windows services to %s: %v", t.Node, t.Account, err)}
	var f *winservice.Failure
	if errors.As(err, &f) && f.State == api.WindowsAccessDenied {
		answer.Do = "To list them the account needs one right more than to ask for single ones: (A;;CCLC;;;SID) by sc sdset scmanager. Or have an administrator of the node run: sc query"
	}
	return answer
}

// tellJudged tells that nothing is wrong with the services of a node any more.
func (e *Engine) tellJudged(m *member) {
	text := m.Name + ": all its Windows services can be judged"
	if !m.Services.Watched() {
		text = m.Name + ": no Windows services are watched on it any more"
	}
	e.tell(event.Event{Kind: event.NodeServices, Severity: event.Notice, Group: m.group.Name, Node: m.Name, Text: text})
}

// endUnwatched ends what was told of services before this start that nobody watches now:
// no answer will come that could end it.
func (e *Engine) endUnwatched() {
	for _, i := range e.book.Open() {
		if i.Kind != event.NodeServices {
			continue
		}
		if m, err := e.find(i.Group, i.Node); err == nil && !m.Services.Watched() {
			e.tellJudged(m)
		}
	}
}
