package measure_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
)

// options builds the programs of an arena.
func options(t *testing.T) arena.Options {
	t.Helper()
	return arena.Options{Bench: build(t, "bench", "spoolgate/tools/bench"), Balancerd: build(t, "balancerd", "spoolgate/cmd/balancerd"), Nodes: 2}
}

func build(t *testing.T, program, path string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), program)
	if out, err := exec.Command("go", "build", "-o", file, path).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", path, err, out)
	}
	return file
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

// A little of everything that make bench measures. It fails on errors and wrong
// answers: a client on two nodes, a node that sees the wrong address, a byte that did
// not arrive. Times are for make bench.
func TestEveryContestantPassesEveryPart(t *testing.T) {
	o := options(t)
	for _, c := range arena.Contestants() {
		t.Run(c.Name, func(t *testing.T) {
			values := withLog(t, o, func(o arena.Options) ([]measure.Value, error) {
				return measure.Round(t.Context(), o, c, measure.Short(), func(what string) { t.Log(what) })
			})
			for _, v := range values {
				if v.More && v.Value <= 0 {
					t.Errorf("%s: %v %s", v.Name, v.Value, v.Unit)
				}
			}
		})
	}
}

// Many bindings, nodes and groups cost no connection.
func TestSpoolgateServesWithMuchToLookAfter(t *testing.T) {
	o := options(t)
	values := withLog(t, o, func(o arena.Options) ([]measure.Value, error) {
		return measure.Scale(t.Context(), o, measure.Setting{Name: "all", Nodes: 64, Groups: 16, Bindings: 5000}, 2000)
	})
	if len(values) == 0 {
		t.Error("nothing was measured")
	}
}
