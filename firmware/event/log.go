package event

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

// Log keeps the last reports in memory, and on the medium where it has a journal.
// It is safe for concurrent use.
type Log struct {
	now     func() time.Time
	journal *Journal // nil: in memory only
	size    int

	mu      sync.Mutex
	ring    []api.Report // oldest first; numbers may have gaps
	next    uint64       // sequence number of the next event, from 1
	changed chan struct{}
	pending []api.Report // not on the medium yet
	urgent  bool         // one of them shall not wait
	wake    chan struct{}
}

// NewLog keeps the last size reports in memory only, and stamps them with now.
func NewLog(size int, now func() time.Time) *Log {
	return &Log{now: now, size: size, next: 1, changed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// OpenLog goes on with the journal in a folder, which is made if need be. Where it
// can't, the log is in memory only, and the error says why.
func OpenLog(dir string, size int, now func() time.Time) (*Log, error) {
	l := NewLog(size, now)
	journal, kept, next, err := OpenJournal(dir, size)
	if journal == nil {
		return l, err
	}
	l.journal, l.next = journal, next
	l.ring = kept[max(0, len(kept)-size):]
	return l, err
}

// Kept are the reports that are in memory, oldest first.
func (l *Log) Kept() []api.Report {
	kept, _ := l.After(0)
	return kept
}

// Add numbers and stamps the report's event, keeps it and wakes those who follow.
func (l *Log) Add(r api.Report) api.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Event.Seq, r.Event.Time = l.next, l.now()
	l.next++
	if len(l.ring) >= l.size {
		// Now and then, so that it costs nothing to speak of.
		l.ring = append(make([]api.Report, 0, l.size+l.size/4), l.ring[len(l.ring)-l.size+1:]...)
	}
	l.ring = append(l.ring, r)
	close(l.changed)
	l.changed = make(chan struct{})
	if l.journal != nil {
		l.pending = append(l.pending, r)
		l.urgent = l.urgent || r.Event.Severity == Warning || r.Event.Severity == Alert || r.Phase == api.Clear
		if l.urgent || len(l.pending) >= mostPending {
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
	}
	return r
}

// After returns the kept reports with a number above seq, oldest first, and a
// channel that is closed when there are more.
func (l *Log) After(seq uint64) ([]api.Report, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.ring)
	for first > 0 && l.ring[first-1].Event.Seq > seq {
		first--
	}
	first = max(first, len(l.ring)-l.size)
	return append([]api.Report(nil), l.ring[first:]...), l.changed
}

// Follow yields the kept reports after seq and then each new one until ctx ends.
func (l *Log) Follow(ctx context.Context, seq uint64) iter.Seq[api.Report] {
	return func(yield func(api.Report) bool) {
		for {
			reports, changed := l.After(seq)
			for _, r := range reports {
				if !yield(r) {
					return
				}
				seq = r.Event.Seq
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// How often the medium is written to, which is flash and wears out. What is no
// trouble waits for a minute. What is gets there at once, but in a storm of it only
// every ten seconds: at most some 360 writes an hour, of a block or two each.
const (
	lazily      = time.Minute
	gathering   = 100 * time.Millisecond
	stormPause  = 10 * time.Second
	stormAfter  = 30 // writes within stormWindow
	stormWindow = 10 * time.Minute
	mostPending = 256
)

// Keep writes to the medium what is added, until ctx ends and all is written. It
// tells each failure, and the first success after one.
func (l *Log) Keep(ctx context.Context, tell func(error)) {
	if l.journal == nil {
		return
	}
	var writes []time.Time
	failed := false
	lazy := time.NewTicker(lazily)
	defer lazy.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := errors.Join(l.write(), l.close()); err != nil {
				tell(err)
			}
			return
		case <-lazy.C:
		case <-l.wake:
			pause := gathering
			for len(writes) > 0 && time.Since(writes[0]) > stormWindow {
				writes = writes[1:]
			}
			if len(writes) >= stormAfter {
				pause = stormPause
			}
			select {
			case <-ctx.Done():
				continue
			case <-time.After(pause):
			}
			writes = append(writes, time.Now())
		}
		err := l.write()
		if err != nil || failed {
			tell(err)
		}
		failed = err != nil
	}
}

// write writes what is pending. What fails stays pending, as much as is kept.
func (l *Log) write() error {
	l.mu.Lock()
	batch := l.pending
	l.pending, l.urgent = nil, false
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := l.journal.Append(batch)
	if err != nil {
		l.mu.Lock()
		l.pending = append(batch, l.pending...)
		l.pending = l.pending[max(0, len(l.pending)-l.size):]
		l.mu.Unlock()
	}
	return err
}

func (l *Log) close() error {
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	return l.journal.Close(next)
}
