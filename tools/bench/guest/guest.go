// Package guest is an arena whose box is the real image, started in QEMU.
//
//	clients 198.18.128.0 ... - 198.18.0.1 -+
//	                                       | switch - [service NIC 198.18.0.2, 198.19.254.1; virtual 198.18.0.10]
//	nodes 198.19.254.11, .12 --------------+
//
// The box has one NIC for both, as in print sites, and routes between two networks,
// so that what it does as a balancer can be held against what it does as a router.
// Its processors are emulated: times say nothing about a board, ratios do.
package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/vm"
)

// Nodes is how many nodes there are.
const Nodes = 2

// Options are what the guests of a run have in common.
type Options struct {
	// Image is the box's.
	Image vm.Image
	// Bench is the benchmark's own program, Inside the same for the box's processor.
	Bench, Inside string
	// Proxy is what FetchProxy has packed, FlowTables what PackFlowTables has.
	Proxy, FlowTables string
	// Log hears what the box's console says.
	Log func(line string)
}

// Guest is a box under power between clients and nodes.
type Guest struct {
	*vm.VM
	way                    Way
	bench                  string
	clients, center, nodes *netns.Namespace
	tap                    *os.File
	dir                    string
	serving                chan error
	stop                   context.CancelFunc
	// background is how many of its processors the box keeps at work without connections.
	background float64
}

// Start builds the arena, switches a new box on in it, and waits until it passes
// connections on and has nothing else to do. Close it.
func Start(ctx context.Context, o Options, w Way) (_ *Guest, err error) {
	g := &Guest{way: w, bench: o.Bench}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if g.dir, err = os.MkdirTemp("", "spoolgate-guest-"); err != nil {
		return nil, err
	}
	if err := g.wire(); err != nil {
		return nil, err
	}
	if err := g.serve(ctx); err != nil {
		return nil, err
	}
	disk, err := g.disk(o)
	if err != nil {
		return nil, err
	}
	if g.VM, err = vm.Start(ctx, vm.Config{Disk: disk, Image: o.Image, Service: g.tap, Log: o.Log}); err != nil {
		return nil, err
	}
	if _, err := g.WaitFor(ctx, "spoolgate: services started"); err != nil {
		return nil, err
	}
	if w.part != "" {
		if err := g.instead(ctx, w.part); err != nil {
			return nil, err
		}
	}
	if err := g.passes(ctx); err != nil {
		return nil, err
	}
	return g, g.settle(ctx)
}

// serve starts the nodes.
func (g *Guest) serve(ctx context.Context) error {
	ctx, g.stop = context.WithCancel(ctx)
	ready := make(chan struct{})
	g.serving = make(chan error, 1)
	go func() {
		g.serving <- g.nodes.Do(func() error {
			return arena.Server().Serve(ctx, func() error { close(ready); return nil })
		})
	}()
	select {
	case <-ready:
		return nil
	case err := <-g.serving:
		g.serving <- err // Close says why
		return errors.New("the nodes do not serve")
	}
}

// Load runs a part of the benchmark's own program at the clients, and reads what
// became of it.
func (g *Guest) Load(part string, what, result any) error {
	spec, err := json.Marshal(what)
	if err != nil {
		return err
	}
	out, err := g.clients.Output(g.bench, part, string(spec))
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), result)
}

// passes waits until a connection comes to a node.
func (g *Guest) passes(ctx context.Context) error {
	one := load.Short{To: g.way.Target, Ports: arena.AskPorts[:1], First: known, Clients: 1, Count: 1, Concurrency: 1}
	var got load.Answers
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; {
		got = load.Answers{}
		if err := g.Load("short", one, &got); err != nil {
			return err
		}
		if got.Done == 1 {
			return nil
		}
	}
	return errors.Join(context.Cause(ctx), fmt.Errorf("no connection comes through the box: %v", got.Errors))
}

// Close switches the box off and ends everything else.
func (g *Guest) Close() error {
	var errs []error
	if g.VM != nil {
		g.CutPower()
	}
	if g.serving != nil {
		g.stop()
		errs = append(errs, <-g.serving)
	}
	if g.tap != nil {
		errs = append(errs, g.tap.Close())
	}
	for _, n := range []*netns.Namespace{g.clients, g.center, g.nodes} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	if g.dir != "" {
		errs = append(errs, os.RemoveAll(g.dir))
	}
	return errors.Join(errs...)
}
