package measure_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
	"spoolgate/tools/lab/programs"
)

// built is the folder of the programs that the tests run. They are built once.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if built, err = programs.Build("spoolgate/tools/bench", "spoolgate/tools/lab", "spoolgate/cmd/balancerd"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	return m.Run()
}

// options are those of an arena with the box's own program.
func options() arena.Options {
	return arena.Options{Bench: filepath.Join(built, "bench"), Balancerd: filepath.Join(built, "balancerd"), Nodes: 2}
}

// hasty are those with a balancerd that can be told shorter intervals than a box.
func hasty(t *testing.T) arena.Options {
	t.Helper()
	o := options()
	o.Balancerd = filepath.Join(t.TempDir(), "balancerd")
	script := fmt.Sprintf("#!/bin/sh\nexec %s balancerd \"$@\"\n", filepath.Join(built, "lab"))
	if err := os.WriteFile(o.Balancerd, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return o
}

// withLog runs a measurement that must succeed.
func withLog(t *testing.T, o arena.Options, run func(arena.Options) ([]measure.Value, error)) []measure.Value {
	t.Helper()
	values, err := attempt(t, o, run)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// attempt runs a measurement; its error has what its programs said.
func attempt(t *testing.T, o arena.Options, run func(arena.Options) ([]measure.Value, error)) ([]measure.Value, error) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	o.Log = log
	values, err := run(o)
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w\nwhat the programs said:\n%s", err, said)
	}
	return values, nil
}
