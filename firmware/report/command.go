// Package report tells people what the balancer's journal has: by syslog, SNMP,
// mail and webhook, and shows the state of the box to Prometheus. It is the daemon
// reportd, apart from the balancer and without any privilege, so that no mail server
// and no TLS library can disturb who balances.
//
// The journal is the queue: each reporter keeps a cursor of its own, retries with
// back-off, and goes on from there after a restart. Reporters share nothing that one
// of them could hold up.
package report

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/secret"
)

// Command is the program reportd: it tells people until ctx ends.
func Command(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("reportd", flag.ContinueOnError)
	file := flags.String("config", "/data/config.toml", "configuration `FILE`; nobody is told while there is none")
	state := flags.String("state", "", "`FOLDER` that keeps how far each reporter has come; needed")
	key := flags.String("key", secret.DefaultPath, "`FILE` of the key that passwords are encrypted with")
	balancer := flags.String("balancer", "/run/spoolgate/balancerd.sock", "socket of the balancer")
	socket := flags.String("socket", "", "Unix socket `PATH` to serve on, unless one is handed over")
	if err := daemon.ParseFlags(flags, args); err != nil {
		return err
	}
	if *state == "" {
		return fmt.Errorf("%w: name the folder of the cursors with -state FOLDER", daemon.ErrUsage)
	}
	l, err := daemon.Listen(*socket)
	if err != nil {
		return err
	}
	notify, err := daemon.NewNotifier()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer notify.Stop()
	client := wire.NewClient(*balancer)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	own, err := secret.ReadKey(*key)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("the copy of the configuration is kept without its passwords", "err", err)
	}
	office := Open(ctx, Options{
		Configuration: config.File{Path: *file, Kept: filepath.Join(*state, "config.toml"), Limits: config.Required(), Key: own},
		KeyFile:       *key, Store: NewStore(*state), Journal: client.FollowReports, Snapshot: client.Snapshot,
		Clock: Clock{Now: time.Now, After: time.After}, Log: log,
	})
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	var served sync.WaitGroup
	ended := make(chan error, 1)
	served.Go(func() {
		ended <- daemon.Serve(ctx, l, office.Handler(func() error { return office.Reload(ctx) }))
		cancel()
	})
	err = watch(ctx, office, hangups, notify, log)
	cancel()
	office.Close()
	served.Wait()
	return errors.Join(err, <-ended)
}

// watch is the main loop: it keeps the supervisor informed until ctx ends.
func watch(ctx context.Context, o *Office, hangups <-chan os.Signal, notify *daemon.Notifier, log *slog.Logger) error {
	if err := notify.Ready(o.Status()); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			if err := o.Reload(ctx); err != nil {
				log.Error("the configuration stays as it was", "err", err)
			}
		case <-tick.C:
			if err := notify.Status(o.Status()); err != nil {
				return err
			}
		case <-notify.Beat():
			if err := notify.Alive(); err != nil {
				return err
			}
		}
	}
}
