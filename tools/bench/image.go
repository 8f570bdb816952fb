package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"spoolgate/tools/bench/guest"
	"spoolgate/tools/bench/table"
	"spoolgate/tools/vm"
)

// inImage holds the balancer of the real image, in QEMU, against plain routing, static
// rules, flow tables and HAProxy by the same image.
func inImage(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench image", flag.ContinueOnError)
	rounds := flags.Int("rounds", 3, "rounds of all ways through the box, interleaved; a new box each")
	dir := flags.String("image", "build/virt", "where the image is")
	inside := flags.String("inside", "build/bench-arm64", "this program for the box's processor")
	cache := flags.String("cache", "build/cache", "where HAProxy for the box's processor is kept, and what the image was built from")
	talk := flags.Bool("console", false, "show what the box's console says")
	var p places
	p.addOut(flags)
	if err := errors.Join(parse(flags, args), checkRounds(*rounds)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	proxy, err := guest.FetchProxy(*cache)
	if err != nil {
		return fmt.Errorf("fetch HAProxy for the box: %w", err)
	}
	flowTables, err := guest.PackFlowTables(*cache)
	if err != nil {
		return fmt.Errorf("pack the flow tables of the box's kernel: %w", err)
	}
	o := guest.Options{Image: vm.OpenImage(*dir), Bench: self, Inside: *inside, Proxy: proxy, FlowTables: flowTables}
	if *talk {
		o.Log = func(line string) { fmt.Fprintln(os.Stderr, line) }
	}
	var names []string
	for _, w := range guest.Ways() {
		names = append(names, w.Name)
	}
	t := table.New(names)
	for round := range *rounds {
		for _, w := range guest.Ways() {
			progress(fmt.Sprintf("round %d of %d: %s", round+1, *rounds, w.Name))
			values, err := guest.Round(ctx, o, w, guest.Full())
			if err != nil {
				return err
			}
			t.Add(w.Name, values)
		}
	}
	caption := fmt.Sprintf("medians of %d interleaved rounds, %s, the image in QEMU without KVM on %d CPUs", *rounds, time.Now().Format(time.DateOnly), runtime.NumCPU())
	return p.publish("image", caption, func(w io.Writer) error {
		return t.Write(w, ours, []string{"routing", "DNAT", "DNAT, flow table", "DNAT+SNAT", "HAProxy"})
	}, func(w io.Writer) error {
		return t.Chart(w, caption, []string{
			"connections, known clients, 16 at once", "the box's CPU of a connection, known clients, 16 at once", "the box's CPU of a connection, new clients, 16 at once",
			"connect and answer, median, known clients, 16 at once", "connect and answer, 99 %, new clients, 1 at once",
			"transfer, 8 at once, MTU-size packets", "the box's CPU of a GB, 8 at once, MTU-size packets",
		}, func(way string) bool { return slices.Contains(ours, way) })
	})
}
