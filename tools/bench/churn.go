package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
	"spoolgate/tools/bench/table"
)

// churn has clients come and go, and looks whether anything of Spoolgate grows.
func churn(ctx context.Context, args []string) error {
	var p places
	c := measure.Churn{}
	flags := flag.NewFlagSet("bench churn", flag.ContinueOnError)
	flags.DurationVar(&c.For, "for", time.Hour, "how long clients come and go")
	flags.DurationVar(&c.Every, "every", 0, "time between samples; a minute, or a twelfth of a shorter run, unless it is said")
	warm := flags.Duration("warm", 0, "churn before that; 45 minutes, or 30 s before a shorter run, unless it is said")
	flags.IntVar(&c.Known, "known", 384, "connections a second of clients that come all the time")
	flags.IntVar(&c.New, "new", 16, "connections a second of clients that are new")
	p.add(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	if c.Every == 0 {
		c.Every = min(time.Minute, c.For/12)
	}
	if *warm == 0 {
		*warm = warmUp(c.For)
	}
	c.Warming = int((*warm + c.Every - 1) / c.Every)
	if err := c.Check(); err != nil {
		return err
	}
	series := table.NewSeries(c.Every)
	progress(fmt.Sprintf("%s of churn after %s to warm up, a sample every %s", c.For, *warm, c.Every))
	err := logged(p, func(a arena.Options) error {
		return c.Run(ctx, a, func(values []measure.Value) {
			series.Add(values)
			progress(fmt.Sprintf("%s %.1f %s", values[0].Name, values[0].Value, values[0].Unit))
		})
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s, after %s, of %d connections a second, %d of them new clients'", c.For, *warm, c.Known+c.New, c.New)
	write := func(w io.Writer) error {
		if *warm < fullMemory {
			if _, err := fmt.Fprintf(w, "In its first %s balancerd grows with each new client and each probe, and shall: it remembers so many.\n", fullMemory); err != nil {
				return err
			}
		}
		return series.Write(w)
	}
	return p.publish("churn", what+", "+where(), write, func(w io.Writer) error { return series.Chart(w, what, where()) })
}

// fullMemory is how long it takes until nothing more has to be remembered: clients for
// as long as their windows last, 30 minutes, and of each node the packets of its last
// 1,000 probes, which come in 42.
const fullMemory = 45 * time.Minute

// warmUp is the churn that comes first. A run that is shorter than that is for a look at
// what else there is; the kernel forgets connections after 10 s.
func warmUp(run time.Duration) time.Duration {
	if run < fullMemory {
		return 30 * time.Second
	}
	return fullMemory
}
