package daemon

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Hangups tells of each SIGHUP, the sign to read the configuration again, until
// ctx ends.
func Hangups(ctx context.Context) <-chan struct{} {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	out := make(chan struct{}, 1)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				select {
				case out <- struct{}{}:
				default: // one that waits reads the newest file, too
				}
			}
		}
	}()
	return out
}

// outlive keeps a SIGHUP from ending the process, whether it reads a configuration
// or not: people send it to all daemons alike. It stays in force when Hangups ends;
// being ignored outright is what programs started from here would inherit.
func outlive() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }
