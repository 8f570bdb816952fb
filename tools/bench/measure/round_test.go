package measure_test

import (
	"testing"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
)

// A little of everything that make bench measures. It fails on errors and wrong
// answers: a client on two nodes, a node that sees the wrong address, a byte that did
// not arrive. Times are for make bench.
func TestEveryContestantPassesEveryPart(t *testing.T) {
	o := options()
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
	o := options()
	values := withLog(t, o, func(o arena.Options) ([]measure.Value, error) {
		return measure.Scale(t.Context(), o, measure.Setting{Name: "all", Nodes: 64, Groups: 16, Bindings: 5000}, 2000)
	})
	if len(values) == 0 {
		t.Error("nothing was measured")
	}
}
