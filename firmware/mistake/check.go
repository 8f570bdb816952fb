package mistake

import (
	"fmt"
	"strconv"
	"time"

	"spoolgate/firmware/event"
)

type checkKey struct {
	Place
	port uint16
}

// check is a probed port of a node that has never answered.
type check struct {
	refused time.Time // since when, without another outcome between
	told    bool
	over    bool // it has answered
}

// Checked takes the outcome of a probe. A port that was refused ever since the box
// knows of the node, for longer than its server takes to start, is no service that
// stopped, of which the node's health tells: it was never there, or not for others.
func (b *Book) Checked(now time.Time, n Node, port uint16, answered, refused bool) []Finding {
	k := checkKey{n.Place, port}
	c := b.checks[k]
	if c == nil {
		c = &check{over: n.Answered}
		b.checks[k] = c
	}
	if c.over {
		return nil
	}
	switch {
	case answered:
		c.over = true
		return b.settle(key{event.NodeCheck, n.Place}, strconv.Itoa(int(port)), fmt.Sprintf("node %s answers its checks on port %d now", n.Node, port))
	case !refused:
		c.refused = time.Time{}
		return nil
	case c.refused.IsZero():
		c.refused = now
	}
	if !c.told && now.Sub(c.refused) < n.Startup {
		return nil
	}
	c.told = true
	return b.raise(now, key{event.NodeCheck, n.Place}, strconv.Itoa(int(port)), func(ports []string) string {
		return fmt.Sprintf("node %s has refused its checks on port %s ever since this box knows it: the service is not installed there or was never started, or it listens on 127.0.0.1 only. "+
			"Look on %s with netstat -ano who listens on that port: it must be 0.0.0.0 or %s. If the service is not meant to run there, change the ports in group.checks",
			n.Node, list(ports), n.Node, n.Address)
	})
}
