package guest

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// counters are what is counted of the box since its start.
type counters struct {
	at time.Time
	// worked is how long its processors have worked.
	worked time.Duration
	// arrived are packets as they came in from the network card, routed are those
	// that the kernel then passed on: joined ones count once.
	arrived, routed int64
	// tracked is how many connections the kernel remembers now.
	tracked int64
}

// look has the shell itself read the counters: an applet costs the box's processor a
// tenth of a second to start, as much as a hundred connections.
const look = "read -r a < /sys/class/net/service/statistics/rx_packets; read -r b < /proc/sys/net/netfilter/nf_conntrack_count; " +
	"{ read -r c; read -r c; } < /proc/net/snmp; echo $a $b $c"

func (g *Guest) count(ctx context.Context) (c counters, err error) {
	text, err := g.Run(ctx, look)
	if err != nil {
		return c, err
	}
	if c, err = parseCounters(text); err != nil {
		return c, err
	}
	c.at = time.Now()
	c.worked, err = g.Worked()
	return c, err
}

// parseCounters reads packets, connections, and "Ip: forwarding ttl received
// header-errors address-errors forwarded ...".
func parseCounters(text string) (c counters, err error) {
	f := strings.Fields(text)
	if len(f) < 9 || f[2] != "Ip:" {
		return c, fmt.Errorf("the box did not say what it has counted: %q", text)
	}
	for at, to := range map[int]*int64{0: &c.arrived, 1: &c.tracked, 8: &c.routed} {
		if *to, err = strconv.ParseInt(f[at], 10, 64); err != nil {
			return c, fmt.Errorf("what the box has counted, %q: %w", text, err)
		}
	}
	return c, nil
}

// starting is how many processors a box keeps at work at least while its start goes on.
const starting = 0.9

// settle waits until the box has done what follows a start: until two seconds are as
// busy as the two before, for forty seconds at most, after which the spread of the
// rounds tells. What they are busy with, daemons that look at the time and lamps that
// blink, goes on under load and is not the load's: taking leaves it out. On a slow machine
// it is more than half of what an emulated processor can do.
func (g *Guest) settle(ctx context.Context) error {
	before, err := g.count(ctx)
	if err != nil {
		return err
	}
	last := 1.0
	for range 20 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
		after, err := g.count(ctx)
		if err != nil {
			return err
		}
		g.background = float64(after.worked-before.worked) / float64(after.at.Sub(before.at))
		if g.background < starting && math.Abs(g.background-last) < 0.05 {
			return nil
		}
		before, last = after, g.background
	}
	return nil
}

// taking is what is counted while something is done, and because of it.
func (g *Guest) taking(ctx context.Context, do func() error) (counters, error) {
	before, err := g.count(ctx)
	if err != nil {
		return counters{}, err
	}
	if err := do(); err != nil {
		return counters{}, err
	}
	after, err := g.count(ctx)
	own := time.Duration(g.background * float64(after.at.Sub(before.at)))
	return counters{
		at: after.at, worked: after.worked - before.worked - own, tracked: after.tracked - before.tracked,
		arrived: after.arrived - before.arrived, routed: after.routed - before.routed,
	}, err
}
