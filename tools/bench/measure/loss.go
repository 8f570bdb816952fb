package measure

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

// lostConnections are those that a node has when it dies, about: as many in each setting.
const lostConnections = 240

// loss measures what the death of a node takes. Its clients have two connections each, and
// were not there before; first is the number of the first of them.
func loss(ctx context.Context, a *arena.Arena, c arena.Contestant, first int) ([]Value, error) {
	const each = 2
	nodes := a.NodesOf(0)
	count := lostConnections * len(nodes)
	if first+count/each > arena.Strangers {
		return nil, fmt.Errorf("%d idle connections need more new clients than there are: %d", count, arena.Strangers-first)
	}
	clients := load.Loss{
		Idle: load.Idle{To: c.Target, Ports: arena.AskPorts[:each], First: first, Clients: count / each, Count: count},
		Node: nodes[0], Limit: 2 * time.Minute,
	}
	had := 0
	var lost load.Lost
	err := a.Endure(ctx, "loss", clients, func(node netip.Addr) error {
		if err := counted(ctx, a, count); err != nil {
			return err
		}
		n, err := firstNode(ctx, a)
		if err != nil {
			return err
		}
		had = n.Connections
		return a.Silence(node)
	}, &lost)
	if err != nil {
		return nil, err
	}
	if lost.Ended != had {
		return nil, fmt.Errorf("%d connections ended when the node of %d died", lost.Ended, had)
	}
	dead, err := firstNode(ctx, a)
	if err != nil {
		return nil, err
	}
	if dead.Health != api.Down {
		return nil, fmt.Errorf("the node whose connections ended is %s: %s", dead.Health, dead.HealthReason)
	}
	if err := moved(ctx, a, c, clients.Idle); err != nil {
		return nil, err
	}
	return []Value{{Row{LastReset, "ms", false}, ms(lost.Last.Sub(dead.HealthSince))}}, nil
}

// LastReset is the row of a node's death, from the verdict on.
const LastReset = "a node is Down: until the last of its connections is reset"

// moved has everybody connect once more.
func moved(ctx context.Context, a *arena.Arena, c arena.Contestant, i load.Idle) error {
	again := load.Short{To: i.To, Ports: i.Ports, First: i.First, Clients: i.Clients, Count: i.Clients, Concurrency: 16}
	var got load.Answers
	if _, err := a.Load(ctx, "short", again, &got); err != nil {
		return err
	}
	return Hold(got, again, c, len(a.NodesOf(0))-1)
}

// firstNode is the first node of the first group, as the box sees it.
func firstNode(ctx context.Context, a *arena.Arena) (api.Node, error) {
	s, err := a.Box().Snapshot(ctx)
	if err != nil {
		return api.Node{}, err
	}
	return s.Groups[0].Nodes[0], nil
}
