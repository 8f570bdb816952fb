// Package measure has what the benchmark measures, and measures one contestant once.
package measure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"spoolgate/tools/bench/arena"
)

// Row is one line of the table.
type Row struct {
	Name, Unit string
	// More tells that more of it is better; otherwise less is.
	More bool
}

// Value is what a contestant reached in one round.
type Value struct {
	Row
	Value float64
}

// Effort is how much is measured.
type Effort struct {
	// Connections of each run of short connections of known clients, and of brand-new
	// ones, one each: all their runs stay below the number that Spoolgate lets in at once.
	Connections int
	Newcomers   int
	Concurrency []int
	// Paced are connections of known clients that come as in a large office, see pace; 0 is none.
	Paced int
	// Bytes of each run of long transfers.
	Bytes   uint64
	Streams []int
	// Idle connections to hold. Proxies hold no more than ProxyIdle: they need two
	// descriptors for each.
	Idle      []int
	ProxyIdle int
	// Transfers by FTP.
	Transfers int
	// Parts are those to measure, by their names; none are all.
	Parts []string
}

// Full is the effort of make bench, Short that of a test, which looks for errors and
// not for times.
func Full() Effort {
	return Effort{Connections: 10000, Newcomers: 6000, Concurrency: []int{1, 16, 128}, Paced: 5 * pace, Bytes: 2 << 30, Streams: []int{1, 8}, Idle: []int{7000, 50000}, ProxyIdle: 9000, Transfers: 400}
}

// Short is a little of everything.
func Short() Effort {
	return Effort{Connections: 300, Newcomers: 300, Concurrency: []int{1, 16}, Paced: pace / 4, Bytes: 16 << 20, Streams: []int{2}, Idle: []int{200}, ProxyIdle: 200, Transfers: 8}
}

// part is one thing that is measured of a contestant, in a new arena.
type part struct {
	name    string
	packets arena.Packets
	run     func(context.Context, *arena.Arena, arena.Contestant, Effort) ([]Value, error)
}

func parts() []part {
	return []part{
		{"short connections", arena.Large, short},
		{"long transfers", arena.Large, bulk},
		{"long transfers", arena.Small, bulk},
		{"long transfers", arena.Joined, bulk},
		{"FTP", arena.Large, transfers},
		{"idle connections", arena.Large, idle},
	}
}

// Parts are the names of what can be measured.
func Parts() (names []string) {
	for _, p := range parts() {
		if !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// Round measures a contestant once. tell hears what is done.
func Round(ctx context.Context, o arena.Options, c arena.Contestant, e Effort, tell func(string)) ([]Value, error) {
	var all []Value
	for _, part := range parts() {
		if len(e.Parts) > 0 && !slices.Contains(e.Parts, part.name) {
			continue
		}
		tell(fmt.Sprintf("%s: %s, %s", c.Name, part.name, part.packets))
		o.Packets = part.packets
		values, err := within(ctx, o, func(a *arena.Arena) ([]Value, error) {
			if err := a.Start(ctx, c); err != nil {
				return nil, err
			}
			return part.run(ctx, a, c, e)
		})
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.Name, part.name, err)
		}
		all = append(all, values...)
	}
	return all, nil
}

// within runs a measurement in a new arena.
func within(ctx context.Context, o arena.Options, run func(*arena.Arena) ([]Value, error)) (_ []Value, err error) {
	a, err := arena.New(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := a.Close(); err == nil {
			err = closed
		}
	}()
	return run(a)
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
