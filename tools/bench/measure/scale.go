package measure

import (
	"context"
	"fmt"
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
func Scale(ctx context.Context, o arena.Options, s Setting, connections int) (all []Value, err error) {
	o.Nodes, o.Groups, o.Bindings = s.Nodes, s.Groups, s.Bindings
	a, err := arena.New(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := a.Close(); err == nil {
			err = closed
		}
	}()
	c := spoolgateMasked()
	start := time.Now()
	if err := a.Start(ctx, c); err != nil {
		return nil, err
	}
	all = append(all, Value{Row{"start to the first connection", "ms", false}, ms(time.Since(start))})
	box := a.Box()
	snapshot, err := box.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if got := snapshot.Groups[0].Clients; got < s.Bindings {
		return nil, fmt.Errorf("%d of %d bindings were remembered", got, s.Bindings)
	}
	run := load.Short{To: c.Target, Ports: arena.AskPorts, Clients: known, Count: known, Concurrency: 16}
	for _, who := range []string{"", "known clients", "new clients"} {
		// Beyond the addresses that are bound already.
		run.First = load.Clients - known - connections
		if who == "new clients" {
			run.First, run.Clients = run.First-connections, connections
		}
		var got load.Answers
		used, err := a.Load(ctx, "short", run, &got)
		if err != nil {
			return nil, err
		}
		if got.Done != run.Count || got.Split > 0 {
			return nil, fmt.Errorf("%d of %d connections were answered, %d clients by two nodes: %v", got.Done, run.Count, got.Split, got.Errors)
		}
		if run.Count = connections; who == "" {
			continue
		}
		all = append(all,
			Value{Row{"CPU of a connection, " + who, "us", false}, float64(used.All) / float64(time.Microsecond) / float64(got.Done)},
			Value{Row{"of that the box's processes, " + who, "us", false}, float64(used.Box) / float64(time.Microsecond) / float64(got.Done)})
	}
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
	return append(all,
		Value{Row{"search of an MFD (who)", "ms", false}, ms(search)},
		Value{Row{"a node leaves: until nobody goes there", "ms", false}, ms(leave)},
		Value{Row{"memory of balancerd", "MiB", false}, float64(m.Box) / (1 << 20)}), nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

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

func spoolgateMasked() arena.Contestant {
	for _, c := range arena.Contestants() {
		if c.Name == "Spoolgate masked" {
			return c
		}
	}
	panic("there is no Spoolgate among the contestants")
}
