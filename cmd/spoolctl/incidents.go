package main

import (
	"context"
	"fmt"

	"spoolgate/firmware/api"
)

// incidents shows what is the matter, and what was.
func incidents(ctx context.Context, c *call) error {
	list, err := c.Incidents(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(list)
	}
	if len(list) == 0 || !list[0].Open() {
		fmt.Fprintln(c.out, "Nothing is the matter now.")
	}
	for _, i := range list {
		c.printIncident(i)
	}
	return nil
}

func (c *call) printIncident(i api.Incident) {
	lasts := "for " + ago(c.now(), i.Began)
	if i.ComesAndGoes && !i.Away.IsZero() {
		lasts = "comes and goes, away for " + ago(c.now(), i.Away)
	}
	if !i.Open() {
		lasts = fmt.Sprintf("over since %s, lasted %s", i.Cleared.Local().Format("2006-01-02 15:04:05"), ago(i.Cleared, i.Began))
	}
	fmt.Fprintf(c.out, "\n#%d %s: %s (%s)\n  Cause: %s\n", i.ID, i.Severity, i.Title, lasts, i.Cause)
	if i.Moved > 0 {
		fmt.Fprintf(c.out, "  MFDs moved: %d\n", i.Moved)
	}
	if i.Times > 1 {
		fmt.Fprintf(c.out, "  It came %d times since %s\n", i.Times, i.Began.Local().Format("2006-01-02 15:04:05"))
	}
	for _, e := range i.Evidence {
		if e != i.Cause {
			fmt.Fprintf(c.out, "  Seen: %s\n", e)
		}
	}
	if i.Open() && i.Do != "" {
		fmt.Fprintf(c.out, "  Do: %s\n", i.Do)
	}
}
