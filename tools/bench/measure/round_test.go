package measure_test

import (
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
	dir := t.TempDir()
	for program, path := range map[string]string{"bench": "spoolgate/tools/bench", "balancerd": "spoolgate/cmd/balancerd"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, program), path).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", path, err, out)
		}
	}
	return arena.Options{Bench: filepath.Join(dir, "bench"), Balancerd: filepath.Join(dir, "balancerd"), Nodes: 2}
}

// withLog runs a measurement; what its programs say is shown when it fails.
func withLog(t *testing.T, o arena.Options, run func(arena.Options) ([]measure.Value, error)) []measure.Value {
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
		t.Fatalf("%v\nwhat the programs said:\n%s", err, said)
	}
	return values
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
