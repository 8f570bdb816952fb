package measure

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

const gigabyte = 1e9

// bulk measures transfers from clients to nodes, as scans are.
func bulk(ctx context.Context, a *arena.Arena, c arena.Contestant, e Effort) (all []Value, _ error) {
	to := netip.AddrPortFrom(c.Target, arena.SinkPort)
	var got load.Carried
	if _, err := a.Load(ctx, "bulk", load.Summed(to), &got); err != nil {
		return nil, err
	}
	for _, streams := range e.Streams {
		used, err := a.Load(ctx, "bulk", load.Bulk{To: to, Streams: streams, Bytes: e.Bytes / uint64(streams)}, &got)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("%d at once, %s", streams, a.Packets)
		carried := float64(got.Bytes) / gigabyte
		all = append(all,
			Value{Row{"transfer, " + what, "GB/s", true}, carried / got.Elapsed.Seconds()},
			Value{Row{"CPU of a GB, " + what, "s", false}, used.All.Seconds() / carried},
			Value{Row{"of that the box's processes, " + what, "s", false}, used.Box.Seconds() / carried})
	}
	return all, nil
}

// transfers measures passive FTP.
func transfers(ctx context.Context, a *arena.Arena, c arena.Contestant, e Effort) ([]Value, error) {
	if err := a.ServeFTP(ctx, c); err != nil {
		return nil, err
	}
	const atOnce = 4
	var got load.Fetched
	used, err := a.Load(ctx, "ftp", load.FTP{To: c.Target, Clients: known, Count: e.Transfers, Concurrency: atOnce, File: arena.ScanName}, &got)
	if err != nil {
		return nil, err
	}
	if got.Done != e.Transfers {
		return nil, fmt.Errorf("%d of %d files came: %v", got.Done, e.Transfers, got.Errors)
	}
	return []Value{
		{Row{"passive FTP sessions of 64 KiB", "1/s", true}, float64(got.Done) / got.Elapsed.Seconds()},
		{Row{"CPU of an FTP session", "ms", false}, used.All.Seconds() * 1000 / float64(got.Done)},
	}, nil
}

// counted waits until a Spoolgate knows of so many open connections, which it learns some
// seconds late when so many are opened.
func counted(ctx context.Context, a *arena.Arena, count int) error {
	return until(ctx, a, "the box did not count all that is open", func(g api.Group) bool {
		open := 0
		for _, n := range g.Nodes {
			open += n.Connections
		}
		return open >= count
	})
}

// until waits a minute for the box's first group to be as wanted; late says that it did
// not come to be.
func until(ctx context.Context, a *arena.Arena, late string, is func(api.Group) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New(late))
	defer cancel()
	for s, err := range a.Box().Snapshots(ctx) {
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if is(s.Groups[0]) {
			return nil
		}
	}
	return context.Cause(ctx)
}

// idle measures what connections take that say nothing.
func idle(ctx context.Context, a *arena.Arena, c arena.Contestant, e Effort) (all []Value, _ error) {
	// The clients are known already: what a client takes is not what a connection takes.
	clients := load.Short{To: c.Target, Ports: arena.AskPorts, Clients: arena.IdleClients, Count: arena.IdleClients, Concurrency: 16}
	if _, _, err := ask(ctx, a, c, clients); err != nil {
		return nil, err
	}
	const quiet = 100 * time.Millisecond
	before, err := a.Settled(ctx, quiet)
	if err != nil {
		return nil, err
	}
	held := 0
	for _, count := range e.Idle {
		if c.Proxy && count > e.ProxyIdle {
			continue
		}
		if err := a.Hold(ctx, c, held, count); err != nil {
			return nil, err
		}
		if c.Ours {
			if err := counted(ctx, a, count); err != nil {
				return nil, err
			}
		}
		now, err := a.Settled(ctx, quiet)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("connections %d to %d", held+1, count)
		each := float64(count - held)
		all = append(all,
			Value{Row{"memory of the box's processes, idle " + what, "B each", false}, float64(now.Box-before.Box) / each},
			Value{Row{"memory of the kernel, clients and nodes too, idle " + what, "B each", false}, float64(now.Kernel-before.Kernel) / each})
		before, held = now, count
	}
	return all, nil
}
