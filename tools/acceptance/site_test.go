package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/site"
)

// labProgram is the lab command, built once.
var labProgram string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "spoolgate-lab-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	labProgram = filepath.Join(dir, "lab")
	build := exec.Command("go", "build", "-o", labProgram, "spoolgate/tools/lab")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the lab:", err)
		return 1
	}
	return m.Run()
}

// place is a site with a box whose nodes are all Up.
type place struct {
	*testing.T
	*site.Site
	box *site.Box
}

// open builds a site, starts the box with extra lines of configuration, and
// waits until every node serves.
func open(t *testing.T, o site.Options, extra ...string) *place {
	t.Helper()
	o.Program = labProgram
	s, err := site.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &place{T: t, Site: s}
	p.box, err = s.AddBox(extra...)
	p.must(err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the balancer's log:\n%s", p.box.Log())
		}
	})
	p.await("all nodes serve", func(s api.Snapshot) bool { return serving(s) == o.Nodes })
	return p
}

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// within bounds what one step of a test may take. It is no measure of speed.
const within = 20 * time.Second

func (p *place) await(what string, is func(api.Snapshot) bool) api.Snapshot {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), within)
	defer cancel()
	s, err := p.box.Await(ctx, what, is)
	p.must(err)
	return s
}

func serving(s api.Snapshot) (n int) {
	for _, node := range s.Groups[0].Nodes {
		if node.Serving {
			n++
		}
	}
	return n
}
