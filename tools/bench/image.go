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
	"spoolgate/tools/bench/measure"
	"spoolgate/tools/vm"
)

// inImage holds the balancer of the real image, in QEMU, against plain routing, static
// rules, flow tables and HAProxy by the same image.
func inImage(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench image", flag.ContinueOnError)
	o.addRounds(flags, 3)
	o.addOut(flags)
	dir := flags.String("image", "build/virt", "where the image is")
	inside := flags.String("inside", "build/bench-arm64", "this program for the box's processor")
	cache := flags.String("cache", "build/cache", "where HAProxy for the box's processor is kept, and what the image was built from")
	talk := flags.Bool("console", false, "show what the box's console says")
	if err := errors.Join(parse(flags, args), checkRounds(o.rounds)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var box guest.Options // is known when all that it needs is fetched
	var all []entry
	for _, w := range guest.Ways() {
		all = append(all, entry{w.Name, func(ctx context.Context) ([]measure.Value, error) {
			progress(w.Name)
			return guest.Round(ctx, box, w, guest.Full())
		}})
	}
	chosen, err := choose(all, o.only)
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
	box = guest.Options{Image: vm.OpenImage(*dir), Bench: self, Inside: *inside, Proxy: proxy.Archive, FlowTables: flowTables}
	if *talk {
		box.Log = func(line string) { fmt.Fprintln(os.Stderr, line) }
	}
	t, err := o.race(ctx, chosen)
	if err != nil {
		return err
	}
	caption := fmt.Sprintf("medians of %d rounds, %s, the image with %d processors in QEMU without KVM on %d CPUs, HAProxy %s", o.rounds, time.Now().Format(time.DateOnly), vm.Processors, runtime.NumCPU(), proxy.Version)
	return o.publish("image", caption, func(w io.Writer) error {
		return t.Write(w, ours, []string{"routing", "DNAT", "DNAT+flow table", "DNAT+SNAT", "HAProxy"})
	}, func(w io.Writer) error {
		return t.Chart(w, caption, []string{
			"connections, known clients, 16 at once", "the box's CPU of a connection, known clients, 16 at once", "the box's CPU of a connection, new clients, 16 at once",
			"connect and answer, median, known clients, 16 at once", "connect and answer, 99 %, new clients, 1 at once",
			"transfer, 8 at once, MTU-size packets", "the box's CPU of a GB, 8 at once, MTU-size packets",
		}, func(way string) bool { return slices.Contains(ours, way) })
	})
}
