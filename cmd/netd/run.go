package main

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"sync/atomic"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/network"
)

func run(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("netd", flag.ContinueOnError)
	file := flags.String("config", "/data/config.toml", "configuration `FILE`; both interfaces use DHCP while there is none")
	kept := flags.String("kept", "", "`FILE` for a copy of the last good configuration, used when this one is wrong at the start")
	state := flags.String("state", "", "`FOLDER` for resolv.conf; none is written without")
	var roles network.Roles
	flags.StringVar(&roles.Service, "service", "", "network `INTERFACE` towards MFDs and nodes")
	flags.StringVar(&roles.Management, "management", "", "network `INTERFACE` towards people; none: management shares the service interface")
	post, err := daemon.Begin(flags, args, "service")
	if err != nil {
		return err
	}
	defer post.Close()
	source := config.File{Path: *file, Kept: *kept, Limits: config.Required()}
	b := &box{source: source, log: log, reload: make(chan change)}
	hangups := daemon.Hangups(ctx) // before the file is read: it may change just after
	c, wrong := source.Start()
	if wrong != nil {
		log.Error("the configuration is not used", "goes on with", describe(c), "err", wrong)
	} else {
		b.keep()
	}
	b.network.Store(network.New(c, roles, *state, log))
	return post.Serve(ctx, b.handler(), func(ctx context.Context) error {
		go b.followHangups(ctx, hangups)
		for ctx.Err() == nil {
			next, err := b.runOnce(ctx, post.Notifier)
			if err != nil {
				return err
			}
			n := network.New(next.config, roles, *state, log)
			b.network.Store(n)
			if next.taken != nil {
				next.taken <- n
			}
		}
		return nil
	})
}

// describe says which configuration a box with a wrong one goes on with.
func describe(c config.Config) string {
	if len(c.Groups) == 0 {
		return "DHCP, as there is no earlier one"
	}
	return "the last good one"
}

// box is the network that runs now, and the wish for another.
type box struct {
	source  config.File
	log     *slog.Logger
	network atomic.Pointer[network.Network]
	reload  chan change
}

// change is a configuration that is to follow, and where the network that follows it
// is told.
type change struct {
	config config.Config
	taken  chan<- *network.Network
}

func (b *box) keep() {
	if err := b.source.Keep(); err != nil {
		b.log.Warn("a wrong configuration at the next start would find no earlier one", "err", err)
	}
}

// runOnce runs the network until ctx ends or another configuration comes.
func (b *box) runOnce(ctx context.Context, beats *daemon.Notifier) (next change, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		select {
		case next = <-b.reload:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = b.network.Load().Run(ctx, beats)
	cancel()
	<-changed
	return next, err
}

// follow reads the configuration again and has the network follow it; one with
// problems is refused with all of them. The answer says what the first look at the
// interfaces found.
func (b *box) follow(ctx context.Context) (api.Done, error) {
	c, err := b.source.Load()
	if err != nil {
		return api.Done{}, &api.Error{Status: http.StatusUnprocessableEntity, What: err.Error()}
	}
	b.keep()
	taken := make(chan *network.Network, 1)
	select {
	case b.reload <- change{c, taken}:
	case <-ctx.Done():
		return api.Done{}, ctx.Err()
	}
	select {
	case n := <-taken:
		return n.Outcome(ctx)
	case <-ctx.Done():
		return api.Done{}, ctx.Err()
	}
}

// followHangups does at each SIGHUP what a request would, until ctx ends.
func (b *box) followHangups(ctx context.Context, hangups <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		d, err := b.follow(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			b.log.Error("the configuration is not followed", "err", err)
		default:
			b.log.Info(d.Text)
		}
	}
}

// handler serves GET /v1/network and POST /v1/reload.
func (b *box) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, r *http.Request) {
		d, err := b.follow(r.Context())
		wire.Answer(w, d, err)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { b.network.Load().Handler().ServeHTTP(w, r) })
	return mux
}
