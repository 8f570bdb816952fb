package measure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

// Churn is clients that come and go.
type Churn struct {
	// For is how long they do, in parts of Every.
	For, Every time.Duration
	// Warming are parts before the first that is told: they bring the box to its size.
	Warming int
	// Known connections a second are of clients that come all the time, New ones of
	// one that was never there, or not within its window.
	Known, New int
}

// Row of a churn.
var (
	resident   = Row{Name: "resident memory of balancerd", Unit: "MiB"}
	heap       = Row{Name: "of that its live heap", Unit: "MiB"}
	goroutines = Row{Name: "its goroutines", Unit: ""}
	files      = Row{Name: "its open descriptors", Unit: ""}
	perConn    = Row{Name: "CPU of a connection", Unit: "us"}
	perConnBox = Row{Name: "of that balancerd", Unit: "us"}
	elements   = Row{Name: "elements of the kernel's sets and maps", Unit: ""}
	bound      = Row{Name: "of those the bound clients", Unit: ""}
	tracked    = Row{Name: "connections that the kernel tracks", Unit: ""}
)

// Check says what can't be measured.
func (c Churn) Check() error {
	switch {
	case c.Every <= 0 || c.For < c.Every:
		return fmt.Errorf("a churn of %s can't have a sample every %s", c.For, c.Every)
	case c.Known < 1 || c.New < 1 || c.count(c.New) < 1:
		return errors.New("at least one connection a second of known clients, and of new ones, is needed")
	case c.bindings() > arena.MostBindings:
		return fmt.Errorf("%d new clients a second are %d in a window of %s, and there are addresses for %d", c.New, c.bindings(), arena.Window, arena.MostBindings)
	}
	return nil
}

// Run has clients come and go, and tells what the box has become after each part. As many
// clients as come within a window are bound before it begins, and lose their
// bindings evenly, so that their number is the same from the start.
func (c Churn) Run(ctx context.Context, o arena.Options, tell func([]Value)) error {
	o.Nodes, o.Packets = 2, arena.Large
	o.Bindings, o.Aged = c.bindings(), true
	_, err := within(ctx, o, func(a *arena.Arena) ([]Value, error) {
		if err := a.Start(ctx, arena.Masked()); err != nil {
			return nil, err
		}
		if err := serving(ctx, a); err != nil {
			return nil, err
		}
		fresh, end := known, time.Now()
		for part := range c.Warming + int(c.For/c.Every) {
			end = end.Add(c.Every)
			values, err := c.part(ctx, a, fresh, time.Until(end))
			if err != nil {
				return nil, err
			}
			if part >= c.Warming {
				tell(values)
			}
			if fresh += c.count(c.New); fresh+c.count(c.New) > load.Clients {
				fresh = known
			}
		}
		return nil, nil
	})
	return err
}

// bindings are as many as there are when new clients have come for a whole window.
func (c Churn) bindings() int { return c.New * int(arena.Window/time.Second) }

// count is how many connections a part has.
func (c Churn) count(rate int) int { return int(time.Duration(rate) * c.Every / time.Second) }

// part is one part of the churn; fresh is the first client that is new. To look at
// the box takes from the time of the next part.
func (c Churn) part(ctx context.Context, a *arena.Arena, fresh int, left time.Duration) ([]Value, error) {
	before, err := a.Used()
	if err != nil {
		return nil, err
	}
	var side sync.WaitGroup
	runs := []load.Short{
		{Clients: known, Count: c.count(c.Known)},
		{First: fresh, Clients: c.count(c.New), Count: c.count(c.New)},
	}
	errs := make([]error, len(runs))
	done := 0
	for i, run := range runs {
		run.To, run.Ports, run.Concurrency, run.Over = arena.VIP, arena.AskPorts, 64, max(left, c.Every/2)
		done += run.Count
		side.Go(func() { _, _, errs[i] = ask(ctx, a, arena.Masked(), run) })
	}
	side.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	after, err := a.Used()
	if err != nil {
		return nil, err
	}
	size, err := a.Size(ctx)
	if err != nil {
		return nil, err
	}
	used := after.Since(before)
	const mib = 1 << 20
	return []Value{
		{resident, float64(size.Resident) / mib}, {heap, float64(size.Heap) / mib},
		{goroutines, float64(size.Goroutines)}, {files, float64(size.Descriptors)},
		{perConn, us(used.All) / float64(done)}, {perConnBox, us(used.Box) / float64(done)},
		{elements, float64(size.Elements)}, {bound, float64(size.Bound)}, {tracked, float64(size.Tracked)},
	}, nil
}
