// Command balancerd is the brain of the proxy engine: it probes the nodes, deals
// MFDs to them and programs the kernel, which forwards the packets.
package main

import (
	"context"
	"log/slog"

	"spoolgate/firmware/config"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/engine"
)

func main() {
	daemon.Main("balancerd", func(ctx context.Context, args []string, log *slog.Logger) error {
		return engine.Command(ctx, args, log, config.Required())
	})
}
