package arena

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// care is what HAProxy does about nodes that fail.
type care struct {
	// redispatches lets it break its persistence for a client whose node refuses it,
	// and has it wait for a node no longer than a check of Spoolgate waits. Its checks
	// wait as long as its connections do, but for a whole interval without a time-out
	// of their own.
	redispatches bool
	// server are words behind each server.
	server string
}

func (c care) backend(a *Arena) string {
	if !c.redispatches {
		return ""
	}
	return fmt.Sprintf("  option redispatch\n  timeout connect %[1]dms\n  timeout check %[1]dms\n", a.checkTimeout().Milliseconds())
}

// haproxy is HAProxy at its best: spliced, with large pipes, a thread a core.
func haproxy(c care) func(context.Context, *Arena) error {
	return func(ctx context.Context, a *Arena) error { return a.startHAProxy(ctx, c) }
}

func (a *Arena) startHAProxy(ctx context.Context, c care) error {
	server := fmt.Sprintf("check port %d inter %s fall %d %s", CheckPorts[0], a.interval(), misses, c.server)
	config, err := a.file("haproxy.cfg", HAProxy(runtime.NumCPU(), a.Nodes, server, c.backend(a)))
	if err != nil {
		return err
	}
	if err := a.manyPorts(); err != nil {
		return err
	}
	return a.start(a.box, a.mid, exec.CommandContext(ctx, "haproxy", "-db", "-f", config))
}

// HAProxy is its configuration: server are words behind each server, backend lines of
// all of them.
func HAProxy(threads, nodes int, server, backend string) string {
	var servers, binds []string
	for i := range nodes {
		servers = append(servers, fmt.Sprintf("  server node%d %s %s", i, Node(i), server))
	}
	for _, p := range proxied() {
		binds = append(binds, fmt.Sprintf("  bind %s:%s", VIP, p))
	}
	return fmt.Sprintf(`global
  nbthread %d
  tune.pipesize 1048576
defaults
  mode tcp
  timeout connect 5s
  timeout client 31m
  timeout server 31m
  option splice-request
  option splice-response
  balance leastconn
frontend printers
%s
  default_backend nodes
backend nodes
  stick-table type ip size 1m expire 30m
  stick on src
%s%s
`, threads, strings.Join(binds, "\n"), backend, strings.Join(servers, "\n"))
}
