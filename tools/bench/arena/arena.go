// Package arena is where the benchmark's contestants meet: clients and nodes in
// network namespaces of their own, and between them one box.
//
//	clients 198.18.128.0 ... --- 198.18.0.1 [box 198.18.0.2, virtual 198.18.0.10] 198.19.254.1 --- nodes 198.19.254.11 ...
//
// Each arena is new, so no run inherits what the one before has left in a table.
package arena

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"spoolgate/firmware/api/wire"
	"spoolgate/tools/bench/account"
	"spoolgate/tools/bench/load"
	"spoolgate/tools/lab/netns"
)

// VIP is the address that clients connect to, that of the first group.
var VIP = Group(0)

// Group is the virtual address of the i-th group, from 0.
func Group(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 0, byte(10 + i)}) }

// Node is the address of the i-th node, from 0.
func Node(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, 254, byte(11 + i)}) }

// Ports of the nodes by what they do, see load.Server. CheckPorts are asked by
// whoever checks the nodes.
var (
	AskPorts   = []uint16{5011, 5012, 5013, 5014, 5015, 5016, 5017, 5018, 5019, 5020, 5021, 5022, 5023, 5024}
	SinkPort   = uint16(5025)
	CheckPorts = []uint16{5555, 5022}
)

// Options are what an arena has.
type Options struct {
	// Bench is the benchmark's own program, Balancerd the one of the box.
	Bench, Balancerd string
	Nodes            int
	Packets          Packets
	// Groups share the nodes evenly; 0 is one. Only Spoolgate has more.
	Groups int
	// Bindings are there already when Spoolgate starts; of each its whole window is
	// left, or, where they are Aged, evenly from all of it to nothing.
	Bindings int
	Aged     bool
	Wiring   Wiring
	// Interval is that of the nodes' checks, of which three in a row make a node
	// count as dead; 0 is the requirement's.
	Interval time.Duration
	// Log takes what the programs say.
	Log *os.File
}

// Arena is one set of namespaces.
type Arena struct {
	Options
	clients, box, nodes *netns.Namespace
	load, serve, mid    *account.Group
	dir                 string
	client              *wire.Client // of a Spoolgate; it keeps its connection
	machines            []machine    // the nodes, where they are wired apart
	running             []*exec.Cmd
	mids                []*exec.Cmd // those of running that are the contestant's
}

// New makes an arena and starts its nodes. Close it.
func New(ctx context.Context, o Options) (_ *Arena, err error) {
	a := &Arena{Options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.dir, err = os.MkdirTemp("", "spoolgate-bench-"); err != nil {
		return nil, err
	}
	a.client = wire.NewClient(a.socket())
	for name, g := range map[string]**account.Group{"load": &a.load, "serve": &a.serve, "mid": &a.mid} {
		if *g, err = account.New(name); err != nil {
			return nil, err
		}
	}
	for _, n := range []**netns.Namespace{&a.clients, &a.box, &a.nodes} {
		if *n, err = netns.New(); err != nil {
			return nil, err
		}
	}
	if err := a.wire(); err != nil {
		return nil, err
	}
	if a.Wiring != Together {
		return a, a.serveApart(ctx)
	}
	return a, a.serveMore(ctx)
}

// serveMore starts a server on the nodes, beside those that run.
func (a *Arena) serveMore(ctx context.Context) error {
	_, err := a.startBench(ctx, a.nodes, a.serve, "serve", Server())
	return err
}

// Server is what answers on the nodes.
func Server() load.Server {
	return load.Server{Ask: append(CheckPorts[:1:1], AskPorts...), Sink: []uint16{SinkPort}}
}

// Start puts a contestant between clients and nodes and waits until the virtual
// address answers.
func (a *Arena) Start(ctx context.Context, c Contestant) error {
	if c.start == nil {
		return nil
	}
	if err := c.start(ctx, a); err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	one := load.Short{To: c.Target, Ports: AskPorts[:1], First: load.Clients - 1, Clients: 1, Count: 1, Concurrency: 1}
	var last string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		var got load.Answers
		if _, err := a.Load(ctx, "short", one, &got); err != nil {
			return err
		}
		if got.Done == 1 {
			return nil
		}
		last = fmt.Sprint(got.Errors)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not serve: %s", c.Name, last)
}

func (a *Arena) file(name, content string) (string, error) {
	path := filepath.Join(a.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// rules loads rules of nftables into a namespace, from a file of that name.
func (a *Arena) rules(into *netns.Namespace, name, rules string) error {
	file, err := a.file(name, rules)
	if err != nil {
		return err
	}
	_, err = into.Output("nft", "-f", file)
	return err
}

// Close ends everything that the arena started.
func (a *Arena) Close() error {
	var errs []error
	for i := len(a.running) - 1; i >= 0; i-- {
		errs = append(errs, end(a.running[i]))
	}
	for _, g := range []*account.Group{a.load, a.serve, a.mid} {
		if g != nil {
			errs = append(errs, g.Close())
		}
	}
	spaces := []*netns.Namespace{a.clients, a.box, a.nodes}
	for _, m := range a.machines {
		spaces = append(spaces, m.space)
	}
	for _, n := range spaces {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	if a.dir != "" {
		errs = append(errs, os.RemoveAll(a.dir))
	}
	return errors.Join(errs...)
}
