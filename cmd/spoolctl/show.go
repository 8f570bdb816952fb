package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

func (c *call) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	if !c.follow {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

func (c *call) table(fill func(w io.Writer)) error {
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fill(t)
	return t.Flush()
}

func status(ctx context.Context, c *call) error {
	s, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(s)
	}
	fmt.Fprintf(c.out, "%s: %s: %s (for %s)\n", s.Box.Hostname, s.Box.State, s.Box.Reason, ago(s.Time, s.Box.Since))
	if s.Box.Unused != "" {
		fmt.Fprintf(c.out, "The configuration that was written is not the one in use:\n%s\n", s.Box.Unused)
	}
	if s.Box.Suspicion != "" {
		fmt.Fprintf(c.out, "It is probably this box: %s\n", s.Box.Suspicion)
	}
	for _, o := range s.Overload {
		fmt.Fprintf(c.out, "Overload for %s: %s\n", ago(s.Time, o.Since), o.Text)
	}
	if r := s.Room; r.MostConnections > 0 {
		fmt.Fprintf(c.out, "In use: %d of %d connections, %d of %d places for MFDs\n", r.Connections, r.MostConnections, r.Bindings, r.MostBindings)
	}
	for _, g := range s.Groups {
		fmt.Fprintf(c.out, "\n%s %s, %s, window %s, ports %s: %s, %s\n", g.Name, g.VirtualAddress, g.Mode,
			time.Duration(g.Affinity), strings.Join(g.Ports, " "), phrase.Count(g.Clients, "bound MFD"), phrase.Count(g.Connections, "open connection"))
		err := c.table(func(w io.Writer) {
			fmt.Fprint(w, "NODE\tADDRESS\tHEALTH\tSERVICE\tFOR\tMFDS\tOPEN\tREASON\n")
			for _, n := range g.Nodes {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", n.Name, n.Address, n.Health, n.Service, ago(s.Time, later(n.HealthSince, n.ServiceSince)),
					n.Clients, n.Connections, reason(n))
			}
		})
		if err != nil {
			return err
		}
		for _, m := range g.Mistakes {
			fmt.Fprintf(c.out, "Seen for %s: %s\n", ago(s.Time, m.Since), m.Text)
		}
		if err := c.watched(s.Time, g.Nodes...); err != nil {
			return err
		}
	}
	return nil
}

// reason is the reason of the axis that keeps the node from serving, of both where both
// do, or else of its health.
func reason(n api.Node) string {
	switch {
	case n.Service == api.InService:
		return n.HealthReason
	case n.Health == api.Up || n.Health == api.Checking:
		return n.ServiceReason
	}
	return fmt.Sprintf("%s; and %s: %s", n.ServiceReason, n.Health, n.HealthReason)
}

func who(ctx context.Context, c *call) error {
	query := ""
	if len(c.args) > 0 {
		query = c.args[0]
	}
	found, err := c.Clients(ctx, query)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(found)
	}
	if len(found) == 0 {
		fmt.Fprintln(c.out, "No bound MFD. One is bound at its first connection to the virtual address.")
		return nil
	}
	now := c.now()
	return c.table(func(w io.Writer) {
		fmt.Fprint(w, "MFD\tGROUP\tNODE\tFOR\tWINDOW LEFT\tOPEN\tWHY\n")
		for _, m := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", m.Address, m.Group, m.Node, boundFor(now, m), time.Duration(m.Left), m.Connections, m.Why)
		}
	})
}

func probes(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	ports, err := c.Probes(ctx, group, node)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(ports)
	}
	s, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	err = c.table(func(w io.Writer) {
		fmt.Fprint(w, "PORT\tTIME\tOUTCOME\tROUND TRIP\tDETAIL\n")
		for _, p := range ports {
			for _, one := range p.Probes {
				rtt := ""
				if one.RTT > 0 {
					rtt = time.Duration(one.RTT).Round(time.Microsecond).String()
				}
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", p.Port, one.Time.Local().Format("15:04:05.000"), one.Outcome, rtt, one.Detail)
			}
		}
	})
	if err != nil {
		return err
	}
	return c.watched(s.Time, named(s, group, node)...)
}

func events(ctx context.Context, c *call) error {
	if !c.follow {
		list, err := c.Events(ctx, 0)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(list)
		}
		for _, e := range list {
			c.printEvent(e)
		}
		return nil
	}
	for e, err := range c.FollowEvents(ctx, 0) {
		switch {
		case err != nil:
			return err
		case c.json:
			if err := c.printJSON(e); err != nil {
				return err
			}
		default:
			c.printEvent(e)
		}
	}
	return nil
}

func (c *call) printEvent(e api.Event) {
	text := e.Text
	if e.Incident != 0 {
		text += fmt.Sprintf(" (#%d)", e.Incident)
	}
	fmt.Fprintf(c.out, "%s  %-7s  %s\n", e.Time.Local().Format("2006-01-02 15:04:05"), e.Severity, text)
}

func ago(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return max(now.Sub(then), 0).Round(time.Second).String()
}

// boundFor is for how long an MFD is on its node.
func boundFor(now time.Time, m api.BoundClient) string {
	if m.Earlier {
		return "at least " + ago(now, m.Since)
	}
	return ago(now, m.Since)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
