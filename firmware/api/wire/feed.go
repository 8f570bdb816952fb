package wire

import (
	"net/http"
	"sync"
)

// Feed is the last value of something that changes, for all to read and to
// follow. It is safe for concurrent use.
type Feed[T any] struct {
	mu      sync.Mutex
	last    T
	changed chan struct{}
}

// NewFeed begins with a value.
func NewFeed[T any](first T) *Feed[T] {
	return &Feed[T]{last: first, changed: make(chan struct{})}
}

// Publish replaces the value and wakes all who follow.
func (f *Feed[T]) Publish(v T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = v
	close(f.changed)
	f.changed = make(chan struct{})
}

// Latest returns the value and a channel that is closed when it is replaced.
func (f *Feed[T]) Latest() (T, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.changed
}

// ServeLatest answers with the value.
func (f *Feed[T]) ServeLatest(w http.ResponseWriter, _ *http.Request) {
	v, _ := f.Latest()
	Answer(w, v, nil)
}

// ServeStream answers with the value and each one that follows, a line each,
// until the caller goes. A caller that reads slowly misses values, never the
// last one.
func (f *Feed[T]) ServeStream(w http.ResponseWriter, r *http.Request) {
	BeginStream(w)
	for {
		v, changed := f.Latest()
		if !Send(w, v) {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}
