package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type files struct {
	*testing.T
	File
}

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{t, File{Path: filepath.Join(dir, "config.toml"), Kept: filepath.Join(dir, "kept"), Limits: Required()}}
}

func (f files) write(text string) {
	f.Helper()
	if err := os.WriteFile(f.Path, []byte(text), 0o644); err != nil {
		f.Fatal(err)
	}
}

// start starts as a daemon does, and returns how many nodes it then has.
func (f files) start() (nodes int, wrong error) {
	f.Helper()
	c, wrong := f.Start()
	if wrong == nil {
		if err := f.Keep(); err != nil {
			f.Fatal(err)
		}
	}
	for _, g := range c.Groups {
		nodes += len(g.Nodes)
	}
	return nodes, wrong
}

func TestBoxThatStartsWithAWrongConfigurationGoesOnWithTheLastGoodOne(t *testing.T) {
	f := newFiles(t)
	if nodes, wrong := f.start(); nodes != 0 || wrong != nil {
		t.Fatalf("a new box: %d nodes, %v", nodes, wrong)
	}
	f.write("affinity = 1")
	if nodes, wrong := f.start(); nodes != 0 || wrong == nil {
		t.Fatalf("wrong from the beginning: %d nodes, %v", nodes, wrong)
	}
	f.write(smallest)
	if nodes, wrong := f.start(); nodes != 2 || wrong != nil {
		t.Fatalf("a right one: %d nodes, %v", nodes, wrong)
	}
	for what, spoil := range map[string]func(){
		"wrong":   func() { f.write(smallest + "affinity = \"29m\"\n") },
		"no TOML": func() { f.write("[[[") },
		"huge":    func() { f.write(smallest + strings.Repeat("#", MaxSize)) },
		"missing": func() { os.Remove(f.Path) },
		"a folder": func() {
			os.Remove(f.Path)
			if err := os.Mkdir(f.Path, 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		spoil()
		if nodes, wrong := f.start(); nodes != 2 || wrong == nil || errors.Is(wrong, ErrMissing) != (what == "missing") {
			t.Errorf("%s: %d nodes, %v", what, nodes, wrong)
		}
		os.RemoveAll(f.Path)
	}
	if _, err := f.Load(); !errors.Is(err, ErrMissing) {
		t.Errorf("a reload without the file: %v", err)
	}
	f.write(smallest)
	if nodes, wrong := f.start(); nodes != 2 || wrong != nil {
		t.Errorf("put right again: %d nodes, %v", nodes, wrong)
	}
}

func TestWrongConfigurationIsNeverKept(t *testing.T) {
	f := newFiles(t)
	f.write("affinity = 1")
	if f.Keep() == nil {
		t.Error("it was kept")
	}
	if _, err := os.Stat(f.Kept); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy: %v", err)
	}
}

func TestSameConfigurationIsNotWrittenAgain(t *testing.T) {
	f := newFiles(t)
	f.write(smallest)
	f.start()
	before, err := os.Stat(f.Kept)
	if err != nil {
		t.Fatal(err)
	}
	f.start()
	if after, err := os.Stat(f.Kept); err != nil || !os.SameFile(before, after) {
		t.Errorf("written again: %v", err)
	}
}
