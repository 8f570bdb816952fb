package health

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

// Target is a port to probe.
type Target struct {
	Address  netip.AddrPort
	Interval time.Duration // above 0
	Timeout  time.Duration // of one probe, below Interval
}

// Schedule probes targets, each once an interval. A round, the probes of one
// interval, is spread by a jitter of up to a tenth of the interval, so that the
// nodes do not get theirs in the same millisecond and yet together.
type Schedule struct {
	probe func(context.Context, netip.AddrPort) api.Probe
	limit int

	mu   sync.Mutex
	want map[netip.AddrPort]Target
	now  map[netip.Addr]bool // nodes to probe at once
	wake chan struct{}
}

// NewSchedule makes probes with probe, at most limit at a time. Timeouts, not
// answers, fill the limit: 1,000 silent targets every 5 s need 500.
func NewSchedule(probe func(context.Context, netip.AddrPort) api.Probe, limit int) *Schedule {
	return &Schedule{
		probe: probe,
		limit: max(limit, 1),
		want:  map[netip.AddrPort]Target{},
		now:   map[netip.Addr]bool{},
		wake:  make(chan struct{}, 1),
	}
}

// Set replaces the targets, also while Run runs. Those that stay keep their turn,
// new ones are probed at once.
func (s *Schedule) Set(targets []Target) {
	want := map[netip.AddrPort]Target{}
	for _, t := range targets {
		want[t.Address] = t
	}
	s.mu.Lock()
	s.want = want
	s.mu.Unlock()
	s.rouse()
}

// Now probes all ports of a node at once, beside its turn. A probe that is under
// way serves as the answer.
func (s *Schedule) Now(node netip.Addr) {
	s.mu.Lock()
	s.now[node] = true
	s.mu.Unlock()
	s.rouse()
}

func (s *Schedule) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run probes until ctx ends and calls deliver for each result, never two at a
// time; it waits while deliver works. Results of targets that were taken out
// meanwhile are not delivered. It returns when no probe is under way any more.
func (s *Schedule) Run(ctx context.Context, deliver func(Target, api.Probe)) {
	r := &run{Schedule: s, turns: map[netip.AddrPort]*turn{}, done: make(chan result), base: time.Now()}
	var probes sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	r.adopt()
	for {
		timer.Reset(r.launch(ctx, &probes))
		select {
		case <-ctx.Done():
			go func() {
				probes.Wait()
				close(r.done)
			}()
			for range r.done {
			}
			return
		case <-s.wake:
			r.adopt()
		case <-timer.C:
		case got := <-r.done:
			r.flying--
			if t := r.turns[got.target.Address]; t != nil {
				t.flying = false
				deliver(t.target, got.probe)
			}
		}
	}
}

type result struct {
	target Target
	probe  api.Probe
}

// run is the state of one Run.
type run struct {
	*Schedule
	turns  map[netip.AddrPort]*turn
	queue  turns
	flying int
	done   chan result
	base   time.Time // of the rounds
}

// adopt takes over what Set and Now asked for.
func (r *run) adopt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	begin := time.Now()
	for address, t := range r.turns {
		if _, ok := r.want[address]; !ok {
			heap.Remove(&r.queue, t.index)
			delete(r.turns, address)
		}
	}
	for address, target := range r.want {
		t := r.turns[address]
		switch {
		case t == nil:
			t = &turn{target: target, due: begin.Add(rand.N(firstSpread))}
			r.turns[address] = t
			heap.Push(&r.queue, t)
		case t.target != target:
			t.target = target
			t.due = r.next(target, begin)
			heap.Fix(&r.queue, t.index)
		}
		if r.now[address.Addr()] {
			t.due = begin
			heap.Fix(&r.queue, t.index)
		}
	}
	clear(r.now)
}

// firstSpread is the jitter of the first round: short, as nothing serves before it.
const firstSpread = 50 * time.Millisecond

// launch starts what is due and returns the time to wait for the next one.
func (r *run) launch(ctx context.Context, probes *sync.WaitGroup) time.Duration {
	for len(r.queue) > 0 && ctx.Err() == nil {
		t, begin := r.queue[0], time.Now()
		if wait := t.due.Sub(begin); wait > 0 {
			return wait
		}
		if r.flying >= r.limit {
			return time.Hour
		}
		t.due = r.next(t.target, begin)
		heap.Fix(&r.queue, 0)
		if t.flying {
			continue
		}
		t.flying = true
		r.flying++
		target := t.target
		probes.Go(func() {
			limited, cancel := context.WithTimeout(ctx, target.Timeout)
			defer cancel()
			r.done <- result{target, r.probe(limited, target.Address)}
		})
	}
	return time.Hour
}

// next is the turn of a target in the first round that begins after now. Rounds
// that were slept through are not made up for.
func (r *run) next(t Target, now time.Time) time.Time {
	round := now.Sub(r.base)/t.Interval + 1
	return r.base.Add(round * t.Interval).Add(rand.N(t.Interval/10 + 1))
}

type turn struct {
	target Target
	due    time.Time
	flying bool
	index  int
}

// turns is a heap, the next one first.
type turns []*turn

func (q turns) Len() int           { return len(q) }
func (q turns) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q turns) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *turns) Push(x any) {
	t := x.(*turn)
	t.index = len(*q)
	*q = append(*q, t)
}

func (q *turns) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
