// Package daemon is what every daemon of the box does alike: it ends on a
// signal, logs to standard error, takes its sockets from whoever started it
// and tells that party that it is ready and alive.
//
// The other party is init on the box and systemd elsewhere; both speak
// sd_notify(3) and sd_listen_fds(3). A daemon that nobody supervises, started
// by hand with -socket PATH, works the same and notifies no one.
package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"spoolgate/firmware/logline"
)

// Run is a daemon's own part. It returns nil after ctx ended.
type Run func(ctx context.Context, args []string, log *slog.Logger) error

// Main runs a daemon until SIGTERM or SIGINT and ends the process: with 0
// after a signal or -help, with 2 when the command line was wrong, with 1
// after any other error. SIGHUP does not end it: Hangups has it read its
// configuration again, where it has one.
func Main(name string, run Run) {
	// A daemon has little to do, often: with more processors than one, the runtime wakes a
	// second thread each time to look whether there is more, and packets need the others.
	runtime.GOMAXPROCS(1)
	// What is freed is collected before it is as much as half of what is used: a box with
	// 100,000 MFDs needs a third less memory for no more work that could be measured.
	debug.SetGCPercent(50)
	log := logline.New(name, os.Stderr, os.Getenv("NOTIFY_SOCKET") != "")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	outlive()
	err := run(ctx, os.Args[1:], log)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) && !errors.Is(err, context.Canceled) {
		log.Error("ended", "err", err)
	}
	os.Exit(exitCode(err))
}

// ErrUsage marks an error of the command line.
var ErrUsage = errors.New("wrong command line")

// ParseFlags parses args and refuses words that are no flags, so that a
// forgotten dash does not go unnoticed, and to go on without the flags that are needed.
func ParseFlags(fs *flag.FlagSet, args []string, needed ...string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%w: %q is not a flag; %s -help lists the flags", ErrUsage, fs.Arg(0), fs.Name())
	}
	for _, name := range needed {
		if f := fs.Lookup(name); f.Value.String() == "" {
			value, what := flag.UnquoteUsage(f)
			return fmt.Errorf("%w: add -%s %s: %s", ErrUsage, name, value, what)
		}
	}
	return nil
}

func exitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp), errors.Is(err, context.Canceled):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	}
	return 1
}
