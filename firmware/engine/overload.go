package engine

import (
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/overload"
)

// load is what the box is asked to do beyond its bounds.
type load struct {
	book *overload.Book
	room api.Room
	// limited is when the kernel was last told who gets no more connections; unlimited,
	// that it was not.
	limited   time.Time
	unlimited bool
	full      bool // newcomers are turned away
	evicted   time.Time
	resumed   bool // what was before this start is taken over
}

func newLoad() load { return load{book: overload.NewBook()} }

const (
	// relimit is the time between two calls of Limit, as long as somebody is limited.
	relimit = dataplane.LimitedFor / 3
	// evicting is the time between two searches for clients that never proved to be
	// there; only when half of the room for bindings is used.
	evicting = 10 * time.Second
)

// crowded takes the number of connections of a client that has just opened one.
func (e *Engine) crowded(g *group, client netip.Addr, open int, now time.Time) {
	if open >= g.Limits.Connections && e.load.book.Count(now, overload.Caller{Group: g.Name, Client: client}, open, g.Limits.Connections) {
		e.limit(now)
	}
}

// limit tells the kernel who gets no more connections.
func (e *Engine) limit(now time.Time) {
	var callers []dataplane.Caller
	for _, c := range e.load.book.Limited() {
		if g := e.named(c.Group); g != nil {
			callers = append(callers, dataplane.Caller{VirtualAddress: g.VirtualAddress, Client: c.Client})
		}
	}
	e.load.limited = now
	err := e.opts.Kernel.Limit(callers)
	if e.load.unlimited = err != nil; err != nil {
		e.opts.Log.Warn("clients with too many connections are not limited", "err", err)
	}
}

func (e *Engine) named(name string) *group {
	for _, g := range e.groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// tickLoad looks how near the box is to its bounds.
func (e *Engine) tickLoad(now time.Time) {
	e.resumeLoad(now)
	findings, changed := e.load.book.Recount(now, func(c overload.Caller) (is, limit int) {
		g := e.named(c.Group)
		if g == nil {
			return 0, 0
		}
		bound, _ := g.policy.Lookup(c.Client, now)
		return bound.Open, g.Limits.Connections
	})
	if changed || e.load.unlimited || now.Sub(e.load.limited) >= relimit {
		e.limit(now)
	}
	e.tellOverload(findings)
	reading, err := e.reading()
	if err != nil {
		e.opts.Log.Warn("how near the kernel is to its bounds is unknown", "err", err)
		return
	}
	e.load.room = api.Room{Connections: reading.Connections, MostConnections: reading.MostConnections, Bindings: reading.Bindings, MostBindings: reading.MostBindings}
	e.makeRoom(now)
	reading.Bindings = e.load.room.Bindings
	e.tellOverload(e.load.book.Read(now, reading))
}

// reading is how near the box is to its bounds.
func (e *Engine) reading() (overload.Reading, error) {
	p, err := e.opts.Kernel.Pressure()
	return overload.Reading{
		Connections: p.Connections, MostConnections: p.MostConnections, Bindings: e.bindings(), MostBindings: dataplane.MaxBindings,
		Dropped: p.Dropped, HeldBack: p.HeldBack, NoRoom: p.NoRoom, Newcomers: e.config.Newcomers,
	}, err
}

// beginLoad has all that is turned away from now on be news: the first second of a box
// is that in which everybody calls.
func (e *Engine) beginLoad() {
	// Who can't be asked now is asked each second, and told of if it can't be then.
	if r, err := e.reading(); err == nil {
		e.load.book.Begin(r)
	}
}

// resumeLoad takes over what was before this start, once connections are counted: who
// has too many open gets no more, though none is opened, and an incident of an overload
// ends soon if it is over.
func (e *Engine) resumeLoad(now time.Time) {
	if e.load.resumed || !e.started {
		return
	}
	e.load.resumed = true
	changed := false
	for _, g := range e.groups {
		for _, c := range g.policy.Clients(netip.Prefix{}, now) {
			changed = e.load.book.Count(now, overload.Caller{Group: g.Name, Client: c.Address}, c.Open, g.Limits.Connections) || changed
		}
	}
	if changed {
		e.limit(now)
	}
	for _, i := range e.book.Open() {
		if i.Away.IsZero() {
			e.load.book.Recall(now, i.Kind, i.Group)
		}
	}
}

func (e *Engine) bindings() (n int) {
	for _, g := range e.groups {
		n += g.policy.Len()
	}
	return n
}

// makeRoom forgets clients that never proved to be there once there are many, and turns
// newcomers away as long as there are too many all the same: who is bound comes first.
func (e *Engine) makeRoom(now time.Time) {
	r := &e.load.room
	if r.Bindings > r.MostBindings/2 && now.Sub(e.load.evicted) >= evicting {
		e.load.evicted = now
		e.evict(now)
		r.Bindings = e.bindings()
	}
	// Both each second: a configuration that was applied meanwhile lets newcomers in.
	was := e.load.full
	e.load.full = r.Bindings >= r.MostBindings
	if !e.load.full && !was {
		return
	}
	if err := e.opts.Kernel.Admit(!e.load.full); err != nil {
		e.opts.Log.Warn("whether new clients are let in stays as it was", "err", err)
		e.load.full = was
	}
}

func (e *Engine) evict(now time.Time) {
	var gone []dataplane.Binding
	for _, g := range e.groups {
		for _, client := range g.policy.Evict(now) {
			gone = append(gone, dataplane.Binding{VirtualAddress: g.VirtualAddress, Client: client})
		}
	}
	if len(gone) == 0 {
		return
	}
	if err := e.opts.Kernel.Forget(gone); err != nil {
		e.opts.Log.Warn("addresses that never followed up stay bound until their windows end", "err", err)
	}
}

func (e *Engine) tellOverload(changes []overload.Finding) {
	for _, f := range changes {
		e.tell(event.Event{Kind: f.Kind, Severity: f.Severity, Group: f.Group, Text: f.Text})
	}
}

// overloads are those that last, for people.
func (e *Engine) overloads() (out []api.Overload) {
	for _, f := range e.load.book.Open() {
		out = append(out, api.Overload{Kind: f.Kind, Group: f.Group, Text: f.Text, Since: f.Since})
	}
	return out
}
