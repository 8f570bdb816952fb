package event

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How often the medium is written to, which is flash and wears out. What is not
// pressing waits for a minute. What is gets there at once, but in a storm of it only
// every ten seconds: at most some 400 writes an hour, of bytesPerHour in all.
const (
	lazily      = time.Minute
	gathering   = 100 * time.Millisecond
	stormPause  = 10 * time.Second
	stormAfter  = 30 // writes within stormWindow
	stormWindow = 10 * time.Minute
	mostPending = 256
	// mostBegun is how many incidents may begin and not be on the medium yet: far
	// fewer than numbers are left out if that is lost.
	mostBegun = skippedIncidents / 4
)

// Keep writes to the medium what is added, until ctx ends and all is written. It
// tells the first failure in a row, and the first success after one.
func (l *Log) Keep(ctx context.Context, tell func(error)) {
	if l.journal == nil {
		return
	}
	var writes []time.Time
	var failed error
	lazy := time.NewTicker(lazily)
	defer lazy.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := errors.Join(l.Flush(), l.close()); err != nil {
				tell(err)
			}
			return
		case <-lazy.C:
		case <-l.wake:
			for len(writes) > 0 && time.Since(writes[0]) > stormWindow {
				writes = writes[1:]
			}
			pause := gathering
			if len(writes) >= stormAfter {
				pause = stormPause
			}
			l.gather(ctx, pause)
			writes = append(writes, time.Now())
		}
		err := l.Flush()
		if (err == nil) != (failed == nil) {
			tell(err)
		}
		failed = err
	}
}

// gather waits for more to write, unless so many incidents begin that they can't
// wait, or somebody waits for what there is.
func (l *Log) gather(ctx context.Context, pause time.Duration) {
	over := time.After(pause)
	for {
		l.mu.Lock()
		full := l.begun >= mostBegun || l.hurry
		l.mu.Unlock()
		if full {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-l.wake:
		}
	}
}

// Flush writes what is pending, now. What fails stays pending, as much as is kept. It
// is for whoever does not run Keep.
func (l *Log) Flush() error {
	l.mu.Lock()
	batch, begun := l.pending, l.begun
	l.pending, l.urgent, l.begun, l.hurry = nil, false, 0, false
	l.mu.Unlock()
	if len(batch) == 0 {
		l.unkept = 0
		return nil
	}
	n, err := l.journal.Append(batch, l.now())
	l.given(batch[len(batch)-1].Event.Seq)
	if err != nil {
		l.mu.Lock()
		l.pending, l.begun = append(batch, l.pending...), l.begun+begun
		l.pending = l.pending[max(0, len(l.pending)-l.size):]
		l.mu.Unlock()
		return err
	}
	l.unkept = n
	return l.leftOut()
}

// given tells who waits for the medium that it was given what is up to a number.
func (l *Log) given(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = max(l.tried, seq)
	close(l.flushed)
	l.flushed = make(chan struct{})
}

// leftOut says that the medium was spared, as long as it is.
func (l *Log) leftOut() error {
	if l.unkept == 0 {
		return nil
	}
	return fmt.Errorf("so much happens that the medium would wear out: only beginnings and ends of incidents are kept until it is calmer, and not the last %d reports", l.unkept)
}

func (l *Log) close() error {
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	return l.journal.Close(next)
}
