package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"spoolgate/board"
	"spoolgate/initramfs"
)

// work is one run of the program.
type work struct {
	board    board.Board
	source   string // the module's folder
	out      string // build/<board>
	cache    string
	config   string // a configuration to put on the data partition
	release  initramfs.Release
	packages packages
}

func run(args []string) error {
	w := work{}
	set := flag.NewFlagSet("image", flag.ContinueOnError)
	name := set.String("board", "virt", "the board: virt, cm4 or rockpie")
	set.StringVar(&w.source, "source", ".", "the folder of go.mod")
	out := set.String("out", "build", "the folder for results and cache")
	set.StringVar(&w.config, "config", "", "a config.toml to start with; none: the box starts unconfigured")
	if err := set.Parse(args); err != nil {
		return err
	}
	var err error
	if w.board, err = board.Named(*name); err != nil {
		return err
	}
	if *out, err = filepath.Abs(*out); err != nil {
		return err
	}
	w.out, w.cache = filepath.Join(*out, w.board.Name), filepath.Join(*out, "cache")
	for _, dir := range []string{w.out, w.cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if w.release, err = w.describe(); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(*work) error
	}{
		{"packages", (*work).fetch},
		{"kernel", (*work).makeKernel},
		{"root file system", (*work).makeInitramfs},
		{"disk", (*work).makeDisk},
		{"manifest", (*work).makeManifest},
	} {
		start := time.Now()
		if err := step.run(&w); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "image %s: %s, %.1f s\n", w.board.Name, step.name, time.Since(start).Seconds())
	}
	return nil
}

// describe names the release after the source's commit; its time is the
// commit's, so that the same source makes the same image.
func (w *work) describe() (initramfs.Release, error) {
	git := func(args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"-C", w.source}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	r := initramfs.Release{Board: w.board.Name}
	stamp, err := git("log", "-1", "--format=%cI")
	if err != nil {
		return r, fmt.Errorf("time of the source's commit: %w", err)
	}
	if r.Built, err = time.Parse(time.RFC3339, stamp); err != nil {
		return r, err
	}
	r.Built = r.Built.UTC()
	r.Version, err = git("describe", "--always", "--dirty")
	return r, err
}

// kernelFile and initrdFile are what a slot holds.
func (w *work) kernelFile() string { return filepath.Join(w.out, "kernel") }
func (w *work) initrdFile() string { return filepath.Join(w.out, "initrd") }
func (w *work) diskFile() string {
	return filepath.Join(w.out, "spoolgate-"+w.board.Name+".img")
}

// output runs a program and explains its failure with what it said.
func output(name string, args ...string) ([]byte, error) {
	return said(exec.Command(name, args...))
}

func said(cmd *exec.Cmd) ([]byte, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s%s", strings.Join(cmd.Args, " "), err, complaint.String(), out)
	}
	return out, nil
}
