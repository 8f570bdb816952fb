package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"spoolgate/firmware/api"
)

// names shows what the site's name servers say of groups and nodes, or of one
// address.
func names(ctx context.Context, c *call) error {
	if len(c.args) == 1 {
		found, err := c.LookUp(ctx, netip.MustParseAddr(c.args[0])) // isMFD has looked at it
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(found)
		}
		return c.nameTable(c.now(), []api.NameCheck{found})
	}
	all, err := c.Names(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(all)
	}
	if all.Looked.IsZero() {
		fmt.Fprintln(c.out, "No name has been looked at. Names are watched where a group has a dns_name, from a few seconds after a start on.")
		return nil
	}
	fmt.Fprintf(c.out, "Looked at %s ago.\n", ago(c.now(), all.Looked))
	for _, s := range all.Servers {
		if s.Wrong != "" {
			fmt.Fprintf(c.out, "Name server %s %s.\n", s.Address, s.Wrong)
		}
	}
	return c.nameTable(c.now(), all.Checks)
}

func (c *call) nameTable(now time.Time, checks []api.NameCheck) error {
	err := c.table(func(w io.Writer) {
		fmt.Fprint(w, "WHAT\tADDRESS\tNAME\tNAME LEADS TO\tADDRESS IS NAMED\tVERDICT\tFOR\tSAYS\n")
		for _, n := range checks {
			var forward []string
			for _, a := range n.Forward {
				forward = append(forward, a.String())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", what(n), n.Address, cmp.Or(n.Name, "-"),
				cmp.Or(strings.Join(forward, " "), "-"), cmp.Or(strings.Join(n.Reverse, " "), "-"), n.Verdict(), ago(now, n.Since), cmp.Or(n.Resolver, "-"))
		}
	})
	for _, n := range checks {
		for _, wrong := range []string{n.ResolverWrong, n.ForwardWrong, n.ReverseWrong} {
			if wrong != "" {
				fmt.Fprintf(c.out, "%s: %s.\n", what(n), wrong)
			}
		}
	}
	return err
}

func what(n api.NameCheck) string {
	switch {
	case n.Node != "":
		return n.Group + "/" + n.Node
	case n.Group != "":
		return n.Group
	}
	return "MFD"
}
