package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"spoolgate/firmware/api"
)

// measured is what is known of the starts of one node.
type measured struct {
	Group   string       `json:"group"`
	Node    string       `json:"node"`
	UpDelay api.Duration `json:"up_delay"`
	Starts  []api.Start  `json:"starts"`
	Advice  string       `json:"advice,omitempty"`
}

func upDelay(ctx context.Context, c *call) error {
	s, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	all := []measured{}
	for _, g := range s.Groups {
		for _, n := range g.Nodes {
			all = append(all, measured{Group: g.Name, Node: n.Name, UpDelay: g.UpDelay, Starts: n.Starts, Advice: n.UpDelayAdvice})
		}
	}
	if c.json {
		return c.printJSON(all)
	}
	return c.table(func(w io.Writer) {
		fmt.Fprint(w, "GROUP\tNODE\tUP-DELAY\tLAST START\tSTARTS TOOK\tADVICE\n")
		for _, m := range all {
			last, advice := "-", m.Advice
			if n := len(m.Starts); n > 0 {
				last = m.Starts[n-1].At.Local().Format("2006-01-02 15:04:05")
			}
			if advice == "" {
				advice = "none before three starts were measured"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Group, m.Node, time.Duration(m.UpDelay), last, tooks(m.Starts), advice)
		}
	})
}

// tooks are the lengths of starts, oldest first.
func tooks(starts []api.Start) string {
	if len(starts) == 0 {
		return "-"
	}
	var out []string
	for _, s := range starts {
		out = append(out, fmt.Sprintf("%.1fs", time.Duration(s.Took).Seconds()))
	}
	return strings.Join(out, " ")
}
