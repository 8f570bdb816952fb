package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	for program, env := range map[string][]string{o.Bench: nil, o.Inside: {"GOARCH=arm64", "CGO_ENABLED=0"}} {
		build := exec.Command("go", "build", "-o", program, "spoolgate/tools/bench")
		build.Env = append(os.Environ(), env...)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the benchmark %v: %v\n%s", env, err, out)
		}
	}
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
