package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
	"spoolgate/tools/bench/table"
)

// entry is what is measured beside others.
type entry struct {
	name  string
	round func(context.Context) ([]measure.Value, error)
}

// compare measures Spoolgate beside what a user would pick instead.
func compare(ctx context.Context, args []string) error {
	o, err := parseRounds("bench", 5, args)
	if err != nil {
		return err
	}
	effort := measure.Full()
	effort.Parts = o.parts
	t, err := o.inArena(ctx, func(a arena.Options) (all []entry) {
		for _, c := range arena.Contestants() {
			all = append(all, entry{c.Name, func(ctx context.Context) ([]measure.Value, error) {
				return measure.Round(ctx, a, c, effort, progress)
			}})
		}
		return all
	})
	if err != nil {
		return err
	}
	return show(t, o, "result", ours, []string{"direct", "DNAT", "DNAT+SNAT", "HAProxy", "nginx"}, []string{
		"connections, known clients, 16 at once", "CPU of a connection, known clients, 16 at once", "CPU of a connection, new clients, 16 at once",
		"connect and answer, 99 %, known clients, 16 at once", "transfer, 8 at once, large packets", "transfer, 8 at once, MTU-size packets, GRO",
		"CPU of a GB, 8 at once, large packets", "memory of the box's processes, idle connections 1 to 7000",
	}, versions("haproxy", "nginx"))
}

// grow measures how Spoolgate fares as what it looks after grows.
func grow(ctx context.Context, args []string) error {
	o, err := parseRounds("bench scale", 5, args)
	if err != nil {
		return err
	}
	t, err := o.inArena(ctx, func(a arena.Options) (all []entry) {
		for _, s := range measure.Settings() {
			all = append(all, entry{s.Name, func(ctx context.Context) ([]measure.Value, error) {
				progress(s.Name)
				return measure.Scale(ctx, a, s, measure.Full().Connections)
			}})
		}
		return all
	})
	if err != nil {
		return err
	}
	return show(t, o, "scale", nil, nil, []string{
		"CPU of a connection, known clients", "CPU of a connection, new clients", "of that the box's processes, new clients",
		"start to the first connection", "search of an MFD (who)", measure.LastReset, "memory of balancerd",
	})
}

// inArena measures all entries in namespaces.
func (o options) inArena(ctx context.Context, all func(arena.Options) []entry) (t *table.Table, err error) {
	err = logged(o.places, func(a arena.Options) error {
		chosen, err := choose(all(a), o.only)
		if err == nil {
			t, err = o.race(ctx, chosen)
		}
		return err
	})
	return t, err
}

// race measures the chosen in turn, round after round.
func (o options) race(ctx context.Context, chosen []entry) (*table.Table, error) {
	var names []string
	for _, e := range chosen {
		names = append(names, e.name)
	}
	t := table.New(names)
	for round := range o.rounds {
		progress(fmt.Sprintf("round %d of %d", round+1, o.rounds))
		for _, e := range chosen {
			values, err := e.round(ctx)
			if err != nil {
				return nil, err
			}
			t.Add(e.name, values)
		}
	}
	return t, nil
}

func progress(what string) { fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), what) }

func choose(all []entry, only string) ([]entry, error) {
	if only == "" {
		return all, nil
	}
	var chosen []entry
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(e entry) bool { return e.name == name })
		if i < 0 {
			var names []string
			for _, e := range all {
				names = append(names, e.name)
			}
			return nil, fmt.Errorf("there is no %q; there are %s", name, strings.Join(names, ", "))
		}
		if slices.ContainsFunc(chosen, func(e entry) bool { return e.name == name }) {
			return nil, fmt.Errorf("%q is there twice; once is enough", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
