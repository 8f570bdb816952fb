package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// Run works until ctx ends. The kernel goes on without it.
func (e *Engine) Run(ctx context.Context, tracker Tracker, reload <-chan struct{}, notify *daemon.Notifier) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan dataplane.Batch)
	handled := make(chan struct{})
	tracked := make(chan struct{})
	go func() {
		defer close(tracked)
		err := tracker.Run(ctx, func(b dataplane.Batch) {
			select {
			case batches <- b:
				<-handled // the batch is reused after this
			case <-ctx.Done():
			}
		})
		if ctx.Err() == nil {
			cancel(fmt.Errorf("connection events: %w", err))
		}
	}()
	var followers sync.WaitGroup
	recording := make(chan struct{})
	followers.Go(func() { e.followProbes(ctx, sync.OnceFunc(func() { close(recording) })) })
	followers.Go(func() { e.followNetwork(ctx) })
	followers.Go(func() { e.followWitness(ctx) })
	followers.Go(func() { e.followNames(ctx, e.looks) })
	defer e.names.responder.Close()
	followers.Go(func() {
		e.log.Keep(ctx, func(err error) {
			if e.ask(ctx, func() { e.eventsUnkept(err) }) != nil {
				e.opts.Log.Warn("the last events", "err", err)
			}
		})
	})
	followers.Go(func() {
		<-recording
		e.schedule.Run(ctx, func(t health.Target, p api.Probe) {
			select {
			case e.probes <- probed{t, p}:
			case <-ctx.Done():
			}
		})
	})
	followers.Go(func() {
		e.windows.Run(ctx, func(node netip.Addr, answers []api.WindowsAnswer) {
			select {
			case e.answers <- windowsAnswers{node, answers}:
			case <-ctx.Done():
			}
		})
	})
	defer func() {
		<-tracked
		followers.Wait()
	}()

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	sweep := time.NewTimer(e.sweepInterval())
	defer sweep.Stop()
	replan := time.NewTimer(0)
	defer replan.Stop()
	ready := false
	for {
		wanted := true // a look at what the kernel should have
		select {
		case <-ctx.Done():
			e.saveAtEnd()
			if err := context.Cause(ctx); err != context.Canceled {
				return err
			}
			return nil
		case b := <-batches:
			if wanted = e.connections(b) || e.opts.Now().Sub(e.planned) >= replanEvery; !wanted {
				replan.Reset(replanEvery)
			}
			handled <- struct{}{}
			if !ready {
				ready = true
				if err := notify.Ready(e.box.text()); err != nil {
					e.opts.Log.Warn("notify", "err", err)
				}
			}
		case p := <-e.probes:
			e.probed(p)
		case a := <-e.answers:
			e.hear(a)
		case <-e.names.responder.Heard():
			e.contacts(e.opts.Now())
		case ask := <-e.requests:
			ask()
		case <-reload:
			_, _ = e.reload() // an event has told what is wrong
		case <-replan.C:
		case <-tick.C:
			e.tick()
			if err := notify.Status(e.box.text()); err != nil {
				e.opts.Log.Warn("notify", "err", err)
			}
		case <-sweep.C:
			e.sweep()
			e.endSessions(e.opts.Now())
			sweep.Reset(e.sweepInterval())
		case err := <-e.writing:
			e.written(err)
		case <-notify.Beat():
			if err := notify.Alive(); err != nil {
				e.opts.Log.Warn("notify", "err", err)
			}
		}
		if wanted {
			e.program()
		}
		e.publish()
	}
}

// replanEvery is how old a plan gets while known clients come and go: only a first
// contact works through it. To give the kernel another costs as much as ten connections.
const replanEvery = 100 * time.Millisecond

func (j judged) text() string { return string(j.state) + ": " + j.reason }

// tick does what time alone brings about.
func (e *Engine) tick() {
	now := e.opts.Now()
	for _, g := range e.groups {
		needed := !g.serves()
		for _, m := range g.members {
			m.machine.Need(needed)
			if m.machine.Tick(now) {
				e.judge(m)
			}
			e.follow(m, now)
		}
	}
	if e.started { // before that, who is connected is not counted
		for _, g := range e.groups {
			for _, id := range g.policy.Emptied(now) {
				e.tellService(e.members[id])
			}
		}
	}
	e.tellDoubt(now)
	for _, m := range e.members {
		// Nothing leaves the box or nobody hears it, so it costs nothing to look every
		// second whether the cable, the address or the switch is there.
		if e.doubt.Certain || e.doubt.Deaf || m.machine.Unsent() {
			e.probeNow(m)
		}
	}
	e.guard()
	e.tickLoad(now)
	e.tickNames(now)
	e.tellMoves()
	e.tellStubborn()
	e.tellMistakes(e.mistakes.Tick(now))
	for _, ev := range e.services.poll() {
		e.tell(ev)
	}
	e.saveWhenDue()
	e.report(e.book.Tick(now)...)
	e.saveMemos()
	e.dirty = true
}

func (e *Engine) changing(do func()) {
	before := e.dirty
	e.dirty = false
	do()
	if e.dirty {
		e.program()
		e.published = time.Time{}
		e.publish()
	}
	e.dirty = e.dirty || before
}

// tell logs an event for people and for the system log, with the incident that it
// belongs to.
func (e *Engine) tell(ev event.Event) { e.report(e.book.Take(ev, e.opts.Now())) }

func (e *Engine) report(reports ...api.Report) {
	for _, r := range reports {
		ev := e.log.Add(r).Event
		level := slog.LevelInfo
		switch ev.Severity {
		case event.Warning:
			level = slog.LevelWarn
		case event.Alert:
			level = slog.LevelError
		}
		e.opts.Log.Log(context.Background(), level, ev.Text, "event", ev.Kind, "group", ev.Group, "node", ev.Node)
		e.dirty = true
	}
}

// eventsUnkept tells that what happens is not on the medium, or, without an error,
// that it is again.
func (e *Engine) eventsUnkept(err error) {
	ev := event.Event{Kind: event.EventsFault, Severity: event.Notice, Text: "what happens is kept on the medium again"}
	if err != nil {
		ev.Severity, ev.Text = event.Warning, "what happens can't be kept on the medium, and is forgotten at the next start: "+err.Error()
	}
	e.tell(ev)
}

// ask runs do in the loop and waits for it. What it changed is in the kernel and in
// the snapshot before the caller hears that it is done.
func (e *Engine) ask(ctx context.Context, do func()) error {
	done := make(chan struct{})
	select {
	case e.requests <- func() { e.changing(do); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
