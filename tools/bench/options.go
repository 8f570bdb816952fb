package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
)

// places are where the box's program is, and where goes what was measured.
type places struct{ balancerd, out string }

func (p *places) add(flags *flag.FlagSet) {
	flags.StringVar(&p.balancerd, "balancerd", "build/balancerd", "the box's program")
	p.addOut(flags)
}

func (p *places) addOut(flags *flag.FlagSet) {
	flags.Func("out", "folder for the table and the chart; none is written without", func(dir string) error {
		p.out = dir
		if folder, err := os.Stat(dir); err != nil {
			return err // now, not after all is measured
		} else if !folder.IsDir() {
			return fmt.Errorf("%s is no folder", dir)
		}
		return nil
	})
}

// options are what comparisons can be told.
type options struct {
	places
	rounds int
	only   string
	parts  []string
}

func (o *options) addRounds(flags *flag.FlagSet, rounds int) {
	flags.IntVar(&o.rounds, "rounds", rounds, "rounds of all, interleaved")
	flags.StringVar(&o.only, "only", "", "some of them, by the names at the table's columns, separated by commas; all without")
}

func parseRounds(name string, rounds int, args []string) (o options, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	o.addRounds(flags, rounds)
	o.add(flags)
	if name == "bench" {
		flags.Func("parts", "some of "+strings.Join(measure.Parts(), ", ")+", separated by commas; all without", o.choose)
		flags.Usage = func() {
			fmt.Fprintln(flags.Output(), "Beside bench there are bench scale, failure, churn and image, each with a -help of its own.\nUsage of bench:")
			flags.PrintDefaults()
		}
	}
	if err := parse(flags, args); err != nil {
		return o, err
	}
	return o, checkRounds(o.rounds)
}

func (o *options) choose(parts string) error {
	o.parts = strings.Split(parts, ",")
	for _, p := range o.parts {
		if !slices.Contains(measure.Parts(), p) {
			return fmt.Errorf("there is no %q", p)
		}
	}
	return nil
}

func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood: %s takes flags only; -help lists them", flags.Arg(0), flags.Name())
	}
	return nil
}

// checkRounds says what can't be measured.
func checkRounds(rounds int) error {
	if rounds < 1 {
		return fmt.Errorf("-rounds %d: at least 1 is needed", rounds)
	}
	return nil
}

// logged measures with a log, of which the end is told with an error.
func logged(p places, measure func(arena.Options) error) error {
	log, err := os.CreateTemp("", "bench-*.log")
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = measure(arena.Options{Bench: self, Balancerd: p.balancerd, Nodes: 2, Log: log})
	if said, _ := os.ReadFile(log.Name()); err != nil && len(said) > 0 {
		return fmt.Errorf("%w\nwhat the programs said:\n%s", err, tail(string(said)))
	}
	return err
}

// tail is the end of a long text.
func tail(s string) string {
	const most = 4000
	return s[max(0, len(s)-most):]
}
