package acceptance

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

// A service that stopped is none that never was there, also for a balancer or a box
// that was started after it had stopped.
func TestStoppedServiceIsNotCalledMissingAfterARestart(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2})
	for _, step := range []struct {
		what    string
		restart func() error
	}{
		{"kill, with the node Up", func() error {
			p.must(p.box.Kill())
			p.must(p.Nodes[0].StopService(node.SPOC))
			return p.box.Start()
		}},
		{"kill, with the node Down", func() error { p.must(p.box.Kill()); return p.box.Start() }},
		{"power cut", func() error { p.must(p.box.PowerOff()); return p.box.PowerOn() }},
	} {
		p.must(step.restart())
		// Refused for much longer than the up-delay of 500 ms.
		p.awaitNode(0, step.what, func(n api.Node) bool { return n.Health == api.Down && failures(n, node.SPOC) >= 10 })
		events, err := p.box.Events(t.Context(), 0)
		p.must(err)
		for _, e := range events {
			if e.Kind == event.NodeCheck {
				t.Errorf("%s: told %q", step.what, e.Text)
			}
		}
	}
}

// failures is how often in a row a port of a node has failed.
func failures(n api.Node, port uint16) int {
	for _, p := range n.Ports {
		if p.Port == port {
			return p.Misses
		}
	}
	return 0
}

// What the help desk knows of an MFD is the same after a kill and a power cut: why it
// is where it is, since when, and where it was. It is on the medium within seconds.
func TestHelpDeskKnowsAnMFDAfterAKillAndAPowerCut(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 4})
	p.landings(p.MFDs, 5011)
	was, one := p.landings(p.MFDs[:1], 5012)[0], p.MFDs[0]
	i := 0
	if was == "B" {
		i = 1
	}
	p.must(p.Nodes[i].Kill())
	p.awaitHealth(i, api.Down)
	p.landings(p.MFDs, 5011)
	before := p.awaitMFD(one, func(m api.MFD) bool { return len(m.Moves) == 1 })
	p.awaitFile(filepath.Join(p.box.Dir, "state", "events"), `"`+one.Address.String()+`"`)
	for _, step := range []struct {
		what    string
		restart func() error
	}{
		{"kill", func() error { p.must(p.box.Kill()); return p.box.Start() }},
		{"power cut", func() error {
			// Who is where is written once a minute, or with what a person does.
			_, err := p.box.Drain(t.Context(), "print", was, api.DrainRequest{Verb: api.StopNow, Force: true})
			p.must(err)
			p.must(p.box.PowerOff())
			return p.box.PowerOn()
		}},
	} {
		what := step.what
		p.must(step.restart())
		after := p.awaitMFD(one, func(m api.MFD) bool { return len(m.Bound) == 1 })
		if len(after.Moves) != 1 || after.Moves[0].From != was || after.Moves[0].Why != before.Moves[0].Why || after.Moves[0].Time.Sub(before.Moves[0].Time).Abs() > 3*time.Second {
			t.Errorf("%s: moves %+v, before %+v", what, after.Moves, before.Moves)
		}
		if got, want := after.Bound[0], before.Bound[0]; got.Why != want.Why || got.Node != want.Node || got.Since.Sub(want.Since).Abs() > 3*time.Second {
			t.Errorf("%s: bound %+v, before %+v", what, got, want)
		}
		shown, err := exec.Command(program("spoolctl"), "-socket", filepath.Join(p.box.Dir, "balancerd.sock"), "mfd", one.Address.String()).CombinedOutput()
		if err != nil || strings.Count(string(shown), "moved from "+was+", which did not serve") != 2 {
			t.Errorf("%s: spoolctl mfd shows\n%s%v", what, shown, err)
		}
	}
}

// A node that comes and goes is held back for as long as if the balancer had not been
// killed in between, and a node that stayed Up is so since then.
func TestKilledBalancerRemembersFallsAndSinceWhenANodeIsUp(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2})
	falls := func() {
		p.must(p.Nodes[0].StopService(node.SPOC))
		p.awaitHealth(0, api.Down)
		p.must(p.Nodes[0].StartService(node.SPOC))
	}
	steady := p.awaitHealth(1, api.Up)
	for range 2 {
		falls()
		p.awaitHealth(0, api.Up)
	}
	for range 2 {
		p.must(p.box.Kill())
		p.must(p.box.Start())
	}
	if now := p.awaitHealth(1, api.Up); !now.HealthSince.Equal(steady.HealthSince) || now.ServiceSince.After(now.HealthSince) {
		t.Errorf("B is Up since %v and in service since %v, was Up since %v", now.HealthSince, now.ServiceSince, steady.HealthSince)
	}
	falls()
	p.awaitNode(0, "is held back for its third fall", func(n api.Node) bool {
		return n.Health == api.Starting && strings.Contains(n.HealthReason, "it went Down 3 times since") && strings.Contains(n.HealthReason, "held back for 2s instead of 500ms")
	})
	p.must(p.box.Kill())
	p.must(p.box.Start())
	p.awaitNode(0, "is held back for its third fall after a kill, too", func(n api.Node) bool {
		return n.Health == api.Starting && strings.Contains(n.HealthReason, "it went Down 3 times since")
	})
	p.awaitHealth(0, api.Up)
}
