package panel

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"sync"
	"time"

	"spoolgate/board"
	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/panel/blink"
	"spoolgate/hal"
)

// turn is how often the loop reads the button and sets the lamps. The shortest
// light of a pattern takes 200 ms.
const turn = 20 * time.Millisecond

// Command is the program paneld: it drives the front panel until ctx ends.
func Command(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("paneld", flag.ContinueOnError)
	balancer := flags.String("balancer", "/run/spoolgate/balancerd.sock", "socket of the balancer")
	name := flags.String("board", "", "name of the board; found out by the device tree if empty")
	post, err := daemon.Begin(flags, args)
	if err != nil {
		return err
	}
	defer post.Close()
	b, err := findBoard(*name)
	if err != nil {
		return err
	}
	plate, err := openPlate(b.Lamps, b.Button)
	if err != nil {
		return err
	}
	defer plate.close()

	p := &paneld{plate: plate, shown: wire.NewFeed(api.Panel{}), client: wire.NewClient(*balancer), started: time.Now(),
		states: make(chan *api.Snapshot), notify: post.Notifier, log: log}
	return post.Serve(ctx, p.handler(), func(ctx context.Context) error {
		var follower sync.WaitGroup
		ctx, cancel := context.WithCancel(ctx)
		follower.Go(func() { p.follow(ctx) })
		defer follower.Wait()
		defer cancel()
		return p.run(ctx)
	})
}

func findBoard(name string) (board.Board, error) {
	if name != "" {
		return board.Named(name)
	}
	compatible, err := os.ReadFile("/proc/device-tree/compatible")
	if err != nil {
		return board.Board{}, fmt.Errorf("which board is this? %w; name it with -board", err)
	}
	return board.Running(compatible)
}

// paneld is the program while it runs.
type paneld struct {
	plate   *plate
	shown   *wire.Feed[api.Panel]
	client  *wire.Client
	states  chan *api.Snapshot
	started time.Time
	notify  *daemon.Notifier
	log     *slog.Logger
}

func (p *paneld) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/panel", p.shown.ServeLatest)
	mux.HandleFunc("GET /v1/panels", p.shown.ServeStream)
	return mux
}

// bootTime is how long the balancer may be silent after the panel's own start
// before that is a fault.
const bootTime = 20 * time.Second

// follow hands each state of the balancer to the loop; nil when it is silent.
func (p *paneld) follow(ctx context.Context) {
	tell := func(s *api.Snapshot) {
		select {
		case p.states <- s:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		for s, err := range p.client.Snapshots(ctx) {
			if err != nil {
				break
			}
			tell(&s)
		}
		tell(nil)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// run is the loop: button in, lamps out.
func (p *paneld) run(ctx context.Context) error {
	if err := p.notify.Ready("the panel is lit"); err != nil {
		return err
	}
	tick := time.NewTicker(turn)
	defer tick.Stop()
	face := &Face{}
	heard := false
	face.Show(Lamps(nil, false))
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-p.states:
			heard = heard || s != nil
			face.Show(Lamps(s, heard || time.Since(p.started) > bootTime))
		case <-p.notify.Beat():
			if err := p.notify.Alive(); err != nil {
				return err
			}
		case <-tick.C:
			now := time.Now()
			p.act(ctx, face.Level(p.plate.button.Pressed(), now))
			shown := face.At(now)
			if err := p.plate.light(shown.Lamps, now.Sub(p.started)); err != nil {
				return err
			}
			if last, _ := p.shown.Latest(); !reflect.DeepEqual(last, shown) {
				p.shown.Publish(shown)
			}
		}
	}
}

// act carries out what a press asked for.
func (p *paneld) act(ctx context.Context, a Action) {
	switch a {
	case Test:
		p.log.Info("button pressed: lamp test, alarm acknowledged")
		go p.acknowledge(ctx)
	case OpenSetup:
		p.log.Info("button held: setup window is open", "for", setupTime)
	case FactoryReset:
		p.log.Warn("button held and let go: factory reset")
		if err := p.notify.Ask(api.FactoryReset); err != nil {
			p.log.Error("factory reset", "err", err)
		}
	}
}

// acknowledgeTime is how long the balancer may take to hear of it; it has worse
// to do when it takes longer.
const acknowledgeTime = 5 * time.Second

func (p *paneld) acknowledge(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, acknowledgeTime)
	defer cancel()
	if _, err := p.client.Acknowledge(ctx); err != nil {
		p.log.Warn("the balancer did not hear that the alarm is acknowledged", "err", err)
	}
}

// plate is the hardware of the panel.
type plate struct {
	lamps  []bulb // the box, then the nodes
	button hal.Button
}

// bulb is a lamp, and what it was last set to.
type bulb struct {
	hal.Lamp
	red, green bool
}

func openPlate(lamps board.Lamps, button board.Line) (*plate, error) {
	p := &plate{}
	for _, b := range append([]board.Lamp{lamps.Box}, lamps.Nodes...) {
		l, err := hal.OpenLamp(b)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.lamps = append(p.lamps, bulb{Lamp: l}) // it is dark
	}
	var err error
	if p.button, err = hal.OpenButton(button); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// light sets the lamps that have changed to their patterns at a time; those that show
// nothing are dark. A board with fewer lamps than nodes shows the first ones.
func (p *plate) light(show []api.Lamp, at time.Duration) error {
	var errs []error
	for i := range p.lamps {
		l, red, green := &p.lamps[i], false, false
		if i < len(show) {
			red, green = blink.Lines(show[i].Pattern, show[i].Colour, at)
		}
		if red == l.red && green == l.green {
			continue
		}
		if err := l.Set(red, green); err != nil {
			errs = append(errs, err)
			continue
		}
		l.red, l.green = red, green
	}
	return errors.Join(errs...)
}

func (p *plate) close() error {
	var errs []error
	for _, l := range p.lamps {
		errs = append(errs, l.Close())
	}
	if p.button != nil {
		errs = append(errs, p.button.Close())
	}
	return errors.Join(errs...)
}
