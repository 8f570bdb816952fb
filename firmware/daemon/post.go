package daemon

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
)

// Post is a daemon of one socket that has begun: it can answer, and tell its
// supervisor how it fares.
type Post struct {
	*Notifier
	listener net.Listener
}

// Begin is ParseFlags, and takes the socket that was handed over, or the one that a
// flag of its own, -socket, names. Close releases it.
func Begin(flags *flag.FlagSet, args []string, needed ...string) (*Post, error) {
	socket := flags.String("socket", "", "Unix socket `PATH` to answer on, unless one is handed over")
	if err := ParseFlags(flags, args, needed...); err != nil {
		return nil, err
	}
	l, err := Listen(*socket)
	if err != nil {
		return nil, err
	}
	n, err := NewNotifier()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Post{n, l}, nil
}

// Close releases what Begin took; after Serve only the ticks are left of it.
func (p *Post) Close() {
	p.Stop()
	p.listener.Close()
}

// Serve answers with h, and for the daemon itself, while work runs, and returns when both have ended. Whichever
// ends first, by itself or with ctx, ends the other.
func (p *Post) Serve(ctx context.Context, h http.Handler, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, p.listener, introduced(h))
		cancel()
	}()
	err := work(ctx)
	cancel()
	return errors.Join(err, <-served)
}
