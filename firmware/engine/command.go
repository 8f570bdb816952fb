package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
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
	path := flags.String("config", "", "configuration file; needed")
	state := flags.String("state", "", "folder that keeps who is where over a reboot; needed")
	socket := flags.String("socket", "", "Unix socket to answer on, when none is handed over")
	netd := flags.String("netd", "/run/spoolgate/netd.sock", "socket of the network; where nobody answers on it nothing is said of addresses")
	keyPath := flags.String("key", secret.DefaultPath, "key of the box, for encrypted passwords of the configuration; without it they are of no use")
	resolv := flags.String("resolv", "/etc/resolv.conf", "file that names the network's name servers")
	services := flags.String("services", api.ServicesFile, "file that init writes of the daemons")
	if err := daemon.ParseFlags(flags, args); err != nil {
		return err
	}
	if *path == "" || *state == "" {
		return fmt.Errorf("%w: name the configuration with -config FILE and the folder for its state with -state DIR", daemon.ErrUsage)
	}
	folder, forgetful := stateFolder(*state)
	if forgetful != nil {
		log.Error("the folder for what is remembered can't be used", "err", forgetful, "instead", folder)
	}
	listener, err := daemon.Listen(*socket)
	if err != nil {
		return err
	}
	defer listener.Close()
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
	notify, err := daemon.NewNotifier()
	if err != nil {
		return err
	}
	defer notify.Stop()
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
		Has: func(a netip.Addr) bool {
			return slices.ContainsFunc(ownPrefixes(), func(p netip.Prefix) bool { return p.Addr() == a })
		},
		Kernel:         table,
		Witness:        witness,
		EachConnection: dataplane.EachConnection,
		ResolvConf:     *resolv,
		Pace:           incident.DefaultPace(),
		Now:            time.Now,
		Log:            log,
	})
	if err != nil {
		return err
	}
	return serve(ctx, e, tracker, listener, notify)
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

// hangups tells of each SIGHUP, the sign to read the configuration again.
func hangups(ctx context.Context) <-chan struct{} {
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

// serve runs the engine and answers on its socket until ctx ends or one of the
// two fails.
func serve(ctx context.Context, e *Engine, tracker Tracker, l net.Listener, notify *daemon.Notifier) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		answered <- daemon.Serve(ctx, l, e.Handler())
		cancel()
	}()
	err := e.Run(ctx, tracker, hangups(ctx), notify)
	cancel()
	return errors.Join(err, <-answered)
}
