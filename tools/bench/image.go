package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"spoolgate/tools/bench/guest"
	"spoolgate/tools/bench/table"
	"spoolgate/tools/vm"
)

// inImage holds the balancer of the real image, in QEMU, against plain routing by the
// same image.
func inImage(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench image", flag.ContinueOnError)
	rounds := flags.Int("rounds", 3, "rounds of all ways through the box, interleaved; a new box each")
	dir := flags.String("image", "build/virt", "where the image is")
	inside := flags.String("inside", "build/bench-arm64", "this program for the box's processor")
	talk := flags.Bool("console", false, "show what the box's console says")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood: bench image takes flags only; bench image -help lists them", flags.Arg(0))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o := guest.Options{Image: vm.OpenImage(*dir), Bench: self, Inside: *inside}
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
			fmt.Fprintf(os.Stderr, "%s  round %d of %d: %s\n", time.Now().Format(time.TimeOnly), round+1, *rounds, w.Name)
			values, err := guest.Round(ctx, o, w, guest.Full())
			if err != nil {
				return err
			}
			t.Add(w.Name, values)
		}
	}
	fmt.Printf("medians of %d interleaved rounds, %s, the image in QEMU without KVM on %d CPUs\n", *rounds, time.Now().Format(time.DateOnly), runtime.NumCPU())
	return t.Write(os.Stdout, ours, []string{"routing"})
}
