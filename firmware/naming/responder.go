package naming

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
)

const (
	// udpSize is the largest answer over UDP: none of ours comes near it.
	udpSize = 1232
	// asked is how many questions a second one asker may put, and burst how many
	// at once. An MFD puts a few an hour, a name server of a large site a few a
	// second.
	asked = 50
	burst = 200
	// askers bounds the memory of who asked how much.
	askers = 4096
	// mostContacts bounds what waits to be collected.
	mostContacts = 8192

	mostTCP   = 64 // connections at the same time
	idleTCP   = 5 * time.Second
	queryTime = 2 * time.Second
)

// Responder answers over UDP and TCP. It is safe for concurrent use.
type Responder struct {
	log *slog.Logger
	now func() time.Time

	mu       sync.Mutex
	zone     Zone
	budgets  map[netip.Addr]budget
	contacts map[Contact]struct{}
	servers  map[netip.Addr][]*dns.Server
	failed   map[netip.Addr]string
}

type budget struct {
	left float64
	at   time.Time
}

// NewResponder answers for nothing, nowhere, until Serve and Set.
func NewResponder(log *slog.Logger, now func() time.Time) *Responder {
	return &Responder{log: log, now: now, budgets: map[netip.Addr]budget{}, contacts: map[Contact]struct{}{},
		servers: map[netip.Addr][]*dns.Server{}, failed: map[netip.Addr]string{}}
}

// Set replaces what is answered for.
func (r *Responder) Set(z Zone) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zone = z
}

// Contacts returns the look-ups since the last call, each once.
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
		if r.servers[a] != nil {
			continue
		}
		servers, err := r.open(a)
		switch {
		case err == nil:
			r.servers[a] = servers
			delete(r.failed, a)
			r.log.Info("answering for names", "address", a)
		case r.failed[a] != err.Error():
			r.failed[a] = err.Error()
			r.log.Warn("names are not answered for", "address", a, "err", err)
		}
	}
	for a, servers := range r.servers {
		if !wanted[a] {
			delete(r.servers, a)
			go shutdown(servers)
		}
	}
}

func shutdown(servers []*dns.Server) {
	for _, s := range servers {
		// An error means that it had ended.
		_ = s.Shutdown()
	}
}

func (r *Responder) open(a netip.Addr) ([]*dns.Server, error) {
	at := netip.AddrPortFrom(a, 53)
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	stream, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		packets.Close()
		return nil, err
	}
	servers := []*dns.Server{
		{PacketConn: packets, UDPSize: udpSize},
		{Listener: netutil.LimitListener(stream, mostTCP), ReadTimeout: queryTime, IdleTimeout: func() time.Duration { return idleTCP }},
	}
	for _, s := range servers {
		s.Handler, s.WriteTimeout = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { r.serve(w, q, a) }), queryTime
		started, ended := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() {
			err := s.ActivateAndServe()
			close(ended)
			if err != nil {
				r.log.Warn("names are not answered for any more", "address", a, "err", err)
			}
			r.gone(a)
		}()
		select {
		case <-started:
		case <-ended:
		}
	}
	return servers, nil
}

// gone has an address opened again whose server ended by itself.
func (r *Responder) gone(a netip.Addr) {
	r.mu.Lock()
	servers := r.servers[a]
	delete(r.servers, a)
	r.mu.Unlock()
	shutdown(servers)
}

// serve answers one question. A panic in it is the question's end, not the daemon's.
func (r *Responder) serve(w dns.ResponseWriter, q *dns.Msg, at netip.Addr) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a question about a name could not be answered", "question", fmt.Sprint(q.Question), "panic", p)
		}
	}()
	asker := addressOf(w.RemoteAddr())
	if !asker.IsValid() || !r.allow(asker) {
		return // an answer would be what a forged question is after
	}
	r.mu.Lock()
	zone := r.zone
	r.mu.Unlock()
	m, contact := zone.answer(q, asker, at)
	if contact.Client.IsValid() {
		r.mu.Lock()
		if len(r.contacts) < mostContacts {
			r.contacts[contact] = struct{}{}
		}
		r.mu.Unlock()
	}
	if w.RemoteAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpSize)
		}
		m.Truncate(size)
	}
	// Whoever asked may have gone.
	_ = w.WriteMsg(m)
}

// allow takes a question off the asker's budget.
func (r *Responder) allow(asker netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b, known := r.budgets[asker]
	if !known {
		if len(r.budgets) >= askers {
			clear(r.budgets)
		}
		b = budget{left: burst, at: now}
	}
	b.left = min(burst, b.left+now.Sub(b.at).Seconds()*asked)
	b.at = now
	ok := b.left >= 1
	if ok {
		b.left--
	}
	r.budgets[asker] = b
	return ok
}

// Close ends all answering.
func (r *Responder) Close() { r.Listen(nil) }

func addressOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
