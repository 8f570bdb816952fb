package engine

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

// find returns a node by the names of group and node, or an *api.Error.
func (e *Engine) find(groupName, nodeName string) (*member, error) {
	g, err := e.findGroup(groupName)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range g.members {
		if strings.EqualFold(m.Name, nodeName) {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, &api.Error{Status: http.StatusNotFound, What: fmt.Sprintf("group %s has no node %q", g.Name, nodeName),
		Do: "Its nodes are " + strings.Join(names, ", ")}
}

func (e *Engine) findGroup(name string) (*group, error) {
	var names []string
	for _, g := range e.groups {
		if strings.EqualFold(g.Name, name) {
			return g, nil
		}
		names = append(names, g.Name)
	}
	return nil, &api.Error{Status: http.StatusNotFound, What: fmt.Sprintf("there is no group %q", name),
		Do: "The groups are " + strings.Join(names, ", ")}
}

// refusal turns an error of the policy into an answer.
func refusal(err error) error {
	status := http.StatusConflict
	if errors.Is(err, balance.ErrUnknownNode) || errors.Is(err, balance.ErrUnknownClient) {
		status = http.StatusNotFound
	}
	return &api.Error{Status: status, What: err.Error()}
}

func (e *Engine) drain(m *member, r api.DrainRequest) (api.Done, error) {
	now := e.opts.Now()
	policy := m.group.policy
	if policy.Left(m.id, r.Verb) {
		s := m.service()
		return api.Done{Text: fmt.Sprintf("%s is %s already: %s", m.Name, lower(string(s.Service)), s.Reason)}, nil
	}
	if err := policy.Drain(m.id, r.Verb, r.Force, now); err != nil {
		return api.Done{}, refusal(fmt.Errorf("%s is not drained: %w", m.Name, err))
	}
	e.program()
	text := m.Name + " gets no new MFDs; "
	switch r.Verb {
	case api.StopNow:
		e.cut(m)
		text = m.Name + " is out of service; its MFDs " + m.group.elsewhere("connect again, to a node that serves", "are refused when they connect again")
	case api.MoveNow:
		text += "those that are bound to it " + m.group.elsewhere("move", "are refused") + " at their next connection, open connections finish"
	case api.DrainGently:
		text += "those that are bound to it stay until their window ends" + emptyBy(policy, m.id, now)
	}
	e.tellService(m)
	return api.Done{Text: text}, nil
}

func emptyBy(policy *balance.Group, id balance.NodeID, now time.Time) string {
	at, known := policy.EmptyBy(id)
	if !known {
		return "; when it will be empty is known once their connections are closed"
	}
	if left := at.Sub(now); left > 0 {
		return fmt.Sprintf("; it is empty in %s if none of them comes back before", left.Round(time.Second))
	}
	return ""
}

func (e *Engine) giveBack(m *member) (api.Done, error) {
	if m.service().Service == api.InService {
		return api.Done{Text: m.Name + " is in service already" + m.untilUp()}, nil
	}
	if err := m.group.policy.Return(m.id, e.opts.Now()); err != nil {
		return api.Done{}, refusal(err)
	}
	e.program()
	e.tellService(m)
	return api.Done{Text: m.Name + " is in service" + m.untilUp()}, nil
}

// untilUp says why a node in service gets no MFDs yet; empty if it does.
func (m *member) untilUp() string {
	h := m.machine.Status()
	if h.Health == api.Up || h.Health == api.Checking {
		return ""
	}
	return fmt.Sprintf(", and gets MFDs once it is Up; now it is %s: %s", h.Health, h.Reason)
}

// service is what the policy knows of the node.
func (m *member) service() balance.NodeState {
	all := m.group.policy.Nodes()
	return all[slices.IndexFunc(all, func(s balance.NodeState) bool { return s.ID == m.id })]
}

// acknowledge records that somebody at the box knows of its state.
func (e *Engine) acknowledge() api.Done {
	text := "acknowledged at the front panel: " + e.box.text()
	e.tell(event.Event{Kind: event.Acknowledged, Severity: event.Notice, Text: text})
	return api.Done{Text: text}
}

// tellService tells of a changed service and keeps it over a restart.
func (e *Engine) tellService(m *member) {
	s := m.service()
	e.tell(event.Event{Kind: event.NodeService, Severity: event.Notice, Group: m.group.Name, Node: m.Name, State: string(s.Service),
		Text: m.inService(s.Service) + s.Reason})
	e.saveNow()
}

// inService is how an event of a node's service begins, before the reason.
func (m *member) inService(s api.Service) string { return m.Name + " is " + lower(string(s)) + ": " }

func (e *Engine) move(g *group, mfd netip.Addr, to *member) (api.Done, error) {
	was, _ := g.policy.Lookup(mfd, e.opts.Now())
	if err := g.policy.MoveClient(mfd, to.id, e.opts.Now()); err != nil {
		return api.Done{}, refusal(err)
	}
	moves := operatorMoved(nil, "")
	if was.Node != to.id {
		e.movedBy(g, mfd, was.Node, to.id, balance.Operator)
		moves = operatorMoved([]netip.Addr{mfd}, e.name(was.Node))
		g.seen.Moved(true)
	}
	b := dataplane.Binding{VirtualAddress: g.VirtualAddress, Client: mfd, Mark: dataplane.Mark(to.id), Left: g.Affinity}
	if err := e.opts.Kernel.Bind([]dataplane.Binding{b}); err != nil {
		return api.Done{}, err
	}
	text := fmt.Sprintf("%s is bound to %s from its next connection on; open connections finish where they are", mfd, to.Name)
	e.tell(event.Event{Kind: event.ClientMoved, Severity: event.Notice, Group: g.Name, Node: to.Name, Moves: moves, Text: text + " (moved by the operator)"})
	e.saveNow()
	return api.Done{Text: text}, nil
}

func (e *Engine) forget(g *group, mfd netip.Addr) (api.Done, error) {
	was, _ := g.policy.Lookup(mfd, e.opts.Now())
	if err := g.policy.Forget(mfd, e.opts.Now()); err != nil {
		return api.Done{}, refusal(err)
	}
	e.movedBy(g, mfd, was.Node, 0, balance.Operator)
	g.seen.Moved(true)
	if err := e.opts.Kernel.Forget([]dataplane.Binding{{VirtualAddress: g.VirtualAddress, Client: mfd}}); err != nil {
		return api.Done{}, err
	}
	text := fmt.Sprintf("%s is forgotten: its next connection %s", mfd,
		g.elsewhere("goes to the node with the fewest connections", "is refused, until a node takes MFDs again"))
	e.tell(event.Event{Kind: event.ClientForgotten, Severity: event.Notice, Group: g.Name, Moves: operatorMoved([]netip.Addr{mfd}, e.name(was.Node)), Text: text})
	e.saveNow()
	return api.Done{Text: text}, nil
}

// operatorMoved is what the medium keeps of MFDs that the operator moved or forgot.
func operatorMoved(mfds []netip.Addr, from string) *api.Moves {
	return &api.Moves{MFDs: mfds, From: from, Cause: balance.Operator.String()}
}

// clients finds bound MFDs by an address, a prefix, or a node, which GROUP/NODE
// names where a name alone stands for several; all of them for "".
func (e *Engine) clients(query string) ([]api.BoundClient, error) {
	now := e.opts.Now()
	prefix, meant, err := e.parseQuery(strings.TrimSpace(query))
	if err != nil {
		return nil, err
	}
	out := []api.BoundClient{}
	for _, g := range e.groups {
		for _, c := range g.policy.Clients(prefix, now) {
			if meant == nil || slices.Contains(meant, c.Node) {
				out = append(out, e.boundClient(g, c, now))
			}
		}
	}
	if len(out) == 0 && prefix.IsSingleIP() {
		if err := e.noMFD(prefix.Addr()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parseQuery returns the network that a query means, or the nodes; neither for "".
func (e *Engine) parseQuery(query string) (netip.Prefix, []balance.NodeID, error) {
	if query == "" {
		return netip.Prefix{}, nil, nil
	}
	if a, err := netip.ParseAddr(query); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil, nil
	}
	if p, err := netip.ParsePrefix(query); err == nil {
		return p, nil, nil
	}
	var meant []balance.NodeID
	for id, m := range e.members {
		if strings.EqualFold(m.Name, query) || strings.EqualFold(m.group.Name+"/"+m.Name, query) {
			meant = append(meant, id)
		}
	}
	if len(meant) > 0 {
		return netip.Prefix{}, meant, nil
	}
	wrong := &api.Error{Status: http.StatusNotFound, What: fmt.Sprintf("%q is no address, no network and no node", query),
		Do: "Ask for an MFD like 192.0.2.77, a network like 192.0.2.0/24, or the name of a node like A or print/A"}
	if strings.ContainsAny(query, ".:") {
		wrong.Status = http.StatusBadRequest // no node can have that name
	}
	return netip.Prefix{}, nil, wrong
}
