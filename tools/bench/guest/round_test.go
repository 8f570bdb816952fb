package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
	"spoolgate/tools/bench/measure"
	"spoolgate/tools/vm"
)

// A little of what make bench-image measures. It fails on errors and wrong answers: a
// client on two nodes, a node that sees the wrong address, a byte that did not arrive,
// a router that tracks connections. Times are for make bench-image.
func TestEveryWayThroughTheImagePassesEveryPart(t *testing.T) {
	image, err := vm.BuildImage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(filepath.Dir(image.Dir()), "cache")
	proxy, err := FetchProxy(cache)
	if err != nil {
		t.Fatal(err)
	}
	flowTables, err := PackFlowTables(cache)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := Options{Image: image, Proxy: proxy.Archive, FlowTables: flowTables, Bench: filepath.Join(dir, "bench"), Inside: filepath.Join(dir, "inside")}
	build(t, o.Bench)
	build(t, o.Inside, "GOARCH=arm64", "CGO_ENABLED=0")
	for _, w := range Ways() {
		t.Run(w.Name, func(t *testing.T) {
			values, err := Round(t.Context(), o, w, Short())
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				t.Logf("%s: %.4g %s", v.Name, v.Value, v.Unit)
				if v.More && v.Value <= 0 {
					t.Errorf("%s: %v %s", v.Name, v.Value, v.Unit)
				}
				// The box's kernel does it unless somebody has told it not to; then it
				// passes on as many as the card has got.
				if strings.HasPrefix(v.Name, joined) && v.Value < 1.3 {
					t.Errorf("the box joins no packets (GRO) that its service NIC gets: %.2f of them in one that it passes on", v.Value)
				}
			}
		})
	}
}

// build makes the benchmark's own program.
func build(t *testing.T, program string, env ...string) {
	t.Helper()
	c := exec.Command("go", "build", "-o", program, "spoolgate/tools/bench")
	c.Env = append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the benchmark %v: %v\n%s", env, err, out)
	}
}

// Clients that go on as fast as they are answered take all of the processor that passes
// their packets on. The daemons have the others: nobody is killed for want of a sign of
// life, and the hardware watchdog is fed.
func TestMoreThanTheImageCanPassEndsNoDaemon(t *testing.T) {
	image, err := vm.BuildImage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Image: image, Bench: filepath.Join(t.TempDir(), "bench")}
	build(t, o.Bench)
	w := masked()
	g, err := Start(t.Context(), o, w)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}()
	before, err := g.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := load.Short{To: w.Target, Ports: arena.AskPorts, Clients: known, Count: 120 * known, Concurrency: 16}
	var got load.Answers
	if err := g.Load("short", run, &got); err != nil {
		t.Fatal(err)
	}
	if err := measure.Hold(got, run, w.Contestant, Nodes); err != nil {
		t.Error(err)
	}
	after, err := g.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !after.Boot.Started.Equal(before.Boot.Started) {
		t.Errorf("the box started anew: %s", after.Boot.LastEnd)
	}
	for _, d := range after.Services {
		if d.Restarts > 0 {
			t.Errorf("%s was started anew: %s", d.Name, d.LastExit)
		}
	}
}
