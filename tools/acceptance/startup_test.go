package acceptance

import (
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

// B8's delay "must be based on real time required for Management/Site Server to
// start": the box measures it when a server restarts, warns when the configured
// one is shorter, and knows it after its own power cut.
func TestRestartOfAServerIsMeasuredAndRemembered(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1})
	refused := func(n api.Node) bool { return n.Ports[0].Outcome == api.Refused && n.Ports[1].Outcome == api.Refused }
	// The machine goes off, and comes on without its services.
	p.must(p.Nodes[0].Namespace.Down("eth0"))
	p.awaitNode(0, "is off", func(n api.Node) bool {
		off := n.Health == api.Down
		for _, port := range n.Ports {
			off = off && port.Misses >= 5 && port.Outcome != api.Refused
		}
		return off
	})
	p.must(p.Nodes[0].StopService(node.SPOC))
	p.must(p.Nodes[0].StopService(node.TS))
	on := time.Now()
	p.must(p.Nodes[0].Namespace.Up("eth0"))
	p.awaitNode(0, "has its machine on", refused)
	seen := time.Now()
	p.must(p.Nodes[0].StartService(node.SPOC))
	p.awaitNode(0, "has one service", func(n api.Node) bool { return n.Ports[0].Outcome == api.Open })
	// The start itself is what is measured: longer than the site's up-delay of 500 ms.
	time.Sleep(time.Second)
	begun := time.Now()
	p.must(p.Nodes[0].StartService(node.TS))
	p.awaitNode(0, "has both", func(n api.Node) bool { return n.Ports[1].Outcome == api.Open })
	both := time.Now()
	e := p.awaitEvent("the measured start", 0, func(e api.Event) bool { return e.Kind == event.NodeStart })
	if e.Node != "A" || e.Severity != event.Warning || !strings.Contains(e.Text, "up_delay of group print is only 500ms: MFDs may reach a server that still starts") {
		t.Errorf("%+v", e)
	}
	n := p.awaitNode(0, "has a measured start", func(n api.Node) bool { return len(n.Starts) == 1 })
	took := time.Duration(n.Starts[0].Took)
	if shortest, longest := begun.Sub(seen), both.Sub(on); took < shortest || took > longest {
		t.Errorf("took %v, want between %v and %v", took, shortest, longest)
	}
	if table := p.spoolctl("up-delay"); !strings.Contains(table, "none before three starts") || strings.Count(table, "\n") != 3 {
		t.Errorf("spoolctl up-delay:\n%s", table)
	}
	p.await("two ticks after it: the first has it written", func(s api.Snapshot) bool { return s.Time.After(e.Time.Add(3 * time.Second)) })
	p.must(p.box.PowerOff())
	p.must(p.box.PowerOn())
	again := p.awaitNode(0, "is remembered", func(n api.Node) bool { return len(n.Starts) == 1 })
	if !again.Starts[0].At.Equal(n.Starts[0].At) || again.Starts[0].Took != n.Starts[0].Took {
		t.Errorf("remembered %+v, measured %+v", again.Starts, n.Starts)
	}
}
