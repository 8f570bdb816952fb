package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/programs"
	"spoolgate/tools/lab/site"
)

// built is the folder of the programs that the tests run: lab, and those of
// the box. They are built once.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if built, err = programs.Build("spoolgate/tools/lab", "spoolgate/cmd/balancerd", "spoolgate/cmd/netd", "spoolgate/cmd/reportd", "spoolgate/cmd/spoolctl"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	return m.Run()
}

func program(name string) string { return filepath.Join(built, name) }

// place is a site with a box whose nodes are all Up.
type place struct {
	*testing.T
	*site.Site
	box *site.Box
}

// build builds a site without a box.
func build(t *testing.T, o site.Options) *place {
	t.Helper()
	o.Program = program("lab")
	s, err := site.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &place{T: t, Site: s}
}

// open builds a site, starts the box with extra lines of configuration, and
// waits until every node serves.
func open(t *testing.T, o site.Options, extra ...string) *place {
	t.Helper()
	p := build(t, o)
	p.serve(extra...)
	return p
}

// serve starts the box and waits until every node serves.
func (p *place) serve(extra ...string) {
	p.Helper()
	var err error
	p.box, err = p.AddBox(extra...)
	p.must(err)
	p.Cleanup(func() {
		if p.Failed() {
			p.Logf("the balancer's log:\n%s", p.box.Log())
		}
	})
	p.allServe()
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

// awaitNode waits until the i-th node is as wanted.
func (p *place) awaitNode(i int, what string, is func(api.Node) bool) api.Node {
	p.Helper()
	s := p.await(fmt.Sprintf("node %d %s", i, what), func(s api.Snapshot) bool {
		return len(s.Groups) > 0 && is(s.Groups[0].Nodes[i])
	})
	return s.Groups[0].Nodes[i]
}

func (p *place) awaitHealth(i int, h api.Health) api.Node {
	p.Helper()
	return p.awaitNode(i, string(h), func(n api.Node) bool { return n.Health == h })
}

// awaitEvent waits for an event that came after seq.
func (p *place) awaitEvent(what string, seq uint64, is func(api.Event) bool) api.Event {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), within)
	defer cancel()
	e, err := p.box.AwaitEvent(ctx, what, seq, is)
	p.must(err)
	return e
}

// now is the number of the last event.
func (p *place) now() uint64 {
	p.Helper()
	events, err := p.box.Events(p.Context(), 0)
	p.must(err)
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].Seq
}

func (p *place) allServe() {
	p.Helper()
	p.await("all nodes serve", func(s api.Snapshot) bool { return serving(s) == len(p.Nodes) })
}

func serving(s api.Snapshot) (n int) {
	if len(s.Groups) == 0 {
		return 0
	}
	for _, node := range s.Groups[0].Nodes {
		if node.Serving {
			n++
		}
	}
	return n
}

// visit opens a connection to a port, and closes it with the test.
func (p *place) visit(m *mfd.MFD, port uint16) *mfd.Connection {
	p.Helper()
	c, err := m.Connect(p.Context(), port)
	p.must(err)
	p.Cleanup(func() { c.Close() })
	return c
}

// landings visits a port once from each of the MFDs, all at once, and returns
// their nodes.
func (p *place) landings(mfds []*mfd.MFD, port uint16) []string {
	p.Helper()
	nodes := make([]string, len(mfds))
	p.each(len(mfds), func(i int) error {
		c, err := mfds[i].Connect(p.Context(), port)
		if err != nil {
			return err
		}
		nodes[i] = c.Node
		return c.Close()
	})
	return nodes
}

// each runs do for 0 to n-1 at the same time, and fails with what went wrong.
func (p *place) each(n int, do func(i int) error) {
	p.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	p.must(errors.Join(errs...))
}

// same fails for each MFD that is on another node than before.
func (p *place) same(when string, before, after []string) {
	p.Helper()
	for i := range before {
		if before[i] != after[i] {
			p.Errorf("%s: MFD %d was on %s and is on %s", when, i, before[i], after[i])
		}
	}
}

// shell runs a script in the namespace of the i-th node.
func (p *place) shell(i int, script string) {
	p.Helper()
	_, err := p.Nodes[i].Namespace.Output("sh", "-ec", script)
	p.must(err)
}

// at is a port of the virtual address.
func (p *place) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(site.VIP, port) }
