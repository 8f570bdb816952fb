package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
)

// Sender brings one message to its receiver, by one protocol. It is safe for
// concurrent use.
type Sender interface {
	// Send returns nil when the receiver has the message, as far as the protocol can
	// tell; any other end is best an *api.Failure. It hears of each stage it passed.
	Send(ctx context.Context, m letter.Message, note reach.Note) error
	Target() string // in words
	Confirms() bool // the protocol tells whether a message arrived
}

// Clock is the time as a reporter has it.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

const (
	// sparing is the time between two writes of a cursor: the medium is flash, and
	// what a power cut forgets is sent twice.
	sparing = 10 * time.Second
	// idle is the same while nothing was sent and only the journal was read on.
	idle = time.Hour
	// sendTime bounds a whole try.
	sendTime = 2 * time.Minute
	// goodbye is for a message under way when the reporter ends.
	goodbye = 3 * time.Second
)

// courier is one reporter while it runs. Nothing that happens to it touches another.
type courier struct {
	name   string
	box    string // its host name
	sender Sender
	queue  *Queue
	store  Store
	clock  Clock
	log    *slog.Logger
	state  *wire.Feed[api.Reporter]

	saved   Cursor
	savedAt time.Time
	sent    bool // something was, since the cursor was kept
}

func newCourier(name, box string, sender Sender, w wish, store Store, clock Clock, log *slog.Logger) *courier {
	log = log.With("reporter", name)
	cursor, err := store.Load(name, clock.Now())
	if err != nil {
		log.Error("cursor", "err", err)
	}
	c := &courier{name: name, box: box, sender: sender, queue: newQueue(w, cursor), store: store, clock: clock, log: log, saved: cursor, savedAt: clock.Now()}
	c.state = wire.NewFeed(c.describe())
	if cursor.Fresh {
		c.save() // the moment from which on it is told must outlast a restart
	}
	return c
}

func (c *courier) describe() api.Reporter {
	s := c.queue.State()
	s.Name, s.Target, s.Unconfirmed = c.name, c.sender.Target(), !c.sender.Confirms()
	s.DeliveredAt, s.LeftOut = c.queue.SentTo(s.Target)
	return s
}

// run sends what the journal has until ctx ends. A fault in here ends this reporter,
// and is told of it; the others go on.
func (c *courier) run(ctx context.Context, journal Journal) {
	defer func() {
		if p := recover(); p != nil {
			s, _ := c.state.Latest()
			s.Trouble, s.Since, s.NextTry = fault(p, c.log), c.clock.Now(), time.Time{}
			c.state.Publish(s)
		}
	}()
	reports, leave := c.join(ctx, journal)
	defer func() {
		leave()
		if c.moved() {
			c.save()
		}
	}()
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var result chan error // of the message under way
	for {
		if reports != nil && c.queue.Full() {
			leave()
			reports = nil
		} else if reports == nil && c.queue.Eager() {
			reports, leave = c.join(ctx, journal)
		}
		var due <-chan time.Time
		next, at := c.queue.Next()
		if next != nil && result == nil {
			wait := at.Sub(c.clock.Now())
			if wait <= 0 {
				result = c.start(working, *next)
				continue
			}
			due = c.clock.After(wait)
		}
		select {
		case r := <-reports:
			if r.oldest {
				c.queue.Begin()
			}
			c.queue.Offer(r.report, c.clock.Now())
		case err := <-result:
			result = nil
			c.ended(err)
		case <-due:
		case <-c.keep():
			c.save()
		case <-ctx.Done():
			if result == nil {
				return
			}
			select {
			case err := <-result:
				c.ended(err)
			case <-time.After(goodbye):
			}
			return
		}
		c.state.Publish(c.describe())
	}
}

func (c *courier) start(ctx context.Context, r api.Report) chan error {
	result := make(chan error, 1)
	go func() {
		result <- deliver(ctx, c.sender, letter.Message{Report: r, Box: c.box}, func(api.Stage, string) {}, c.log)
	}()
	return result
}

// deliver sends and contains a panic: a fault in one protocol must not silence the
// others.
func deliver(ctx context.Context, s Sender, m letter.Message, note reach.Note, log *slog.Logger) (err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fault(p, log)
		}
	}()
	return s.Send(ctx, m, note)
}

// fault is a panic as people are told of it.
func fault(p any, log *slog.Logger) *api.Failure {
	log.Error("panic", "panic", p, "stack", string(debug.Stack()))
	return &api.Failure{Stage: api.StageMessage, What: fmt.Sprintf("the program failed: %v", p), Lasting: true,
		Do: "This is a fault of the firmware: save a support bundle (spoolctl support FILE) and report it; the other reporters go on"}
}

// failureOf is an error as what it stopped at.
func failureOf(err error) *api.Failure {
	var f *api.Failure
	if errors.As(err, &f) {
		return f
	}
	return &api.Failure{Stage: api.StageMessage, What: err.Error(), Do: "It is tried again; if it stays, look at the log of the receiver"}
}

// partlyOf is who was left out of a message that others have.
func partlyOf(err error) (leftOut *api.Failure, is bool) {
	var p *reach.Partly
	if !errors.As(err, &p) {
		return nil, false
	}
	return p.LeftOut, true
}

func (c *courier) ended(err error) {
	now := c.clock.Now()
	before := c.describe()
	leftOut, partly := partlyOf(err)
	if err == nil || partly {
		c.queue.Delivered(before.Target, leftOut, now)
		c.sent = true
		c.logLeftOut(before.LeftOut, leftOut)
		if before.Trouble != nil {
			c.log.Info("reports go out again", "after", now.Sub(before.Since).Round(time.Second))
		}
		return
	}
	f := failureOf(err)
	c.queue.Failed(f, now)
	if c.queue.State().Refused > before.Refused {
		c.sent = true
		c.log.Error("a report was refused for good and is left out", "err", f)
	} else if before.Trouble == nil || before.Trouble.Stage != f.Stage {
		c.log.Warn("reports wait", "stage", f.Stage, "err", f, "waiting", before.Waiting)
	}
}

// logLeftOut logs who is left out from now on, once and not with each report.
func (c *courier) logLeftOut(before, now *api.Failure) {
	switch {
	case now != nil && (before == nil || before.What != now.What):
		c.log.Warn("reports do not get to everybody", "err", now)
	case now == nil && before != nil:
		c.log.Info("reports get to every recipient again")
	}
}

// keep fires when the cursor is to be kept.
func (c *courier) keep() <-chan time.Time {
	if !c.moved() {
		return nil
	}
	every := idle
	if c.sent {
		every = sparing
	}
	return c.clock.After(max(every-c.clock.Now().Sub(c.savedAt), 0))
}

// moved reports whether the cursor is another than the kept one.
func (c *courier) moved() bool {
	now := &c.queue.cursor
	return now.Seq != c.saved.Seq || now.Fresh != c.saved.Fresh || now.Missed != c.saved.Missed || now.Refused != c.saved.Refused
}

func (c *courier) save() {
	now := c.queue.Cursor()
	if err := c.store.Save(c.name, now); err != nil {
		c.log.Error("cursor", "err", err)
	}
	c.saved, c.savedAt, c.sent = now, c.clock.Now(), false
}
