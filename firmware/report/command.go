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
	"log/slog"
	"os"
	"path/filepath"
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
	state := flags.String("state", "", "`FOLDER` that keeps how far each reporter has come")
	key := flags.String("key", secret.DefaultPath, "`FILE` of the key that passwords are encrypted with")
	balancer := flags.String("balancer", "/run/spoolgate/balancerd.sock", "socket of the balancer")
	post, err := daemon.Begin(flags, args, "state")
	if err != nil {
		return err
	}
	defer post.Close()
	client := wire.NewClient(*balancer)
	own, err := secret.ReadKey(*key)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("the copy of the configuration is kept without its passwords", "err", err)
	}
	office := Open(ctx, Options{
		Configuration: config.File{Path: *file, Kept: filepath.Join(*state, "config.toml"), Limits: config.Required(), Key: own},
		KeyFile:       *key, Store: NewStore(*state), Journal: client.FollowReports, Snapshot: client.Snapshot,
		Clock: Clock{Now: time.Now, After: time.After}, Log: log,
	})

	defer office.Close()
	hangups := daemon.Hangups(ctx)
	return post.Serve(ctx, office.Handler(func() error { return office.Reload(ctx) }), func(ctx context.Context) error {
		return watch(ctx, office, hangups, post.Notifier, log)
	})
}

// watch is the main loop: it keeps the supervisor informed until ctx ends.
func watch(ctx context.Context, o *Office, hangups <-chan struct{}, notify *daemon.Notifier, log *slog.Logger) error {
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
