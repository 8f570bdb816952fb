package event

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Log keeps the last events in memory. It is safe for concurrent use.
type Log struct {
	now func() time.Time

	mu      sync.Mutex
	ring    []Event
	next    uint64 // sequence number of the next event, from 1
	changed chan struct{}
}

// NewLog keeps the last size events and stamps them with now.
func NewLog(size int, now func() time.Time) *Log {
	return &Log{now: now, ring: make([]Event, 0, size), next: 1, changed: make(chan struct{})}
}

// Add numbers and stamps the event, keeps it and wakes those who follow.
func (l *Log) Add(e Event) Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq, e.Time = l.next, l.now()
	l.next++
	if len(l.ring) < cap(l.ring) {
		l.ring = append(l.ring, e)
	} else {
		l.ring[int((e.Seq-1)%uint64(cap(l.ring)))] = e
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return e
}

// After returns the kept events with a sequence number above seq, oldest
// first, and a channel that is closed when there are more. A gap in the
// numbers means that events were no longer kept.
func (l *Log) After(seq uint64) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.next - uint64(len(l.ring))
	var out []Event
	for s := max(seq+1, first); s < l.next; s++ {
		out = append(out, l.ring[int((s-1)%uint64(cap(l.ring)))])
	}
	return out, l.changed
}

// Follow yields the kept events after seq and then each new one until ctx
// ends.
func (l *Log) Follow(ctx context.Context, seq uint64) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			events, changed := l.After(seq)
			for _, e := range events {
				if !yield(e) {
					return
				}
				seq = e.Seq
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}
