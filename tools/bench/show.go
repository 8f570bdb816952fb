package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"spoolgate/tools/bench/table"
)

// ours are the contestants that the table holds against the others.
var ours = []string{"Spoolgate transparent", "Spoolgate masked"}

// show prints the table and what there is to say of it, and writes them and the chart
// where that is wanted.
func show(t *table.Table, o options, name string, of, to, charted []string, notes ...string) error {
	caption := fmt.Sprintf("medians of %d interleaved rounds, %s, %d CPUs, Linux %s, network namespaces of one machine",
		o.rounds, time.Now().Format(time.DateOnly), runtime.NumCPU(), kernel())
	write := func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, caption); err != nil {
			return err
		}
		if err := t.Write(w, of, to); err != nil {
			return err
		}
		for _, note := range notes {
			if _, err := fmt.Fprintln(w, "\n"+note); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(os.Stdout); err != nil || o.out == "" {
		return err
	}
	text, err := os.Create(filepath.Join(o.out, name+".txt"))
	if err != nil {
		return err
	}
	if err := errors.Join(write(text), text.Close()); err != nil {
		return err
	}
	svg, err := os.Create(filepath.Join(o.out, name+".svg"))
	if err != nil {
		return err
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
