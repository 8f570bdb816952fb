package acceptance

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/site"
)

// slowly has nodes probed once a minute: what is found sooner was found because
// clients complained.
var slowly = []string{`checks.interval = "1m"`, `checks.timeout = "1s"`, `checks.up_delay = "10m"`}

// misses are the failed probes of node A, of the port that failed most often.
func (p *place) misses() (most []api.Probe) {
	p.Helper()
	all, err := p.box.Probes(p.Context(), "print", "A")
	p.must(err)
	for _, port := range all {
		var failed []api.Probe
		for _, probe := range port.Probes {
			if probe.Outcome != api.Open {
				failed = append(failed, probe)
			}
		}
		if len(failed) > len(most) {
			most = failed
		}
	}
	return most
}

// bindToA binds the MFDs, and returns when they are on node A.
func (p *place) bindToA() {
	p.Helper()
	for i, at := range p.landings(p.MFDs, 5011) {
		if at != "A" {
			p.awaitBound(len(p.MFDs))
			_, err := p.box.Move(p.Context(), "print", p.MFDs[i].Address, "A")
			p.must(err)
		}
	}
}

// A node whose service dies under traffic is Down within the first of the three
// intervals that it takes without traffic, by three probes all the same. The MFD that is
// refused waits meanwhile, and is served by the other node.
func TestClientThatIsRefusedHasADeadNodeFoundAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, slowly...)
	p.bindToA()
	p.must(p.Nodes[0].Kill())
	if c, err := p.MFDs[0].Connect(t.Context(), 5011); err != nil {
		t.Errorf("the MFD of the killed node: %v", err)
	} else if c.Node != "B" {
		t.Errorf("the MFD of the killed node is on %s", c.Node)
	}
	p.awaitEvent("the dead node", 0, func(e api.Event) bool {
		return e.Kind == event.NodeHealth && e.Node == "A" && strings.Contains(e.Text, "refused the connection 3 times in a row")
	})
	if misses := p.misses(); len(misses) != 3 {
		t.Errorf("%d failed probes made the node Down, want 3: %+v", len(misses), misses)
	}
	if at := p.landings(p.MFDs, 5011); at[0] != "B" {
		t.Errorf("the MFD is on %s", at[0])
	}
}

// The same of a node that falls silent: its clients repeat their first packet.
func TestClientThatIsNotAnsweredHasASilentNodeFoundAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, slowly...)
	p.bindToA()
	p.must(p.PullCable(0))
	begun := make(chan error, 1)
	go func() { // it waits, and lands on B when A is Down
		c, err := p.MFDs[0].Connect(t.Context(), 5011)
		if err == nil {
			err = c.Close()
		}
		begun <- err
	}()
	p.awaitHealth(0, api.Down)
	if misses := p.misses(); len(misses) != 3 {
		t.Errorf("%d failed probes made the node Down, want 3: %+v", len(misses), misses)
	}
	<-begun // refused or served: its first node is gone
	if at := p.landings(p.MFDs, 5011); at[0] != "B" {
		t.Errorf("the MFD is on %s", at[0])
	}
}

// Without traffic it takes three rounds of the schedule.
func TestWithoutTrafficANodeIsDownAfterThreeWholeIntervals(t *testing.T) {
	t.Parallel()
	const interval = 400 * time.Millisecond
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, `checks.interval = "400ms"`)
	p.bindToA()
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	misses := p.misses()
	if len(misses) < 3 {
		t.Fatalf("Down after %+v", misses)
	}
	for i, m := range misses[1:3] {
		if gap := m.Time.Sub(misses[i].Time); gap < interval*8/10 {
			t.Errorf("only %s between two probes that failed", gap)
		}
	}
}

// A pulled cable of the box under traffic looks like the end of the node that a
// client complained of. All are probed then, and the box suspects itself in time.
func TestComplaintsDoNotBlameANodeForTheCableOfTheBox(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 1}, slowly...)
	p.bindToA()
	for i := range p.Nodes {
		p.must(p.PullCable(i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if c, err := p.MFDs[0].Namespace.Dial(ctx, p.MFDs[0].Address, p.at(5011)); err == nil {
			c.Close()
		}
	}()
	p.awaitEvent("the suspicion", 0, func(e api.Event) bool {
		return e.Kind == event.BoxSuspicion && e.Severity == event.Alert
	})
	p.awaitNode(0, "missed three times", func(n api.Node) bool { return n.Ports[0].Misses >= 3 })
	if n := p.awaitNode(0, "seen", func(api.Node) bool { return true }); n.Health != api.Checking {
		t.Errorf("A is %s: %s", n.Health, n.HealthReason)
	}
}

// A port that no node serves is asked for again and again: nobody is taken out for
// it, and the nodes are not hammered with probes.
func TestPortThatNobodyServesNeitherTakesNodesOutNorHammersThem(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, slowly...)
	p.bindToA()
	begin, before := time.Now(), p.now()
	p.must(p.Nodes[0].StopService(5013))
	for range 300 {
		if _, err := p.MFDs[0].Connect(t.Context(), 5013); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("a stopped service: %v", err)
		}
	}
	all, err := p.box.Probes(t.Context(), "print", "A")
	p.must(err)
	if n, most := len(all[0].Probes), 3+int(time.Since(begin)/time.Second); n > most || n < 2 {
		t.Errorf("300 complaints made %d probes, want at least one beside the first, and at most %d", n, most)
	}
	events, err := p.box.Events(t.Context(), before)
	p.must(err)
	for _, e := range events {
		if e.Kind == event.NodeHealth {
			t.Errorf("after complaints: %s", e.Text)
		}
	}
}
