package measure_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
)

// A little of everything that make bench measures. It fails on errors and wrong
// answers: a client on two nodes, a node that sees the wrong address, a byte that did
// not arrive. Times are for make bench.
func TestEveryContestantPassesEveryPart(t *testing.T) {
	dir := t.TempDir()
	for program, path := range map[string]string{"bench": "spoolgate/tools/bench", "balancerd": "spoolgate/cmd/balancerd"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, program), path).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", path, err, out)
		}
	}
	for _, c := range arena.Contestants() {
		t.Run(c.Name, func(t *testing.T) {
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			o := arena.Options{Bench: filepath.Join(dir, "bench"), Balancerd: filepath.Join(dir, "balancerd"), Nodes: 2, Log: log}
			values, err := measure.Round(t.Context(), o, c, measure.Short(), func(what string) { t.Log(what) })
			if err != nil {
				said, _ := os.ReadFile(log.Name())
				t.Fatalf("%v\nwhat the programs said:\n%s", err, said)
			}
			for _, v := range values {
				if v.More && v.Value <= 0 {
					t.Errorf("%s: %v %s", v.Name, v.Value, v.Unit)
				}
			}
			t.Logf("%d figures", len(values))
		})
	}
}
