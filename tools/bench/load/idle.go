package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Idle are connections that stand and say nothing.
type Idle struct {
	To      netip.Addr `json:"to"`
	Ports   []uint16   `json:"ports"`
	First   int        `json:"first"`
	Clients int        `json:"clients"`
	Count   int        `json:"count"`
}

// Run opens them, calls ready, and holds them until the context ends; then they are
// closed.
func (i Idle) Run(ctx context.Context, ready func() error) error {
	return i.hold(ctx, func(*poller, []int) error {
		if err := ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// hold opens them, and closes them when do returns.
func (i Idle) hold(ctx context.Context, do func(p *poller, open []int) error) (err error) {
	p, err := newPoller()
	if err != nil {
		return err
	}
	var open []int
	defer func() {
		for _, fd := range open {
			unix.Close(fd)
		}
		err = errors.Join(err, p.close())
	}()
	// A few hundred at once: a queue of first packets is not what is measured.
	const atOnce = 256
	for len(open) < i.Count {
		from := len(open)
		for k := from; k < min(from+atOnce, i.Count); k++ {
			to := netip.AddrPortFrom(i.To, i.Ports[k/i.Clients%len(i.Ports)])
			fd, err := begin(Client(i.First+k%i.Clients), to)
			if err != nil {
				return fmt.Errorf("connection %d to %s: %w", k+1, to, err)
			}
			open = append(open, fd)
			if err := p.add(fd, unix.EPOLLOUT); err != nil {
				return err
			}
		}
		for waiting, end := len(open)-from, time.Now().Add(patience); waiting > 0; {
			if time.Now().After(end) || ctx.Err() != nil {
				return fmt.Errorf("%d of %d connections did not come to stand", waiting, len(open))
			}
			events, err := p.wait(200)
			if err != nil {
				return err
			}
			for _, e := range events {
				if err := failed(int(e.Fd)); err != nil {
					return fmt.Errorf("connection to %s: %w", i.To, err)
				}
				if err := p.remove(int(e.Fd)); err != nil {
					return err
				}
				waiting--
			}
		}
	}
	return do(p, open)
}
