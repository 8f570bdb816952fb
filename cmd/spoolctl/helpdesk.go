package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
)

func isMFD(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := netip.ParseAddr(args[0]); err != nil {
		return fmt.Errorf("%q is no address of an MFD. Write it like 192.0.2.77", args[0])
	}
	return nil
}

// mfd shows everything that is known of one MFD, for who is asked why it does not
// print.
func mfd(ctx context.Context, c *call) error {
	m, err := c.MFD(ctx, netip.MustParseAddr(c.args[0])) // isMFD has looked at it
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(m)
	}
	now := c.now()
	if len(m.Bound) == 0 {
		fmt.Fprintf(c.out, "%s is not bound; it gets a node at its next connection to the virtual address.\n", m.Address)
	}
	for _, b := range m.Bound {
		fmt.Fprintf(c.out, "%s is on node %s of group %s for %s: %s.\nThe node is %s. It sees this MFD as %s, on all ports. %s of the window are left.\n",
			m.Address, b.Node, b.Group, boundFor(now, b.BoundClient), b.Why, b.NodeState, b.SeenAs, time.Duration(b.Left))
	}
	var open []api.Transfer
	for _, o := range m.Open {
		open = append(open, api.Transfer{OpenConnection: o})
	}
	if err := errors.Join(c.connections("Open connections", open), c.connections("Last transfers", m.Transfers)); err != nil {
		return err
	}
	if len(m.Moves) == 0 {
		return nil
	}
	fmt.Fprint(c.out, "\nMoves\n")
	return c.table(func(w io.Writer) {
		fmt.Fprint(w, "TIME\tGROUP\tFROM\tTO\tWHY\n")
		for _, v := range m.Moves {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.Time.Local().Format(time.DateTime), v.Group, v.From, v.To, v.Why)
		}
	})
}

func (c *call) connections(title string, list []api.Transfer) error {
	if len(list) == 0 {
		return nil
	}
	now := c.now()
	fmt.Fprintf(c.out, "\n%s\n", title)
	return c.table(func(w io.Writer) {
		fmt.Fprint(w, "SINCE\tNODE\tPORT\tSENT\tRECEIVED\tTIME\n")
		for _, t := range list {
			port, took := fmt.Sprint(t.Port), "open for "+ago(now, t.Since)
			if t.Data {
				port += " (FTP data)"
			}
			if !t.Ended.IsZero() {
				took = t.Ended.Sub(t.Since).Round(time.Millisecond).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Since.Local().Format(time.DateTime), t.Node, port, size(t.Sent), size(t.Received), took)
		}
	})
}

// size writes bytes as people read them, in powers of 1000.
func size(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, 0
	for v >= 999.95 && unit < len(units)-1 {
		v, unit = v/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[unit])
}

// rehearse says what would follow if a node left now.
func rehearse(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	r, err := c.Rehearse(ctx, group, node)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(r)
	}
	fmt.Fprintln(c.out, r.Text+".")
	return nil
}
