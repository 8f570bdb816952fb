package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

// Trial is a failure and the checks that it meets.
type Trial struct {
	arena.Failure
	// Interval is that of the checks.
	Interval time.Duration
	// MFDs and Others are the clients, see load.Outage.
	MFDs, Others int
	// Limit is how long is waited for the last client; what did not happen by then
	// counts as never.
	Limit time.Duration
}

// Never is the value of what did not happen.
func Never() float64 { return math.Inf(1) }

// Trials are those of make bench-failure: with the requirement's interval, and with
// the shortest that Spoolgate can be told.
func Trials() (all []Trial) {
	for _, interval := range []time.Duration{5 * time.Second, time.Second} {
		for _, f := range arena.Failures() {
			all = append(all, Trial{Failure: f, Interval: interval, MFDs: 12, Others: 100, Limit: 3*interval + 10*time.Second})
		}
	}
	return all
}

// FailureNodes is how many nodes there are: when one has failed, a client can still
// be split over two.
const FailureNodes = 3

// Failures measures what clients feel of each trial, once.
func Failures(ctx context.Context, o arena.Options, c arena.Contestant, trials []Trial, tell func(string)) (all []Value, _ error) {
	for _, t := range trials {
		tell(fmt.Sprintf("%s: %s, checks every %s", c.Name, t.Failure, t.Interval))
		o.Nodes, o.Packets, o.Wiring, o.Interval = FailureNodes, arena.Large, t.Wiring(), t.Interval
		values, err := within(ctx, o, func(a *arena.Arena) ([]Value, error) {
			if err := a.Start(ctx, c); err != nil {
				return nil, err
			}
			if c.Ours {
				if err := serving(ctx, a); err != nil {
					return nil, err
				}
			}
			return t.run(ctx, a, c)
		})
		if err != nil {
			return nil, fmt.Errorf("%s, %s, checks every %s: %w", c.Name, t.Failure, t.Interval, err)
		}
		all = append(all, values...)
	}
	return all, nil
}

func (t Trial) run(ctx context.Context, a *arena.Arena, c arena.Contestant) ([]Value, error) {
	// Checks begin within the first interval, and HAProxy takes a node out at the first
	// that fails unless one has succeeded; then they go on in rounds, of which none is met
	// at a moment that suits it.
	wait := t.Interval + rand.N(t.Interval)
	clients := load.Outage{To: c.Target, Ports: arena.AskPorts, MFDs: t.MFDs, Others: t.Others, Limit: wait + t.Limit}
	var failed time.Time
	var felt load.Felt
	err := a.Endure(ctx, "outage", clients, func(node netip.Addr) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		failed = time.Now()
		return a.Fail(t.Failure, node)
	}, &felt)
	if err != nil {
		return nil, err
	}
	if err := judge(c, felt, failed); err != nil {
		return nil, err
	}
	return t.values(felt, failed), nil
}

// judge holds what clients felt against what the contestant promises. How long it
// took is no error.
func judge(c arena.Contestant, felt load.Felt, failed time.Time) error {
	never := func(t time.Time) bool { return t.IsZero() }
	unended := func(e load.Ending) bool { return e.At.IsZero() }
	switch {
	case len(felt.Landed) == 0 || len(felt.Streaming) == 0 || len(felt.Idle) == 0:
		return errors.New("no client was on the node that failed, so there is nothing to see")
	case !felt.FirstFailed.IsZero() && felt.FirstFailed.Before(failed):
		return fmt.Errorf("attempts failed before the node did: %v", felt.Failed)
	case slices.ContainsFunc(felt.Landed, func(t time.Time) bool { return !t.IsZero() && t.Before(failed) }):
		return errors.New("a client was answered by two nodes before one failed")
	case len(felt.Wronged) > 0:
		return fmt.Errorf("connections to nodes that live ended: %v", felt.Wronged)
	case c.Sticky && len(felt.Split) > 0:
		return fmt.Errorf("clients were answered by two nodes: %v", felt.Split)
	case c.Moving && slices.ContainsFunc(felt.Landed, never):
		return fmt.Errorf("clients of the node that failed were not served any more: %v", felt.Failed)
	case c.Cutting && (slices.ContainsFunc(felt.Streaming, unended) || slices.ContainsFunc(felt.Idle, unended)):
		return errors.New("connections to the node that failed stand for ever")
	}
	return nil
}

func (t Trial) values(felt load.Felt, failed time.Time) []Value {
	var streaming, idle, landed []float64
	for _, e := range felt.Streaming {
		streaming = append(streaming, since(e.Last, e.At))
	}
	for _, e := range felt.Idle {
		idle = append(idle, since(failed, e.At))
	}
	for _, at := range felt.Landed {
		landed = append(landed, since(failed, at))
	}
	attempts := 0
	for _, n := range felt.Failed {
		attempts += n
	}
	row := func(what, unit string) Row { return Row{Name: t.Name(what), Unit: unit} }
	return []Value{
		{row(LastByteToEnd+", median", "ms"), middle(streaming)},
		{row(LastByteToEnd+", slowest", "ms"), slices.Max(streaming)},
		{row(IdleToEnd+", slowest", "ms"), slices.Max(idle)},
		{row(Landing+", median", "ms"), middle(landed)},
		{row(Landing+", slowest", "ms"), slices.Max(landed)},
		{row(Attempts, "of all clients"), float64(attempts)},
		{row(Split, "clients"), float64(len(felt.Split))},
	}
}

// What rows of a trial are called.
const (
	LastByteToEnd = "last byte to the end seen"
	IdleToEnd     = "to the end seen by idle connections"
	Landing       = "to the next connection on a living node"
	Attempts      = "failed attempts"
	Split         = "answered by two nodes that live"
)

// Name is that of a row of the trial.
func (t Trial) Name(what string) string {
	return fmt.Sprintf("%s, checks each %s: %s", t.Failure, t.Interval, what)
}

// since is the time from one moment to another in ms, which may never have come.
func since(from, to time.Time) float64 {
	if to.IsZero() {
		return Never()
	}
	return ms(to.Sub(from))
}

// middle is the median: the slower of the two in the middle.
func middle(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
