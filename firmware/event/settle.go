package event

import (
	"context"
	"time"
)

// settling bounds how long Settle waits. Flash takes a second at times; one that takes
// longer fails, of which Keep tells.
const settling = 2 * time.Second

// Settle waits until all that was added before is on the medium, which Keep then writes
// without gathering more: what a person is told to be done shall outlast a power cut that
// comes with the answer. It waits no longer than settling, nor for a medium that fails.
func (l *Log) Settle(ctx context.Context) {
	if l.journal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	l.mu.Lock()
	last := l.next - 1
	l.mu.Unlock()
	for {
		l.mu.Lock()
		done, tried := l.tried >= last, l.flushed
		l.hurry = l.hurry || !done
		l.mu.Unlock()
		if done {
			return
		}
		l.poke()
		select {
		case <-tried:
		case <-ctx.Done():
			return
		}
	}
}

// poke wakes Keep.
func (l *Log) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
