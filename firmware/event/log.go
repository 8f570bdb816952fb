package event

import (
	"context"
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
	unkept  int      // reports that the last write left out; belongs to Keep
	size    int

	mu      sync.Mutex
	ring    []api.Report // oldest first; numbers may have gaps
	next    uint64       // sequence number of the next event, from 1
	changed chan struct{}
	pending []api.Report // not on the medium yet
	urgent  bool         // one of them shall not wait
	begun   int          // incidents that begin with them
	wake    chan struct{}
	tried   uint64        // the number of the last that the medium was given, or refused
	flushed chan struct{} // closed when more were
	hurry   bool          // somebody waits for the medium
}

// NewLog keeps the last size reports in memory only, and stamps them with now.
func NewLog(size int, now func() time.Time) *Log {
	return &Log{now: now, size: size, next: 1, changed: make(chan struct{}), wake: make(chan struct{}, 1), flushed: make(chan struct{})}
}

// OpenLog goes on with the journal in a folder, which is made if need be. Where it
// can't, the log is in memory only, and the error says why.
func OpenLog(dir string, size int, now func() time.Time) (*Log, History, error) {
	l := NewLog(size, now)
	journal, h, err := OpenJournal(dir, size)
	if journal == nil {
		return l, h, err
	}
	h.Reports = h.Reports[max(0, len(h.Reports)-size):]
	l.journal, l.next, l.tried = journal, h.next, h.next-1
	for _, r := range h.Reports {
		l.ring = append(l.ring, lean(r))
	}
	return l, h, err
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
	if len(l.ring) >= l.size+l.size/4 {
		// Now and then, so that it costs nothing to speak of.
		l.ring = append(make([]api.Report, 0, l.size+l.size/4+1), l.ring[len(l.ring)-l.size+1:]...)
	}
	l.ring = append(l.ring, lean(r))
	close(l.changed)
	l.changed = make(chan struct{})
	if l.journal != nil {
		l.pending = append(l.pending, r)
		if r.Phase == api.Begin {
			l.begun++
		}
		l.urgent = l.urgent || pressing(r)
		if l.urgent || len(l.pending) >= mostPending {
			l.poke()
		}
	}
	return r
}

// pressing reports whether a report shall not wait for the next minute: trouble, what
// belongs to one, what a person ordered, and which MFDs moved, as no other file has that.
func pressing(r api.Report) bool {
	return r.Event.Severity == Warning || r.Event.Severity == Alert || r.Incident != nil || r.Event.Moves != nil || r.Event.Kind == NodeService
}

// lean is a report as memory has it: a failing server moves a thousand MFDs at once.
func lean(r api.Report) api.Report {
	r.Event.Moves = nil
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
