package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Loss are connections that say nothing, and lose one of the nodes.
type Loss struct {
	Idle
	Node netip.Addr `json:"node"`
	// Limit is how long is waited for the first that ends, from when all stand.
	Limit time.Duration `json:"limit"`
}

// Lost is what became of them.
type Lost struct {
	Ended int       `json:"ended"`
	Last  time.Time `json:"last"` // of the ends
}

// lull is after how long without another one no more connections are taken to end.
const lull = time.Second

// Run opens them, calls ready with the node when they stand, and returns when those
// that end have ended.
func (l Loss) Run(ctx context.Context, ready func(node netip.Addr) error) (lost Lost, err error) {
	err = l.hold(ctx, func(p *poller, open []int) error {
		for _, fd := range open {
			if err := p.add(fd, unix.EPOLLIN); err != nil {
				return err
			}
		}
		if err := ready(l.Node); err != nil {
			return err
		}
		end := time.Now().Add(l.Limit)
		for time.Now().Before(end) && ctx.Err() == nil {
			events, err := p.wait(200)
			if err != nil {
				return err
			}
			for _, e := range events {
				if err := failed(int(e.Fd)); !errors.Is(err, unix.ECONNRESET) {
					return fmt.Errorf("a connection was not reset: %v", err)
				}
				if err := p.remove(int(e.Fd)); err != nil {
					return err
				}
				lost.Ended++
				lost.Last = time.Now()
				end = lost.Last.Add(lull)
			}
		}
		if lost.Ended == 0 {
			return fmt.Errorf("none of %d connections ended within %s", len(open), l.Limit)
		}
		return context.Cause(ctx)
	})
	return lost, err
}
