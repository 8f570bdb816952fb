package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
	"spoolgate/tools/bench/table"
)

// compare measures all contestants in turn, round after round.
func compare(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "rounds of all contestants, interleaved")
	balancerd := flags.String("balancerd", "build/balancerd", "the box's program")
	out := flags.String("out", "", "folder for result.txt and result.svg; none is written without")
	only := flags.String("only", "", "contestants, separated by commas; all without")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood: bench takes flags only; bench -help lists them", flags.Arg(0))
	}
	contestants, err := choose(*only)
	if err != nil {
		return err
	}
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
	o := arena.Options{Bench: self, Balancerd: *balancerd, Nodes: 2, Log: log}
	var names []string
	for _, c := range contestants {
		names = append(names, c.Name)
	}
	t := table.New(names)
	for round := range *rounds {
		for _, c := range contestants {
			values, err := measure.Round(ctx, o, c, measure.Full(), func(what string) {
				fmt.Fprintf(os.Stderr, "%s  round %d of %d: %s\n", time.Now().Format(time.TimeOnly), round+1, *rounds, what)
			})
			if err != nil {
				said, _ := os.ReadFile(log.Name())
				return fmt.Errorf("%w\nwhat the programs said:\n%s", err, tail(string(said)))
			}
			t.Add(c.Name, values)
		}
	}
	return show(t, *out, fmt.Sprintf("medians of %d interleaved rounds, %s, %d CPUs, Linux %s, network namespaces of one machine",
		*rounds, time.Now().Format(time.DateOnly), runtime.NumCPU(), kernel()))
}

func choose(only string) ([]arena.Contestant, error) {
	all := arena.Contestants()
	if only == "" {
		return all, nil
	}
	var chosen []arena.Contestant
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(c arena.Contestant) bool { return c.Name == name })
		if i < 0 {
			var names []string
			for _, c := range all {
				names = append(names, c.Name)
			}
			return nil, fmt.Errorf("there is no contestant %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// ours are the contestants that the table holds against the others.
var ours = []string{"Spoolgate transparent", "Spoolgate masked"}

func show(t *table.Table, out, caption string) error {
	write := func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, caption); err != nil {
			return err
		}
		return t.Write(w, ours, []string{"direct", "DNAT", "DNAT+SNAT", "HAProxy", "nginx"})
	}
	if err := write(os.Stdout); err != nil || out == "" {
		return err
	}
	text, err := os.Create(filepath.Join(out, "result.txt"))
	if err != nil {
		return err
	}
	if err := errors.Join(write(text), text.Close()); err != nil {
		return err
	}
	svg, err := os.Create(filepath.Join(out, "result.svg"))
	if err != nil {
		return err
	}
	charted := []string{
		"connections, known clients, 16 at once", "CPU of a connection, known clients, 16 at once", "CPU of a connection, new clients, 16 at once",
		"connect and answer, 99 %, known clients, 16 at once", "transfer, 8 at once, large packets", "transfer, 8 at once, MTU-size packets, GRO",
		"CPU of a GB, 8 at once, large packets", "memory of the box's processes, 7000 idle",
	}
	return errors.Join(t.Chart(svg, caption, charted, func(c string) bool { return slices.Contains(ours, c) }), svg.Close())
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(text))
}

// tail is the end of a long text.
func tail(s string) string {
	const most = 4000
	return s[max(0, len(s)-most):]
}
