package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/phrase"
	"spoolgate/firmware/report/mib"
)

// defaultReportd is where init has the reporters listen.
const defaultReportd = "/run/spoolgate/reportd.sock"

// reportd asks the reporters.
func reportd[T any](c *call, ask func(*wire.Client) (T, error)) (T, error) {
	v, err := ask(wire.NewClient(c.reportd))
	if err != nil {
		err = unanswered(err, "reportd", "-reportd", defaultReportd)
	}
	return v, err
}

func listReporters(ctx context.Context, c *call) error {
	list, err := reportd(c, func(r *wire.Client) ([]api.Reporter, error) { return r.Reporters(ctx) })
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.out, "Nobody is told of what happens. Write [report.mail] or another reporter into the configuration.")
		return nil
	}
	now := c.now()
	err = c.table(func(w io.Writer) {
		fmt.Fprint(w, "REPORTER\tFROM\tWAITING\tMISSED\tLAST SENT\tTO\n")
		for _, r := range list {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", r.Name, r.Least, r.Waiting, r.Missed+r.Refused, ago(now, r.DeliveredAt), r.Target)
		}
	})
	for _, r := range list {
		if r.LeftOut != nil {
			fmt.Fprintf(c.out, "\n%s: what it sends does not get to everybody:\n%s.\n%s.\n", r.Name, r.LeftOut.What, r.LeftOut.Do)
		}
		if r.Trouble == nil {
			continue
		}
		fmt.Fprintf(c.out, "\n%s: stopped at %s, for %s, %s", r.Name, r.Trouble.Stage, ago(now, r.Since), phrase.Count(r.Tries, "try"))
		if wait := r.NextTry.Sub(now); wait > 0 {
			fmt.Fprintf(c.out, ", next in %s", wait.Round(time.Second))
		}
		fmt.Fprintf(c.out, ":\n%s.\n%s.\n", r.Trouble.What, r.Trouble.Do)
	}
	return err
}

func testReporter(ctx context.Context, c *call) error {
	t, err := reportd(c, func(r *wire.Client) (api.ReportTest, error) { return r.TestReporter(ctx, c.args[0]) })
	if err != nil {
		return err
	}
	if c.json {
		err = c.printJSON(t)
	} else {
		err = c.table(func(w io.Writer) {
			for _, s := range t.Steps {
				fmt.Fprintf(w, "%s\tpassed\t%s\n", s.Stage, s.Text)
			}
			if t.Stopped != nil {
				fmt.Fprintf(w, "%s\tSTOPPED\t%s\n", t.Stopped.Stage, t.Stopped.What)
			}
		})
	}
	if err != nil || t.Stopped == nil {
		return err
	}
	stopped := fmt.Errorf("the test of %s stopped at %s. %s", t.Reporter, t.Stopped.Stage, t.Stopped.Do)
	if c.json {
		return printed{stopped}
	}
	return stopped
}

// module is a MIB module as JSON.
type module struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func printModule(_ context.Context, c *call) error {
	if c.json {
		return c.printJSON(module{"SPOOLGATE-MIB", mib.Text})
	}
	_, err := io.WriteString(c.out, mib.Text)
	return err
}
