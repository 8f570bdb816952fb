// Command bench measures Spoolgate side by side with what a user would pick
// instead. make bench runs it; bench -help lists what can be chosen. bench scale
// measures Spoolgate alone, as what it has to look after grows; bench failure what
// clients feel of a node that fails; bench churn whether anything grows while clients
// come and go; bench image measures the real image in QEMU.
//
// Its other parts are started by itself, inside namespaces:
//
//	bench serve SPEC    the nodes
//	bench short SPEC    clients with short connections
//	bench bulk SPEC     clients that send much
//	bench idle SPEC     clients that say nothing
//	bench ftp SPEC      clients that fetch files
//	bench outage SPEC   clients whose node fails
//	bench loss SPEC     the same, of clients that say nothing
//	bench route         makes a plain router of the box that it is in
//	bench dnat          has a static rule do the box's work
//	bench dnat-snat     the same, and hides the clients
//	bench dnat-flow     as dnat, with a flow table of the kernel behind it
//	bench proxy         has HAProxy do the box's work
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"spoolgate/tools/bench/guest"
	"spoolgate/tools/bench/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 {
		switch spec := []byte(args[1]); args[0] {
		case "serve":
			return part(spec, func(s load.Server) (any, error) { return nil, s.Serve(ctx, ready) })
		case "idle":
			return part(spec, func(i load.Idle) (any, error) { return nil, i.Run(ctx, ready) })
		case "short":
			return part(spec, func(s load.Short) (any, error) { return s.Run(ctx) })
		case "bulk":
			return part(spec, func(b load.Bulk) (any, error) { return b.Run(ctx) })
		case "ftp":
			return part(spec, func(f load.FTP) (any, error) { return f.Run(ctx) })
		case "outage":
			return part(spec, func(o load.Outage) (any, error) { return o.Run(ctx, readyFor) })
		case "loss":
			return part(spec, func(l load.Loss) (any, error) { return l.Run(ctx, readyFor) })
		}
	}
	if len(args) == 1 {
		if part := guest.Parts()[args[0]]; part != nil {
			return part()
		}
	}
	benches := map[string]func(context.Context, []string) error{"scale": grow, "failure": fail, "churn": churn, "image": inImage}
	if len(args) > 0 && benches[args[0]] != nil {
		return wanted(ctx, benches[args[0]](ctx, args[1:]))
	}
	return wanted(ctx, compare(ctx, args))
}

// wanted takes the wish for help, and the end of it all, for what they are.
func wanted(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted before all was measured: no table is made and nothing is written")
	}
	return err
}

// part runs a part after its specification, and prints what became of it.
func part[S any](spec []byte, run func(S) (any, error)) error {
	var s S
	if err := json.Unmarshal(spec, &s); err != nil {
		return fmt.Errorf("specification %s: %w", spec, err)
	}
	result, err := run(s)
	if err != nil || result == nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func ready() error { return say("ready") }

// readyFor says for which node's failure all is ready.
func readyFor(node netip.Addr) error { return say(node) }

func say(what any) error {
	_, err := fmt.Println(what)
	return err
}
