package report

import (
	"context"
	"iter"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

// Journal yields the kept reports after a number and then each new one, until it
// ends or the balancer does.
type Journal func(ctx context.Context, seq uint64) iter.Seq2[api.Report, error]

// rejoin is the time until a balancer that went is looked for again.
const rejoin = time.Second

// offer is a report of the journal.
type offer struct {
	report api.Report
	oldest bool // of those that are kept
}

// join hands the journal to the loop until leave is called.
func (c *courier) join(ctx context.Context, journal Journal) (reports <-chan offer, leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	to := make(chan offer)
	var follower sync.WaitGroup
	follower.Go(func() { c.follow(ctx, journal, to) })
	return to, func() { cancel(); follower.Wait() }
}

// follow offers the journal from its beginning each time: what was offered before is
// known by its number, and a journal that began anew, or has lost its beginning, shows.
func (c *courier) follow(ctx context.Context, journal Journal, to chan<- offer) {
	for ctx.Err() == nil {
		oldest := true
		for r, err := range journal(ctx, 0) {
			if err != nil {
				break
			}
			select {
			case to <- offer{r, oldest}:
			case <-ctx.Done():
				return
			}
			oldest = false
		}
		select {
		case <-c.clock.After(rejoin):
		case <-ctx.Done():
		}
	}
}
