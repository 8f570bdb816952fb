package measure

import (
	"context"
	"fmt"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

// known is how many clients are there all the time.
const known = 200

// pace is how many connections a second come in a large office. What a box does in each
// second, whatever comes in it, is a large part of so few.
const pace = 400

// short measures short connections of known and of brand-new clients.
func short(ctx context.Context, a *arena.Arena, c arena.Contestant, e Effort) (all []Value, _ error) {
	base := load.Short{To: c.Target, Ports: arena.AskPorts, Clients: known, Concurrency: 8}
	base.Count = known
	if _, _, err := ask(ctx, a, c, base); err != nil {
		return nil, err
	}
	for _, v := range Visits(base, known, e) {
		values, err := shortRun(ctx, a, c, v.Short, v.Who)
		if err != nil {
			return nil, err
		}
		all = append(all, values...)
	}
	return all, nil
}

// Visit is a run of short connections, and what its clients are called.
type Visit struct {
	load.Short
	Who string
}

// Visits are runs of the clients of base, who are known, and of brand-new ones, the first
// of whom has the number fresh, with each concurrency; before them one at a pace.
func Visits(base load.Short, fresh int, e Effort) (all []Visit) {
	if e.Paced > 0 {
		paced := base
		paced.Count, paced.Concurrency, paced.Over = e.Paced, 16, time.Duration(e.Paced)*time.Second/pace
		all = append(all, Visit{paced, fmt.Sprintf("known clients, %d a second", pace)})
	}
	for _, concurrency := range e.Concurrency {
		regulars := base
		regulars.Count, regulars.Concurrency = e.Connections, concurrency
		newcomers := regulars
		newcomers.First, newcomers.Clients, newcomers.Count = fresh, e.Newcomers, e.Newcomers
		fresh += e.Newcomers
		all = append(all,
			Visit{regulars, fmt.Sprintf("known clients, %d at once", concurrency)},
			Visit{newcomers, fmt.Sprintf("new clients, %d at once", concurrency)})
	}
	return all
}

func shortRun(ctx context.Context, a *arena.Arena, c arena.Contestant, s load.Short, who string) ([]Value, error) {
	got, used, err := ask(ctx, a, c, s)
	if err != nil {
		return nil, err
	}
	each := float64(got.Done)
	return []Value{
		{Row{"connections, " + who, "1/s", true}, each / got.Elapsed.Seconds()},
		{Row{"CPU of a connection, " + who, "us", false}, us(used.All) / each},
		{Row{"of that the box's processes, " + who, "us", false}, us(used.Box) / each},
		{Row{"connect, median, " + who, "us", false}, us(got.Connect.P50)},
		{Row{"connect, 99 %, " + who, "us", false}, us(got.Connect.P99)},
		{Row{"connect, 99.9 %, " + who, "us", false}, us(got.Connect.P999)},
		{Row{"connect and answer, median, " + who, "us", false}, us(got.Answer.P50)},
		{Row{"connect and answer, 99 %, " + who, "us", false}, us(got.Answer.P99)},
		{Row{"connect and answer, 99.9 %, " + who, "us", false}, us(got.Answer.P999)},
	}, nil
}

// ask makes short connections and holds the answers against what the contestant
// promises.
func ask(ctx context.Context, a *arena.Arena, c arena.Contestant, s load.Short) (load.Answers, arena.Used, error) {
	var got load.Answers
	used, err := a.Load(ctx, "short", s, &got)
	if err != nil {
		return got, used, err
	}
	return got, used, Hold(got, s, c, len(a.NodesOf(0)))
}

// enough is how many clients a node must have on average, so that not one of the nodes
// has none by chance.
const enough = 10

// Hold holds answers against what the contestant promises.
func Hold(got load.Answers, s load.Short, c arena.Contestant, nodes int) error {
	switch {
	case got.Done != s.Count:
		return fmt.Errorf("%d of %d connections were answered: %v", got.Done, s.Count, got.Errors)
	case c.Sticky && got.Split > 0:
		return fmt.Errorf("%d clients were answered by two nodes", got.Split)
	case c.Sticky && s.Clients >= enough*nodes && len(got.Nodes) != nodes:
		return fmt.Errorf("of %d nodes these answered: %v", nodes, got.Nodes)
	case c.Masked && got.Seen != 1:
		return fmt.Errorf("the nodes saw %d addresses", got.Seen)
	case !c.Masked && got.Seen != min(s.Clients, s.Count):
		return fmt.Errorf("the nodes saw %d of %d clients' addresses", got.Seen, s.Clients)
	}
	return nil
}
