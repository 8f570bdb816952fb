package engine

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/engine/proof"
	"spoolgate/firmware/event"
)

// asked is the evidence that others have: the kernel, netd and reportd. It is
// collected before the proof comes into the loop, which waits for nobody.
type asked struct {
	open      map[netip.Addr]*proof.Survey // connections, by virtual address
	holds     map[netip.Addr]api.Hold      // nil where nobody tells
	reporters []api.Reporter
	silent    error // reportd's
}

// askPatience is how long netd and reportd may take to answer, each.
const askPatience = 3 * time.Second

func patiently[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return ask(ctx)
}

func (e *Engine) serveProof(w http.ResponseWriter, r *http.Request) {
	var groups []config.Group
	err := e.ask(r.Context(), func() { groups = e.config.Groups })
	var a asked
	if err == nil {
		a, err = e.askOthers(r.Context(), groups)
	}
	if err != nil {
		wire.Answer(w, nil, err)
		return
	}
	reply(e, w, r, func() (api.Proof, error) { return e.proof(a), nil })
}

func (e *Engine) askOthers(ctx context.Context, groups []config.Group) (a asked, err error) {
	a.open = map[netip.Addr]*proof.Survey{}
	for _, g := range groups {
		a.open[g.VirtualAddress] = proof.NewSurvey(g)
	}
	if err := e.opts.EachConnection(func(c dataplane.Connection) {
		if s := a.open[c.VirtualAddress]; s != nil {
			s.Add(c)
		}
	}); err != nil {
		return a, err
	}
	if e.opts.Network != nil {
		if n, err := patiently(ctx, e.opts.Network); err == nil {
			a.holds = map[netip.Addr]api.Hold{}
			for _, v := range n.VirtualAddresses {
				a.holds[v.Address] = v.Hold
			}
		}
	}
	a.silent = errNoReportd
	if e.opts.Reporters != nil {
		a.reporters, a.silent = patiently(ctx, e.opts.Reporters)
	}
	return a, nil
}

var errNoReportd = errors.New("it does not run on this machine")

// proof holds the requirement against what is seen now, sentence by sentence.
func (e *Engine) proof(a asked) api.Proof {
	now := e.opts.Now()
	p := api.Proof{Time: now, Items: []api.ProofItem{}}
	if len(e.groups) == 0 {
		p.Items = append(p.Items, proof.Unconfigured())
	}
	for _, g := range e.groups {
		open := a.open[g.VirtualAddress]
		if open == nil {
			open = proof.NewSurvey(g.Group) // it was configured since the others were asked
		}
		p.Items = append(p.Items, e.evidence(g, open, a.holds, now).Judge()...)
	}
	p.Items = append(p.Items, e.reportEvidence(a).Judge())
	p.Items = append(p.Items, proof.Settings()...)
	return p
}

// evidence is what is seen of a group.
func (e *Engine) evidence(g *group, open *proof.Survey, holds map[netip.Addr]api.Hold, now time.Time) proof.Group {
	out := proof.Group{Group: g.Group, Now: now, Seen: g.seen, Paced: g.paced, Open: open, Bound: g.policy.Len()}
	if hold, known := holds[g.VirtualAddress]; known {
		out.Hold = &hold
	}
	for _, c := range e.names.found.Checks {
		if c.Group == g.Name && c.Node == "" {
			out.Names = &c
			break
		}
	}
	for i, n := range g.policy.Nodes() {
		m := g.members[i]
		node := proof.Node{Node: m.Node, Status: m.machine.Status(), Starts: e.starts.starts[m.Address],
			Probes: map[uint16][]api.Probe{}, Serving: n.Serving, Bound: n.Clients, Open: n.Open}
		node.Flights, _ = e.flights.Flights(m.Address)
		for _, port := range g.Checks.Ports {
			node.Probes[port] = m.machine.Probes(port)
		}
		out.Nodes = append(out.Nodes, node)
	}
	for _, b := range g.policy.Bindings(now) {
		out.Left = max(out.Left, b.Left)
	}
	out.Split, out.Moving = g.torn(open, now)
	for _, found := range e.mistakesOf(g) {
		if found.Kind == event.ClientBypass {
			out.Bypasses = append(out.Bypasses, found.Text)
		}
	}
	if e.unset || e.unapplied || e.lost {
		out.Refused = "the kernel lacks the last change of the rules that pass MFDs; do: see spoolctl incidents"
	}
	return out
}

// tornSlack is how far the kernel's time of a connection's beginning and that of its
// event here may lie apart.
const tornSlack = 2 * time.Second

// torn counts the MFDs with open connections beside those to the node that they are
// bound to: split if one of them is younger than the binding, moving if all are older
// than it, as when a node was drained and what was open finishes there.
func (g *group) torn(open *proof.Survey, now time.Time) (split, moving int) {
	for a, nodes := range open.Nodes {
		if len(nodes) < 2 {
			continue
		}
		c, bound := g.policy.Lookup(a, now)
		astray := false
		for mark, began := range nodes {
			astray = astray || bound && balance.NodeID(mark) != c.Node && began.After(c.Since.Add(tornSlack))
		}
		if astray {
			split++
		} else {
			moving++
		}
	}
	return split, moving
}

func (e *Engine) reportEvidence(a asked) proof.Reports {
	c := e.config.Report
	r := proof.Reports{Metrics: c.Metrics != nil, Reporters: a.reporters, Silent: a.silent, Incidents: len(e.book.Open())}
	for _, on := range []bool{c.Syslog != nil, c.SNMP != nil, c.Mail != nil, c.Webhook != nil} {
		if on {
			r.Configured++
		}
	}
	return r
}
