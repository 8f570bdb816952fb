package measure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

// Setting is how much a Spoolgate has to look after.
type Setting struct {
	Name                    string
	Nodes, Groups, Bindings int
}

// Settings are curves: one thing grows while the others stay.
func Settings() []Setting {
	return []Setting{
		{"1k bindings", 2, 1, 1000}, {"10k bindings", 2, 1, 10000}, {"100k bindings", 2, 1, 100000},
		{"8 nodes", 8, 1, 1000}, {"64 nodes", 64, 1, 1000},
		{"16 groups", 64, 16, 1000}, {"all of it", 64, 16, 100000},
	}
}

// Scale measures a Spoolgate with a setting once.
func Scale(ctx context.Context, o arena.Options, s Setting, connections int) ([]Value, error) {
	o.Nodes, o.Groups, o.Bindings = s.Nodes, s.Groups, s.Bindings
	return within(ctx, o, func(a *arena.Arena) ([]Value, error) {
		c := arena.Masked()
		start := time.Now()
		if err := a.Start(ctx, c); err != nil {
			return nil, err
		}
		first := time.Since(start)
		if err := serving(ctx, a); err != nil {
			return nil, err
		}
		if _, err := a.Settled(ctx, atRest); err != nil {
			return nil, err
		}
		used, err := a.Used()
		if err != nil {
			return nil, err
		}
		began := []Value{
			{Row{"start to the first connection", "ms", false}, ms(first)},
			{Row{"CPU of balancerd until it is at rest", "ms", false}, ms(used.Box)},
		}
		costs, err := cost(ctx, a, c, connections)
		if err != nil {
			return nil, err
		}
		waits, err := handling(ctx, a)
		if err != nil {
			return nil, err
		}
		losses, err := loss(ctx, a, c, known+connections)
		return slices.Concat(began, costs, waits, losses), err
	})
}

// atRest is how long a box that has started must have had little to do: it counts what it
// has taken over, and writes it down, when it ticks for the first time.
const atRest = 1500 * time.Millisecond

// serving waits until all nodes of the first group serve, and holds what the box
// remembers against what it was given.
func serving(ctx context.Context, a *arena.Arena) error {
	for s, err := range a.Box().Snapshots(ctx) {
		if err != nil {
			return err
		}
		g := s.Groups[0]
		if slices.ContainsFunc(g.Nodes, func(n api.Node) bool { return !n.Serving }) {
			continue
		}
		if g.Clients < a.Bindings {
			return fmt.Errorf("%d of %d bindings were remembered", g.Clients, a.Bindings)
		}
		return nil
	}
	return context.Cause(ctx)
}

// cost is that of a connection.
func cost(ctx context.Context, a *arena.Arena, c arena.Contestant, connections int) (all []Value, _ error) {
	if known+connections > arena.Strangers {
		return nil, fmt.Errorf("%d connections need more new clients than there are: %d", connections, arena.Strangers-known)
	}
	run := load.Short{To: c.Target, Ports: arena.AskPorts, Clients: known, Count: known, Concurrency: 16}
	if _, _, err := ask(ctx, a, c, run); err != nil {
		return nil, err
	}
	run.Count = connections
	fresh := run
	fresh.First, fresh.Clients = known, connections
	for _, of := range []struct {
		who string
		run load.Short
	}{{"known clients", run}, {"new clients", fresh}} {
		got, used, err := ask(ctx, a, c, of.run)
		if err != nil {
			return nil, err
		}
		each := float64(got.Done)
		all = append(all,
			Value{Row{"CPU of a connection, " + of.who, "us", false}, us(used.All) / each},
			Value{Row{"of that the box's processes, " + of.who, "us", false}, us(used.Box) / each})
	}
	// Fewer clients mean that some who counted as new were none.
	count := a.Bindings + known + connections
	return all, until(ctx, a, fmt.Sprintf("the box did not come to have %d clients", count), func(g api.Group) bool { return g.Clients >= count })
}

// handling is how long people wait for the box, and what it takes.
func handling(ctx context.Context, a *arena.Arena) ([]Value, error) {
	box := a.Box()
	search, err := timed(20, func() error {
		_, err := box.Clients(ctx, "198.18.1.77")
		return err
	})
	if err != nil {
		return nil, err
	}
	leave, err := timed(1, func() error {
		_, err := box.Drain(ctx, "g1", "N1", api.DrainRequest{Verb: api.StopNow})
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := a.Memory()
	if err != nil {
		return nil, err
	}
	if _, err := box.Return(ctx, "g1", "N1"); err != nil {
		return nil, err
	}
	return []Value{
		{Row{"search of an MFD (who)", "ms", false}, ms(search)},
		{Row{"a node leaves: until nobody goes there", "ms", false}, ms(leave)},
		{Row{"memory of balancerd", "MiB", false}, float64(m.Box) / (1 << 20)},
	}, nil
}

// timed is the mean of so many times.
func timed(times int, do func() error) (time.Duration, error) {
	start := time.Now()
	for range times {
		if err := do(); err != nil {
			return 0, err
		}
	}
	return time.Since(start) / time.Duration(times), nil
}
