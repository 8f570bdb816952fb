package engine

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event/incident"
	"spoolgate/firmware/secret"
)

// Command is the program balancerd: it balances in the network namespace that
// it is started in until ctx ends. The limits of what a configuration may ask
// for are the caller's: a box takes config.Required().
func Command(ctx context.Context, args []string, log *slog.Logger, limits config.Limits) (err error) {
	flags := flag.NewFlagSet("balancerd", flag.ContinueOnError)
	path := flags.String("config", "", "configuration `FILE`")
	state := flags.String("state", "", "`FOLDER` that keeps who is where over a reboot")
	netd := flags.String("netd", "/run/spoolgate/netd.sock", "socket of the network; where nobody answers on it nothing is said of addresses")
	reportd := flags.String("reportd", "/run/spoolgate/reportd.sock", "socket of the reporters, who are asked for the proof")
	keyPath := flags.String("key", secret.DefaultPath, "key of the box, for encrypted passwords of the configuration; without it they are of no use")
	resolv := flags.String("resolv", "/etc/resolv.conf", "file that names the network's name servers")
	services := flags.String("services", api.ServicesFile, "file that init writes of the daemons")
	post, err := daemon.Begin(flags, args, "config", "state")
	if err != nil {
		return err
	}
	defer post.Close()
	folder, forgetful := stateFolder(*state)
	if forgetful != nil {
		log.Error("the folder for what is remembered can't be used", "err", forgetful, "instead", folder)
	}
	table, err := dataplane.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, table.Close()) }()
	tracker, err := dataplane.NewTracker(0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tracker.Close()) }()
	witness, err := dataplane.NewWitness()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, witness.Close()) }()
	key, err := secret.ReadKey(*keyPath)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Warn("encrypted passwords can't be opened", "err", err)
	}
	e, err := New(Options{
		Configuration: config.File{Path: *path, Kept: filepath.Join(folder, "config.toml"), Limits: limits, Key: key},
		Key:           key,
		StateDir:      folder,
		Forgetful:     forgetful,
		ServicesFile:  *services,
		Network:       wire.NewClient(*netd).Network,
		Reporters:     wire.NewClient(*reportd).Reporters,
		Has: func(a netip.Addr) bool {
			return slices.ContainsFunc(ownPrefixes(), func(p netip.Prefix) bool { return p.Addr() == a })
		},
		Kernel:         table,
		Witness:        witness,
		FollowProbes:   dataplane.FollowProbes,
		EachConnection: dataplane.EachConnection,
		ResolvConf:     *resolv,
		Pace:           incident.DefaultPace(),
		Now:            time.Now,
		Log:            log,
	})
	if err != nil {
		return err
	}
	return post.Serve(ctx, e.Handler(), func(ctx context.Context) error { return e.Run(ctx, tracker, daemon.Hangups(ctx), post.Notifier) })
}

// stateFolder makes the folder, or another one that is as good until the next start
// of the machine: who prints does not care what is remembered.
func stateFolder(wanted string) (string, error) {
	err := os.MkdirAll(wanted, 0o750)
	if err == nil {
		probe := filepath.Join(wanted, ".writable")
		if err = os.WriteFile(probe, nil, 0o600); err == nil {
			return wanted, os.Remove(probe)
		}
	}
	instead, tempErr := os.MkdirTemp("", "balancerd-")
	return instead, errors.Join(err, tempErr)
}
