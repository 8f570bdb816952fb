package acceptance

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// held opens an idle connection from each MFD, and returns those on a node.
func (p *place) held(on string) (mfds []*mfd.MFD, conns []*mfd.Connection) {
	p.Helper()
	for _, m := range p.MFDs {
		if c := p.visit(m, 5011); c.Node == on {
			mfds, conns = append(mfds, m), append(conns, c)
		}
	}
	return mfds, conns
}

// reset waits until each connection has ended by a reset.
func (p *place) reset(what string, conns []*mfd.Connection) {
	p.Helper()
	for _, c := range conns {
		if err := c.WaitUntil(time.Now().Add(within)); !errors.Is(err, syscall.ECONNRESET) {
			p.Errorf("%s: a connection ended by %v, want a reset", what, err)
		}
	}
}

// A node whose power fails: silence. Its MFDs' idle connections are reset as
// soon as three probes say so, the MFDs come back to the other node, and the
// events tell all of it.
func TestPoweredOffNodesConnectionsAreResetAndItsMFDsServed(t *testing.T) {
	for name, o := range map[string]site.Options{"masked": {Nodes: 2, MFDs: 10}, "transparent": {Nodes: 2, MFDs: 10, TwoArms: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, o, `mode = "`+name+`"`)
			mfds, conns := p.held("A")
			_, others := p.held("B")
			seq := p.now()
			p.must(p.PullCable(0))
			p.awaitHealth(0, api.Down)
			told := time.Now()
			p.reset("power failed", conns)
			if took := time.Since(told); took > time.Second {
				t.Errorf("the MFDs noticed %s after the box did", took)
			}
			for _, at := range p.landings(mfds, 5012) {
				if at != "B" {
					t.Errorf("an MFD came to %s", at)
				}
			}
			for _, c := range others {
				p.must(c.Exchange())
			}
			for what, is := range map[string]func(api.Event) bool{
				"A is Down": func(e api.Event) bool {
					return e.Kind == event.NodeHealth && strings.HasPrefix(e.Text, "A is Down: port ")
				},
				"no spare": func(e api.Event) bool { return e.Kind == event.GroupState && strings.Contains(e.Text, "No spare") },
				"cut connections": func(e api.Event) bool {
					return e.Kind == event.NodeCut && strings.Contains(e.Text, "open connections to A cut")
				},
				"MFDs that are on B now": func(e api.Event) bool { return e.Kind == event.ClientMoved && e.Node == "B" },
			} {
				p.awaitEvent(what, seq, is)
			}
			p.must(p.PutCable(0))
			p.allServe()
		})
	}
}

// A node whose services are killed resets and refuses by itself until the probes
// notice; then nobody meets it any more.
func TestKilledNodesMFDsAreServedByTheOther(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 10})
	mfds, conns := p.held("A")
	p.must(p.Nodes[0].Kill())
	for _, c := range conns {
		if err := c.WaitUntil(time.Now().Add(within)); err == nil {
			t.Error("a connection to a killed node goes on")
		}
	}
	p.awaitHealth(0, api.Down)
	for _, at := range p.landings(mfds, 5012) {
		if at != "B" {
			t.Errorf("an MFD came to %s", at)
		}
	}
}

// The three ways to take a node out of service, and back.
func TestDrainGentlyKeepsBoundMFDsUntilTheirWindowEnds(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 20}, `affinity = "2s"`)
	mfds, conns := p.held("A")
	p.drain("A", api.DrainGently)
	for _, c := range conns {
		p.must(c.Exchange())
	}
	for _, at := range p.landings(mfds, 5012) {
		if at != "A" {
			t.Errorf("a bound MFD was moved to %s", at)
		}
	}
	p.fresh("B")
	p.awaitNode(0, "is draining", func(n api.Node) bool { return n.Service == api.Draining && n.Clients == len(mfds) })
	mfd.CloseAll(conns)
	p.awaitNode(0, "is empty", func(n api.Node) bool { return n.Service == api.OutOfService && n.Clients == 0 })
	p.giveBack("A")
}

// A site that closes for maintenance: who is bound goes on, who is new is refused, and
// the box says both.
func TestGroupThatIsDrainedGentlyServesItsBoundMFDsOnly(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 5})
	bound, fresh := p.MFDs[:4], p.MFDs[4]
	before := p.landings(bound, 5011)
	for _, node := range []string{"A", "B"} {
		_, err := p.box.Drain(t.Context(), "print", node, api.DrainRequest{Verb: api.DrainGently, Force: true})
		p.must(err)
	}
	p.same("while all nodes are drained", before, p.landings(bound, 5012))
	if _, err := fresh.Connect(t.Context(), 5011); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new MFD: %v", err)
	}
	out, err := exec.Command(program("spoolctl"), "-socket", filepath.Join(p.box.Dir, "balancerd.sock"), "status").CombinedOutput()
	want := "no node takes new MFDs, which are refused and try again; those that are bound to A or B go on until their window ends: A is draining: return it to service; B is draining: return it to service ("
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("spoolctl status: %v\n%s", err, out)
	}
}

func TestDrainByMoveLetsConnectionsFinish(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 20})
	mfds, conns := p.held("A")
	seq := p.now()
	p.drain("A", api.MoveNow)
	for _, at := range p.landings(mfds, 5012) {
		if at != "B" {
			t.Errorf("the next connection of an MFD came to %s", at)
		}
	}
	p.awaitEvent("why they moved", seq, func(e api.Event) bool {
		return e.Kind == event.ClientMoved && strings.Contains(e.Text, "moved from A, which was taken out of service")
	})
	for _, c := range conns {
		p.must(c.Exchange())
		p.must(c.Close())
	}
	p.awaitNode(0, "is out of service", func(n api.Node) bool { return n.Service == api.OutOfService })
	p.giveBack("A")
	for _, at := range p.landings(mfds, 5013) {
		if at != "B" {
			t.Errorf("an MFD moved back to %s", at)
		}
	}
}

func TestDrainByStopCutsConnections(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 20})
	mfds, conns := p.held("A")
	p.drain("A", api.StopNow)
	p.reset("stopped", conns)
	for _, at := range p.landings(mfds, 5012) {
		if at != "B" {
			t.Errorf("an MFD came to %s", at)
		}
	}
	if _, err := p.box.Drain(t.Context(), "print", "B", api.DrainRequest{Verb: api.StopNow}); err == nil || !strings.Contains(err.Error(), "last node") {
		t.Errorf("the last node was stopped too: %v", err)
	}
	p.giveBack("A")
}

func (p *place) drain(node string, verb api.DrainVerb) {
	p.Helper()
	_, err := p.box.Drain(p.Context(), "print", node, api.DrainRequest{Verb: verb})
	p.must(err)
}

func (p *place) giveBack(node string) {
	p.Helper()
	_, err := p.box.Return(p.Context(), "print", node)
	p.must(err)
	p.allServe()
}

// fresh has every MFD forgotten that holds no connection, and looks where they
// land now.
func (p *place) fresh(want string) {
	p.Helper()
	clients, err := p.box.Clients(p.Context(), "B")
	p.must(err)
	for _, c := range clients {
		_, err := p.box.Forget(p.Context(), "print", c.Address)
		p.must(err)
		for _, m := range p.MFDs {
			if m.Address == c.Address {
				if at := p.visit(m, 5013); at.Node != want {
					p.Errorf("a new MFD came to %s, want %s", at.Node, want)
				}
			}
		}
	}
}
