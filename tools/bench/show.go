package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	caption := fmt.Sprintf("medians of %d interleaved rounds, %s", o.rounds, where())
	write := func(w io.Writer) error {
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
	return o.publish(name, caption, write, func(w io.Writer) error {
		return t.Chart(w, caption, charted, func(c string) bool { return slices.Contains(ours, c) })
	})
}

// publish prints a text under its caption, and writes it and its chart where that is
// wanted.
func (p places) publish(name, caption string, text, chart func(io.Writer) error) error {
	write := func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, caption); err != nil {
			return err
		}
		return text(w)
	}
	if err := write(os.Stdout); err != nil || p.out == "" {
		return err
	}
	for _, file := range []struct {
		ends  string
		write func(io.Writer) error
	}{{".txt", write}, {".svg", chart}} {
		f, err := os.Create(filepath.Join(p.out, name+file.ends))
		if err != nil {
			return err
		}
		if err := errors.Join(file.write(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// versions are those of the programs that Spoolgate is held against, as they say them.
func versions(programs ...string) string {
	var all []string
	for _, p := range programs {
		said, err := exec.Command(p, "-v").CombinedOutput()
		version := regexp.MustCompile(`[0-9]+\.[0-9]+\S*`).FindString(string(said))
		if err != nil || version == "" {
			version = "of an unknown version"
		}
		all = append(all, p+" "+version)
	}
	return "Programs of this machine: " + strings.Join(all, ", ") + "."
}

// where says when and on what was measured.
func where() string {
	return fmt.Sprintf("%s, %d CPUs, Linux %s, network namespaces of one machine", time.Now().Format(time.DateOnly), runtime.NumCPU(), kernel())
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(text))
}
