package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"spoolgate/firmware/api"
)

// services lists what a node has, for who writes the names into the configuration.
func services(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	found, err := c.Services(ctx, group, node)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(found)
	}
	return c.table(func(w io.Writer) {
		fmt.Fprint(w, "NAME\tDISPLAY NAME\tSTATE\tWATCHED\n")
		for _, f := range found {
			mark := ""
			if f.Watched {
				mark = "yes"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Name, f.Display, f.State, mark)
		}
	})
}

// watched shows the watched Windows services of nodes, where there are any.
func (c *call) watched(now time.Time, nodes ...api.Node) error {
	some := false
	for _, n := range nodes {
		some = some || len(n.Services) > 0
	}
	if !some {
		return nil
	}
	fmt.Fprintln(c.out)
	return c.table(func(w io.Writer) {
		fmt.Fprint(w, "NODE\tWINDOWS SERVICE\tSTATE\tFOR\tMISSES\tASKED\tDETAIL\n")
		for _, n := range nodes {
			for _, s := range n.Services {
				detail := s.Detail
				if !s.Counts && !s.Last.IsZero() {
					detail = "does not count"
					if s.Detail != "" {
						detail += ": " + s.Detail
					}
				}
				asked := "-"
				if !s.Last.IsZero() {
					asked = s.Last.Local().Format(time.TimeOnly)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", n.Name, s.Name, s.State, ago(now, s.Since), s.Misses, asked, detail)
			}
		}
	})
}

// named is the node of a snapshot that has these names.
func named(s api.Snapshot, group, node string) []api.Node {
	for _, g := range s.Groups {
		for _, n := range g.Nodes {
			if g.Name == group && n.Name == node {
				return []api.Node{n}
			}
		}
	}
	return nil
}
