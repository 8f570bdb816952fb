package guest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
	"spoolgate/tools/bench/measure"
)

// known is how many clients there are; the one after them looks whether the box works.
const known = 200

// Full is the effort of make bench-image, Short that of a test.
func Full() measure.Effort {
	return measure.Effort{Connections: 4000, Newcomers: 4000, Concurrency: []int{1, 16}, Bytes: 128 << 20, Streams: []int{1, 8}}
}

// Short is a little of everything.
func Short() measure.Effort {
	return measure.Effort{Connections: 400, Newcomers: 400, Concurrency: []int{16}, Bytes: 8 << 20, Streams: []int{2}}
}

// Round measures one way through a new box once.
func Round(ctx context.Context, o Options, w Way, e measure.Effort) (all []measure.Value, err error) {
	g, err := Start(ctx, o, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.Name, err)
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	for _, part := range []func(context.Context, measure.Effort) ([]measure.Value, error){g.short, g.bulk} {
		values, err := part(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		all = append(all, values...)
	}
	return all, nil
}

// short measures short connections of known and of brand-new clients.
func (g *Guest) short(ctx context.Context, e measure.Effort) (all []measure.Value, _ error) {
	run := load.Short{To: g.way.Target, Ports: arena.AskPorts, Clients: known, Count: known, Concurrency: 8}
	var got load.Answers
	if err := g.Load("short", run, &got); err != nil {
		return nil, err
	}
	for _, v := range measure.Visits(run, known+1, e) {
		values, err := g.connections(ctx, v.Short, v.Who)
		if err != nil {
			return nil, err
		}
		all = append(all, values...)
	}
	return all, nil
}

func (g *Guest) connections(ctx context.Context, run load.Short, who string) ([]measure.Value, error) {
	var got load.Answers
	took, err := g.taking(ctx, func() error {
		if err := g.Load("short", run, &got); err != nil {
			return err
		}
		return measure.Hold(got, run, g.way.Contestant, Nodes)
	})
	if err != nil {
		return nil, err
	}
	if g.way.part == routes && took.tracked > 0 {
		return nil, fmt.Errorf("%d connections were tracked: the box is no plain router", took.tracked)
	}
	each := float64(got.Done)
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return []measure.Value{
		value("connections, "+who, "1/s", true, each/got.Elapsed.Seconds()),
		value("the box's CPU of a connection, "+who, "us", false, us(took.worked)/each),
		value("connect, median, "+who, "us", false, us(got.Connect.P50)),
		value("connect and answer, median, "+who, "us", false, us(got.Answer.P50)),
		value("connect and answer, 99 %, "+who, "us", false, us(got.Answer.P99)),
	}, nil
}

const gigabyte = 1e9

// bulk measures transfers in packets of the MTU's size, as scans are. How many of
// them the box joins before it passes them on tells that it does.
func (g *Guest) bulk(ctx context.Context, e measure.Effort) (all []measure.Value, _ error) {
	to := netip.AddrPortFrom(g.way.Target, arena.SinkPort)
	var got load.Carried
	if err := g.Load("bulk", load.Summed(to), &got); err != nil {
		return nil, err
	}
	for _, streams := range e.Streams {
		run := load.Bulk{To: to, Streams: streams, Bytes: e.Bytes / uint64(streams)}
		took, err := g.taking(ctx, func() error { return g.Load("bulk", run, &got) })
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("%d at once, MTU-size packets", streams)
		carried := float64(got.Bytes) / gigabyte
		all = append(all,
			value("transfer, "+what, "GB/s", true, carried/got.Elapsed.Seconds()),
			value("the box's CPU of a GB, "+what, "s", false, took.worked.Seconds()/carried))
		if g.way.Proxy {
			continue
		}
		each := float64(took.arrived) / float64(max(took.routed, 1))
		if g.way.part != flows {
			all = append(all, value(joined+what, "1", true, each))
		} else if each < mostJoined {
			return nil, fmt.Errorf("%d of %d packets were routed: the flow table passes nothing on", took.routed, took.arrived)
		}
	}
	return all, nil
}

// joined begins the name of how many packets the box makes one of (GRO).
const joined = "packets of the card in one routed, "

// mostJoined packets of the MTU's size are one of the largest that there is.
const mostJoined = 45

func value(name, unit string, more bool, v float64) measure.Value {
	return measure.Value{Row: measure.Row{Name: name, Unit: unit, More: more}, Value: v}
}
