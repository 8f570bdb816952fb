package arena

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// care is what HAProxy is told to do about nodes that fail: lines of the backend,
// and words behind each server.
type care struct{ backend, server string }

// haproxy is HAProxy at its best: spliced, with large pipes, a thread a core.
func haproxy(c care) func(context.Context, *Arena) error {
	return func(ctx context.Context, a *Arena) error { return a.startHAProxy(ctx, c) }
}

func (a *Arena) startHAProxy(ctx context.Context, c care) error {
	var servers, binds []string
	for i := range a.Nodes {
		servers = append(servers, fmt.Sprintf("  server node%d %s check port %d inter %s fall %d %s", i, Node(i), CheckPorts[0], a.interval(), misses, c.server))
	}
	for _, p := range proxied() {
		binds = append(binds, fmt.Sprintf("  bind %s:%s", VIP, p))
	}
	config, err := a.file("haproxy.cfg", fmt.Sprintf(`global
  nbthread 2
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
  timeout check %dms
%s
%s
`, strings.Join(binds, "\n"), a.checkTimeout().Milliseconds(), c.backend, strings.Join(servers, "\n")))
	if err != nil {
		return err
	}
	if err := a.manyPorts(); err != nil {
		return err
	}
	return a.start(a.box, a.mid, exec.CommandContext(ctx, "haproxy", "-db", "-f", config))
}
