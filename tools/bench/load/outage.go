package load

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Outage are clients of a group of which a node, the victim, is about to fail: how
// they hear of it, and when they are served again. It is the node that has most MFDs.
type Outage struct {
	To    netip.Addr `json:"to"`
	Ports []uint16   `json:"ports"`
	// MFDs have a connection that carries data all the time, one that is idle, and
	// short ones; Others have short ones only.
	MFDs   int `json:"mfds"`
	Others int `json:"others"`
	// Limit is how long is waited for the last of them.
	Limit time.Duration `json:"limit"`
}

// Clients of an Outage do this.
const (
	// Pause is the time between a client's short connections.
	Pause = 500 * time.Millisecond
	// Retry is the time between a failed attempt and the next.
	Retry = 100 * time.Millisecond
	// Giveup is how long a connection may take to stand, and an answer to come.
	Giveup = 5 * time.Second

	// A streaming connection sends this many requests at once, so often, whether or
	// not they are answered.
	requestsAtOnce = 8
	requestEvery   = 25 * time.Millisecond

	// settling is how long is looked on when all is well again.
	settling = time.Second
)

// Felt is what became of them.
type Felt struct {
	// Streaming and Idle are the long connections that the victim had.
	Streaming []Ending `json:"streaming"`
	Idle      []Ending `json:"idle"`
	// Landed is when each client of the victim was first answered by another node;
	// zero if that never came.
	Landed []time.Time `json:"landed"`
	// Failed are the attempts of all clients that came to nothing, by why they did, the
	// first of them at FirstFailed.
	Failed      map[string]int `json:"failed,omitempty"`
	FirstFailed time.Time      `json:"first_failed"`
	// Split are clients that two nodes answered, of which neither failed.
	Split []string `json:"split,omitempty"`
	// Wronged are connections to other nodes that ended.
	Wronged []string `json:"wronged,omitempty"`
}

// Ending is how a long connection ended.
type Ending struct {
	// Last is when the last byte came.
	Last time.Time `json:"last"`
	// At is when the client saw the end; zero if it never did. By is what it saw.
	At time.Time `json:"at"`
	By string    `json:"by"`
}

// outage is the state of a run.
type outage struct {
	Outage
	mu      sync.Mutex
	victim  netip.Addr // none until all stand
	clients []*sufferer
	felt    Felt
	missing int           // of connections that have to stand before all are ready
	stand   chan struct{} // closed when none is missing
	all     sync.WaitGroup
}

// Run connects, calls ready with the victim when everything stands, and returns when
// all that the victim served are served by others, or at the limit.
func (o Outage) Run(ctx context.Context, ready func(victim netip.Addr) error) (Felt, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &outage{Outage: o, felt: Felt{Failed: map[string]int{}}, missing: 3*o.MFDs + o.Others, stand: make(chan struct{})}
	for i := range o.MFDs + o.Others {
		c := &sufferer{outage: r, number: i, address: Client(i), nodes: map[netip.Addr]bool{}}
		if i < o.MFDs {
			c.long = []*lasting{{streams: true}, {}}
		}
		r.clients = append(r.clients, c)
	}
	for _, c := range r.clients {
		r.all.Go(func() { c.live(ctx) })
	}
	defer r.all.Wait()
	defer cancel()
	select {
	case <-r.stand:
	case <-time.After(2 * patience):
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.felt, fmt.Errorf("%d connections did not come to stand: %v", r.missing, r.felt.Failed)
	case <-ctx.Done():
		return r.felt, context.Cause(ctx)
	}
	if err := ready(r.choose()); err != nil {
		return r.felt, err
	}
	if err := r.wait(ctx); err != nil {
		return r.felt, err
	}
	cancel()
	r.all.Wait()
	return r.sum(), nil
}

// choose chooses the victim.
func (r *outage) choose() netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	mfds := map[netip.Addr]int{}
	for _, c := range r.clients[:r.MFDs] {
		if mfds[c.was]++; mfds[c.was] > mfds[r.victim] {
			r.victim = c.was
		}
	}
	return r.victim
}

// wait returns when all is well again, or at the limit.
func (r *outage) wait(ctx context.Context) error {
	end := time.Now().Add(r.Limit)
	var well time.Time // since when
	for time.Now().Before(end) {
		switch whole := r.whole(); {
		case !whole:
			well = time.Time{}
		case well.IsZero():
			well = time.Now()
		case time.Since(well) > settling:
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// whole reports whether all that the victim served are served by others.
func (r *outage) whole() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.clients {
		if c.was == r.victim && c.landed.IsZero() {
			return false
		}
		for _, l := range c.long {
			if !l.stands || l.node == r.victim {
				return false
			}
		}
	}
	return true
}

func (r *outage) sum() Felt {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.clients {
		if c.was == r.victim {
			r.felt.Landed = append(r.felt.Landed, c.landed)
		}
		for _, l := range c.long {
			if l.stands && l.node == r.victim {
				r.ended(l, Ending{Last: l.last})
			}
		}
		if split := c.split(); split != "" {
			r.felt.Split = append(r.felt.Split, split)
		}
	}
	return r.felt
}

// ended keeps the end of a connection to the victim.
func (r *outage) ended(l *lasting, e Ending) {
	if l.streams {
		r.felt.Streaming = append(r.felt.Streaming, e)
	} else {
		r.felt.Idle = append(r.felt.Idle, e)
	}
}
