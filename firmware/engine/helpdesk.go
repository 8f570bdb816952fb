package engine

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/phrase"
)

// shown is how many transfers and moves of one MFD are told.
const shown = 20

// aboutMFD is everything that is known of one MFD.
func (e *Engine) aboutMFD(a netip.Addr, open []dataplane.Connection) api.MFD {
	now := e.opts.Now()
	m := api.MFD{Address: a, Bound: []api.BoundMFD{}, Open: []api.OpenConnection{}, Transfers: []api.Transfer{}, Moves: []api.Moved{}}
	for _, g := range e.groups {
		if c, bound := g.policy.Lookup(a, now); bound {
			m.Bound = append(m.Bound, api.BoundMFD{BoundClient: e.boundClient(g, c, now), VirtualAddress: g.VirtualAddress,
				SeenAs: g.SeenAs(a), NodeState: g.nodeState(c.Node)})
		}
	}
	for _, c := range open {
		m.Open = append(m.Open, e.openConnection(c))
	}
	slices.SortFunc(m.Open, func(x, y api.OpenConnection) int { return x.Since.Compare(y.Since) })
	for c := range e.history.transfers.newest {
		if c.Client == a && len(m.Transfers) < shown {
			m.Transfers = append(m.Transfers, api.Transfer{OpenConnection: e.openConnection(c), Ended: c.Ended})
		}
	}
	for c := range e.history.moves.newest {
		if c.client == a && len(m.Moves) < shown {
			m.Moves = append(m.Moves, c.Moved)
		}
	}
	return m
}

// nodeState says whether a node serves those who are bound to it.
func (g *group) nodeState(id balance.NodeID) string {
	for i, n := range g.policy.Nodes() {
		if n.ID != id {
			continue
		}
		text := string(g.members[i].machine.Health()) + ", " + lower(string(n.Service))
		if !slices.Contains(g.policy.Up(), id) {
			text += ": " + g.next()
		}
		return text
	}
	return "removed: " + g.next()
}

// next is what becomes of an MFD whose node does not serve it any more.
func (g *group) next() string {
	return g.elsewhere("it gets another node at its next connection", "its next connection is refused, until a node takes MFDs again")
}

// elsewhere chooses words about MFDs that leave their node, by whether there is one that
// takes them.
func (g *group) elsewhere(taken, refused string) string {
	if g.serves() {
		return taken
	}
	return refused
}

func (e *Engine) openConnection(c dataplane.Connection) api.OpenConnection {
	name := "a removed group"
	if g := e.byVIP[c.VirtualAddress]; g != nil {
		name = g.Name
	}
	return api.OpenConnection{Group: name, Node: e.name(balance.NodeID(c.Mark)), Port: c.Port, Data: c.Related,
		Since: c.Began, Sent: c.Sent, Received: c.Received, SeenAs: c.SeenAs}
}

func (e *Engine) boundClient(g *group, c balance.Client, now time.Time) api.BoundClient {
	return api.BoundClient{Group: g.Name, Address: c.Address, Node: e.name(c.Node), Why: c.Why.Text(e.name),
		Since: c.Since, Earlier: c.Earlier, Left: api.Duration(c.Ends.Sub(now).Round(time.Second)), Connections: c.Open}
}

// rehearse says what would follow if a node left now.
func (e *Engine) rehearse(m *member) (api.Rehearsal, error) {
	r, err := m.group.policy.Rehearse(m.id)
	if err != nil {
		return api.Rehearsal{}, refusal(err)
	}
	out := api.Rehearsal{Group: m.group.Name, Node: m.Name, Moves: r.Moves, Cut: r.Cut, Holds: map[string]int{}}
	var holds []string
	for _, other := range m.group.members {
		if n, ok := r.Holds[other.id]; ok {
			out.Holds[other.Name] = n
			holds = append(holds, fmt.Sprintf("%s would hold %d", other.Name, n))
		}
	}
	out.Text = fmt.Sprintf("if %s goes now: %s, %s, %s", m.Name, phrase.Does(r.Moves, "MFD", "moves", "move"),
		phrase.Does(r.Cut, "open connection", "is reset", "are reset"), strings.Join(holds, ", "))
	if !r.Serves {
		out.Text = fmt.Sprintf("if %s goes now nobody can print: no other node of group %s takes MFDs", m.Name, m.group.Name)
		if keep := m.keptElsewhere(r.Holds); len(keep) > 0 {
			out.Text = fmt.Sprintf("if %s goes now no node of group %s takes new MFDs: %s, %s; who is bound goes on until the window ends: %s", m.Name, m.group.Name,
				phrase.Does(r.Moves, "MFD", "is refused", "are refused"), phrase.Does(r.Cut, "open connection", "is reset", "are reset"), strings.Join(keep, ", "))
		}
	}
	return out, nil
}

// keptElsewhere names the other nodes that serve those who are bound to them, as one
// that is drained gently does, and how many these are.
func (m *member) keptElsewhere(holds map[balance.NodeID]int) (keep []string) {
	up := m.group.policy.Up()
	for _, other := range m.group.members {
		if n := holds[other.id]; n > 0 && slices.Contains(up, other.id) {
			keep = append(keep, fmt.Sprintf("%d on %s", n, other.Name))
		}
	}
	return keep
}

// serveMFD looks at the kernel's connections before it comes into the loop: there
// may be tens of thousands.
func (e *Engine) serveMFD(w http.ResponseWriter, r *http.Request) {
	a, err := mfdAddress(r)
	if err != nil {
		wire.Answer(w, nil, err)
		return
	}
	var open []dataplane.Connection
	err = e.opts.EachConnection(func(c dataplane.Connection) {
		if c.Client == a {
			open = append(open, c)
		}
	})
	reply(e, w, r, func() (any, error) {
		if err != nil {
			return nil, err
		}
		m := e.aboutMFD(a, open)
		if len(m.Bound)+len(m.Open)+len(m.Transfers)+len(m.Moves) == 0 {
			if err := e.noMFD(a); err != nil {
				return nil, err
			}
		}
		return m, nil
	})
}

// noMFD says what an address is of which no MFD is known; nil where it may be one's.
// A node may be bound as MFDs are, when it talks to a virtual address itself.
func (e *Engine) noMFD(a netip.Addr) error {
	what, do := "", "Ask for the address of an MFD; spoolctl who lists those that are bound"
	if g := e.byVIP[a]; g != nil {
		what = fmt.Sprintf("%s is the virtual address of group %s, not an MFD", a, g.Name)
	} else if m := e.at(a); m != nil {
		what = fmt.Sprintf("%s is node %s of group %s, not an MFD", a, m.Name, m.group.Name)
		do += fmt.Sprintf(", and spoolctl who %s/%s those on this node", m.group.Name, m.Name)
	} else {
		return nil
	}
	return &api.Error{Status: http.StatusNotFound, What: what, Do: do}
}

// mfdAddress is the MFD that the path names.
func mfdAddress(r *http.Request) (netip.Addr, error) {
	a, err := netip.ParseAddr(r.PathValue("address"))
	if err != nil {
		return a, &api.Error{Status: http.StatusBadRequest, What: fmt.Sprintf("%q is no address of an MFD", r.PathValue("address")), Do: "Write it like 192.0.2.77"}
	}
	return a.Unmap(), nil
}
