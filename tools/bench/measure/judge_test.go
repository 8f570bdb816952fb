package measure

import (
	"strings"
	"testing"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
)

// Whatever a contestant promises and does not keep ends the benchmark; a figure beside
// those of others would hide it.
func TestBrokenPromiseIsAnErrorAndNoFigure(t *testing.T) {
	failed := time.Now()
	later := failed.Add(time.Second)
	ended := []load.Ending{{Last: failed, At: later, By: "connection reset by peer"}}
	good := load.Felt{Streaming: ended, Idle: ended, Landed: []time.Time{later}, Failed: map[string]int{"connect: connection refused": 3}, FirstFailed: later}
	promises := arena.Contestant{Sticky: true, Moving: true, Cutting: true}
	for _, c := range []struct {
		name  string
		of    arena.Contestant
		spoil func(*load.Felt)
		want  string // empty: all is well
	}{
		{"all is well", promises, func(*load.Felt) {}, ""},
		{"nobody was there", promises, func(f *load.Felt) { f.Idle = nil }, "no client was on the node"},
		{"attempts failed before", promises, func(f *load.Felt) { f.FirstFailed = failed.Add(-time.Second) }, "before the node did"},
		{"moved before", promises, func(f *load.Felt) { f.Landed[0] = failed.Add(-time.Second) }, "before one failed"},
		{"a living node's connection ended", arena.Contestant{}, func(f *load.Felt) { f.Wronged = []string{"198.18.128.1"} }, "nodes that live ended"},
		{"split", promises, func(f *load.Felt) { f.Split = []string{"198.18.128.1"} }, "answered by two nodes"},
		{"split by one that does not promise", arena.Contestant{Moving: true}, func(f *load.Felt) { f.Split = []string{"198.18.128.1"} }, ""},
		{"never served again", promises, func(f *load.Felt) { f.Landed[0] = time.Time{} }, "not served any more"},
		{"never served again by one that does not promise", arena.Contestant{Sticky: true}, func(f *load.Felt) { f.Landed[0] = time.Time{} }, ""},
		{"never reset", promises, func(f *load.Felt) { f.Streaming = []load.Ending{{Last: failed}} }, "stand for ever"},
		{"never reset by one that does not promise", arena.Contestant{Moving: true}, func(f *load.Felt) { f.Idle = []load.Ending{{Last: failed}} }, ""},
	} {
		felt := good
		felt.Landed = []time.Time{later}
		c.spoil(&felt)
		err := judge(c.of, felt, failed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
