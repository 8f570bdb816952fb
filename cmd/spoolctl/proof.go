package main

import (
	"context"
	"fmt"

	"spoolgate/firmware/api"
)

// proof shows the requirement, sentence by sentence, with what is seen of it now.
func proof(ctx context.Context, c *call) error {
	p, err := c.Proof(ctx)
	if err != nil {
		return err
	}
	failed := 0
	for _, i := range p.Items {
		if i.Verdict == api.Fail {
			failed++
		}
	}
	if c.json {
		if err := c.printJSON(p); err != nil {
			return err
		}
	} else {
		c.printProof(p)
	}
	if failed > 0 {
		return printed{fmt.Errorf("%s of the requirement not met", plural(failed, "sentence"))}
	}
	return nil
}

func (c *call) printProof(p api.Proof) {
	fmt.Fprintf(c.out, "The requirement, as seen at %s\n", p.Time.Local().Format("2006-01-02 15:04:05"))
	section, group := "", ""
	for _, i := range p.Items {
		if i.Section != section || i.Group != group {
			section, group = i.Section, i.Group
			fmt.Fprintf(c.out, "\n%s", section)
			if group != "" {
				fmt.Fprintf(c.out, ", group %s", group)
			}
			fmt.Fprintln(c.out)
		}
		fmt.Fprintf(c.out, "  %s: %q\n", i.Verdict, i.Sentence)
		for _, e := range i.Evidence {
			fmt.Fprintf(c.out, "      %s\n", e)
		}
	}
}
