// Command lab plays the parts around a box: simulated nodes, and a balancer
// whose times are short enough to be watched. Tests and make run start it.
//
//	lab node CONFIG        a node; CONFIG is the JSON of node.Config
//	lab balancerd FLAGS    balancerd, with windows and delays of seconds allowed
//	lab run FLAGS          make run: the real image in QEMU, with a site around it
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"spoolgate/firmware/daemon"
	"spoolgate/firmware/engine"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "balancerd" {
		daemon.Main("balancerd", balance)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "run" {
		return showBox(ctx, args[1:])
	}
	if len(args) == 2 && args[0] == "node" {
		var c node.Config
		if err := json.Unmarshal([]byte(args[1]), &c); err != nil {
			return fmt.Errorf("configuration of the node: %w", err)
		}
		return node.Serve(ctx, c, os.Stdin, os.Stdout)
	}
	return errors.New("use: lab run FLAGS, lab node CONFIG, or lab balancerd FLAGS")
}

func balance(ctx context.Context, args []string, log *slog.Logger) error {
	return engine.Command(ctx, args[1:], log, site.Limits())
}
