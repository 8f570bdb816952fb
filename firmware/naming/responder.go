package naming

import (
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// mostContacts bounds what waits to be collected: some 4 MB.
const mostContacts = 1 << 15

// Responder answers over UDP and TCP. It is safe for concurrent use.
//
// Its sockets are read here and not by the library's server, which takes messages
// apart where a panic ends the process, and has no bound on connections.
type Responder struct {
	log   *slog.Logger
	now   func() time.Time
	heard chan struct{}

	mu       sync.Mutex
	zone     Zone
	budgets  *budgets
	excess   uint64 // questions above a budget
	contacts map[Contact]struct{}
	doors    map[netip.Addr]*door
	failed   map[netip.Addr]string
	broken   time.Time // when a panic was told last
}

// NewResponder answers for nothing, nowhere, until Listen and Set.
func NewResponder(log *slog.Logger, now func() time.Time) *Responder {
	return &Responder{log: log, now: now, heard: make(chan struct{}, 1), budgets: newBudgets(),
		contacts: map[Contact]struct{}{}, doors: map[netip.Addr]*door{}, failed: map[netip.Addr]string{}}
}

// Set replaces what is answered for.
func (r *Responder) Set(z Zone) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zone = z
}

// Heard tells that there are Contacts, once until they are collected.
func (r *Responder) Heard() <-chan struct{} { return r.heard }

// Contacts returns the look-ups since the last call, each once. Beyond 32,768 MFDs
// that wait they are lost, as their look-ups in a resolver's memory are.
func (r *Responder) Contacts() []Contact {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Contact, 0, len(r.contacts))
	for c := range r.contacts {
		out = append(out, c)
	}
	clear(r.contacts)
	return out
}

// Listen answers on port 53 of these addresses and of no others; it is called again
// whenever they may have changed. What can't be opened is tried again with the next
// call, and logged once.
func (r *Responder) Listen(addresses []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := map[netip.Addr]bool{}
	for _, a := range addresses {
		wanted[a] = true
		if d := r.doors[a]; d != nil && !d.ended() {
			continue
		}
		d, err := open(netip.AddrPortFrom(a, 53), r.respond)
		switch {
		case err == nil:
			r.doors[a] = d
			delete(r.failed, a)
			r.log.Info("answering for names", "address", a)
		case r.failed[a] != err.Error():
			r.failed[a] = err.Error()
			r.log.Warn("names are not answered for", "address", a, "err", err)
		}
	}
	for a, d := range r.doors {
		if !wanted[a] {
			delete(r.doors, a)
			d.close()
		}
	}
}

// Close ends all answering.
func (r *Responder) Close() { r.Listen(nil) }

// respond answers one request; nil is no answer. A panic in it is the question's end,
// not the daemon's.
func (r *Responder) respond(req request) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			reply = nil
			r.panicked(p)
		}
	}()
	zone, allowed, second := r.admit(req.asker)
	if !allowed {
		// Half of what is too much gets a way out, so that a resolver in whose name
		// somebody floods the box still gets its answers, over TCP.
		if !req.stream && second {
			return truncated(req.packet)
		}
		return nil
	}
	reply, contact := zone.answer(req)
	if contact.Client.IsValid() {
		r.Note(contact.VirtualAddress, contact.Client)
	}
	return reply
}

// admit takes a question off the asker's budget.
func (r *Responder) admit(asker netip.Addr) (zone *Zone, allowed, second bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.budgets.take(asker, r.now()) {
		r.excess++
		return nil, false, r.excess%2 == 0
	}
	z := r.zone
	return &z, true, false
}

// Note takes a look-up of the group of a virtual address for a contact of an MFD.
func (r *Responder) Note(virtual, client netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.contacts) >= mostContacts {
		return
	}
	r.contacts[Contact{virtual, client}] = struct{}{}
	if len(r.contacts) > 1 {
		return // the first one was told
	}
	select {
	case r.heard <- struct{}{}:
	default:
	}
}

// panicked tells of a panic, at most once a minute: a stranger may know how to cause
// them.
func (r *Responder) panicked(p any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.broken.IsZero() && now.Sub(r.broken) < time.Minute {
		return
	}
	r.broken = now
	r.log.Error("a question about a name could not be answered", "panic", p, "stack", string(debug.Stack()))
}
