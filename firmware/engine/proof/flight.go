package proof

import (
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

// flown are the answered probes among the last ones of a node.
type flown struct {
	all, answered int
	open          int // also those whose packets were not recorded
	landing       int // answered too lately for their end to be in the record
	reset, fin    int
}

// landedFor is how long ago a probe must have been answered for its end to be in the
// record: the copy of it may wait until a busy box reads it.
const landedFor = time.Second

// flown counts the flights to a port, or to all for 0.
func (n Node) flown(port uint16, now time.Time) (c flown) {
	for _, f := range n.Flights {
		if port != 0 && f.Port != port {
			continue
		}
		c.all++
		if f.Outcome == api.Open {
			c.open++
		}
		if f.Outcome != api.Open || f.SYNACK.IsZero() {
			continue
		}
		if now.Sub(f.SYNACK) < landedFor {
			c.landing++
			continue
		}
		c.answered++
		if !f.FIN.IsZero() {
			c.fin++
		}
		if !f.RST.IsZero() {
			c.reset++
		}
	}
	return c
}

// lost are the answered probes without an end in the record that are no fault: one in
// a hundred, as a burst on the wire makes the kernel drop copies of packets.
func lost(answered int) int { return max(1, answered/100) }

// halfOpen judges what the recorded packets show.
func (g Group) halfOpen() api.ProofItem {
	f := g.flights(0)
	return f.item(sentence{"half-open", failover, "The TCP monitor must finish connection after SYN - ACK with RST, not with FIN"})
}

// check is one row of the table of monitored ports.
func (g Group) check(port uint16) api.ProofItem {
	service := map[uint16]string{spoc: "SPOC Service", ts: "Terminal Server"}[port]
	f := g.flights(port)
	return f.item(sentence{fmt.Sprintf("check-%d", port), checked, fmt.Sprintf("%d, %s, TCP Half Open", port, service)})
}

func (g Group) flights(port uint16) (f finding) {
	var silent []string
	for _, n := range g.Nodes {
		c := n.flown(port, g.Now)
		which := ""
		if port != 0 {
			which = fmt.Sprintf(" of port %d", port)
		}
		switch {
		case c.answered == 0 && (c.all == 0 || c.landing > 0):
			silent = append(silent, fmt.Sprintf("%s: no whole probe%s is in the record yet; do: ask again in a few seconds", n.Name, which))
		case c.answered == 0 && c.open > 1:
			silent = append(silent, fmt.Sprintf("%s: %d probes were answered, but their packets are not in the record; do: look with spoolctl flights %s", n.Name, c.open, n.Name))
		case c.answered == 0:
			silent = append(silent, fmt.Sprintf("%s: none of its last %s%s was answered; do: start the service, or spoolctl test %s", n.Name, phrase.Count(c.all, "probe"), which, n.Name))
		case c.fin > 0:
			f.fails("%s: %s ended with a FIN; do: look with spoolctl pcap %s FILE", n.Name, of(c.fin, c.answered), n.Name)
		case c.answered-c.reset > lost(c.answered) || c.reset == 0:
			f.fails("%s: %s have no RST in the record; do: look with spoolctl pcap %s FILE", n.Name, of(c.answered-c.reset, c.answered), n.Name)
		default:
			f.shows("%s: %s ended with our RST, none with a FIN", n.Name, of(c.reset, c.answered))
		}
	}
	// What ends a probe is the same for all nodes: one that answers shows it.
	if len(f.seen)+len(f.wrong) > 0 {
		f.remarks = append(f.remarks, silent...)
	} else {
		f.missing = silent
	}
	return f
}

func of(n, all int) string { return fmt.Sprintf("%d of %s", n, phrase.Count(all, "answered probe")) }
