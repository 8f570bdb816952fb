package acceptance

import (
	"testing"

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
