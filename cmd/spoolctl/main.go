// Command spoolctl asks the balancer and tells it what to do, in words or in
// JSON. It is what a technician has on the serial console.
package main

import (
	"context"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], time.Now, os.Stdout, os.Stderr))
}
