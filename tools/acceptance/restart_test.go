package acceptance

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// C15: a restart or a kill of the balancer and a reload change no binding and
// touch no connection.
func TestRestartKillAndReloadKeepBindingsAndConnections(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 16})
	stop := p.traffic(p.MFDs[:8], 5*time.Millisecond)
	rest := p.MFDs[8:]
	before := p.landings(rest, 5011)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"kill", func() error { p.must(p.box.Kill()); return p.box.Start() }},
		{"restart", func() error { p.must(p.box.Stop()); return p.box.Start() }},
		{"reload", func() error {
			seq := p.now()
			p.must(p.box.Configure(p.Config(`affinity = "1h"`)))
			p.must(p.box.Reload())
			p.awaitEvent("the reload", seq, func(e api.Event) bool { return e.Kind == event.ConfigChanged })
			return nil
		}},
	} {
		p.must(step.do())
		p.allServe()
		p.same(step.what, before, p.landings(rest, 5012))
	}
	stop()
}

// C15: bindings outlive a reboot and a power cut; the journal has them.
func TestBindingsOutliveARebootAndAPowerCut(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 30})
	before := p.landings(p.MFDs, 5011)
	p.await("all bound", func(s api.Snapshot) bool { return s.Groups[0].Clients == len(p.MFDs) })
	p.must(p.box.Stop()) // an orderly reboot ends the daemons first
	p.must(p.box.PowerOff())
	p.must(p.box.PowerOn())
	// Printers do not wait for the box: the first that call meet a box that has
	// not probed anybody yet.
	p.each(len(p.MFDs), func(i int) error { return p.insist(p.MFDs[i], 5012, &before[i]) })
	// What an operator does is written at once, and everything else with it.
	_, err := p.box.Drain(t.Context(), "print", "C", api.DrainRequest{Verb: api.DrainGently})
	p.must(err)
	p.awaitJournal(func(r dataplane.Record) bool { return len(r.Services) == 1 && len(r.Entries) == len(p.MFDs) })
	p.must(p.box.PowerOff())
	p.must(p.box.PowerOn())
	p.awaitNode(2, "is draining as before", func(n api.Node) bool { return n.Service == api.Draining && n.Health == api.Up })
	p.awaitHealth(0, api.Up)
	p.awaitHealth(1, api.Up)
	p.same("after the power cut", before, p.landings(p.MFDs, 5013))
}

// A server that starts when the power comes back starts still: the box was there before
// it. What it was asked to do is on the medium with the answer.
func TestNodeThatWasDownBeforeAPowerCutServesAfterItsUpDelay(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 6}, `checks.up_delay = "10m"`)
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	down := p.awaitEvent("Down", 0, func(e api.Event) bool { return e.Kind == event.NodeHealth && e.State == string(api.Down) })
	p.awaitFile(filepath.Join(p.box.Dir, "state", "events"), down.Text)
	_, err := p.box.Drain(t.Context(), "print", "C", api.DrainRequest{Verb: api.StopNow})
	p.must(err)
	p.must(p.box.PowerOff())
	p.must(p.StartNode(0))
	p.must(p.box.PowerOn())
	p.awaitHealth(1, api.Up)
	p.awaitHealth(0, api.Starting)
	for _, at := range p.landings(p.MFDs, 5011) {
		if at != "B" {
			t.Errorf("an MFD came to %s", at)
		}
	}
	p.awaitEvent("that C was stopped", down.Seq, func(e api.Event) bool { return e.Kind == event.NodeService && e.Node == "C" })
}

// insist connects again and again until somebody answers, as printers do.
func (p *place) insist(m *mfd.MFD, port uint16, want *string) error {
	end := time.Now().Add(within)
	for {
		c, err := m.Connect(p.Context(), port)
		if err == nil {
			if c.Node != *want {
				err = fmt.Errorf("%s was on %s and is on %s", m.Address, *want, c.Node)
			}
			c.Close()
			return err
		}
		if time.Now().After(end) {
			return err
		}
		<-time.After(5 * time.Millisecond)
	}
}

// awaitJournal waits for a journal on the box's disk.
func (p *place) awaitJournal(is func(dataplane.Record) bool) {
	p.Helper()
	j, err := dataplane.OpenJournal(filepath.Join(p.box.Dir, "state"))
	p.must(err)
	for end := time.Now().Add(within); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if r, err := j.Load(); err == nil && is(r) {
			return
		}
	}
	p.Fatal("the journal was not written")
}

// On a machine that is not the box's own, a firewall that starts removes every rule
// that it finds. MFDs are served on within a second or so, where they were.
func TestRulesThatAFirewallRemovedComeBack(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 12})
	before := p.landings(p.MFDs, 5011)
	p.await("all bound", func(s api.Snapshot) bool { return s.Groups[0].Clients == len(p.MFDs) })
	held := p.visit(p.MFDs[0], 5012)
	seq := p.now()
	_, err := p.box.Namespace.Output("nft", "flush", "ruleset")
	p.must(err)
	p.awaitEvent("the loss is told", seq, func(e api.Event) bool { return e.Kind == event.KernelFault && e.Severity == event.Alert })
	p.awaitEvent("and its end", seq, func(e api.Event) bool { return e.Kind == event.KernelFault && e.Severity == event.Notice })
	p.same("after the rules came back", before, p.landings(p.MFDs, 5013))
	p.must(held.Exchange())
}

// On a machine that is not the box's own a new version of the balancer finds the rules of
// the old one, which it makes anew: everybody stays where he is, nobody is refused
// meanwhile, and what is open goes on.
func TestBalancerOfANewVersionKeepsEverybodyWhereHeIs(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 12})
	before := p.landings(p.MFDs, 5011)
	p.await("all bound", func(s api.Snapshot) bool { return s.Groups[0].Clients == len(p.MFDs) })
	held := p.visit(p.MFDs[0], 5012)
	p.must(p.box.Stop())
	// The set is there since recorded probes note where they leave from.
	for _, command := range []string{"flush chain ip spoolgate input", "flush chain ip spoolgate departures", "delete set ip spoolgate flying"} {
		_, err := p.box.Namespace.Output("nft", command)
		p.must(err)
	}
	p.must(held.Exchange())
	stop := p.traffic(p.MFDs[1:], time.Millisecond)
	p.must(p.box.Start())
	p.allServe()
	stop()
	p.same("with the new version", before, p.landings(p.MFDs, 5013))
	p.must(held.Exchange())
	p.await("what is open is counted", func(s api.Snapshot) bool { return s.Groups[0].Connections == len(p.MFDs) })
	p.awaitEvent("the rules are told to be new", 0, func(e api.Event) bool {
		return e.Kind == event.Started && strings.Contains(e.Text, "those of another version")
	})
}

// G32: a balancer that hangs, and is then killed and started by whoever
// supervises it, is missed by nobody: connections go on, known MFDs stay, new
// ones are dealt by the last plan.
func TestHungBalancerIsMissedByNobody(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 30})
	stop := p.traffic(p.MFDs[:8], 5*time.Millisecond)
	p.must(p.box.Signal(syscall.SIGSTOP))
	dealt := map[string]int{}
	first := p.landings(p.MFDs[8:], 5011)
	for _, node := range first {
		dealt[node]++
	}
	if d := dealt["A"] - dealt["B"]; d > 2 || d < -2 {
		t.Errorf("the kernel alone dealt %v", dealt)
	}
	p.same("while the balancer hangs", first, p.landings(p.MFDs[8:], 5012))
	p.must(p.box.Kill())
	p.must(p.box.Start())
	p.allServe()
	p.same("after the restart", first, p.landings(p.MFDs[8:], 5013))
	stop()
	p.await("the new balancer knows all", func(s api.Snapshot) bool { return s.Groups[0].Clients == len(p.MFDs) })
}

// traffic keeps MFDs busy: each holds a connection, talks on it, and opens
// others, until the returned function is called, which fails if any of it went
// wrong.
func (p *place) traffic(mfds []*mfd.MFD, pace time.Duration) (stop func()) {
	p.Helper()
	ended := make(chan struct{})
	errs := make([]error, len(mfds))
	var all sync.WaitGroup
	for i, m := range mfds {
		held := p.visit(m, 5011)
		all.Go(func() {
			for n := 0; errs[i] == nil; n++ {
				select {
				case <-ended:
					return
				case <-time.After(pace):
				}
				errs[i] = busy(p, m, held, mfd.TerminalPorts()[n%15])
			}
		})
	}
	return sync.OnceFunc(func() {
		p.Helper()
		close(ended)
		all.Wait()
		for i, err := range errs {
			if err != nil {
				p.Errorf("traffic of %s: %v", mfds[i].Address, err)
			}
		}
	})
}

func busy(p *place, m *mfd.MFD, held *mfd.Connection, port uint16) error {
	if err := held.Exchange(); err != nil {
		return fmt.Errorf("the held connection: %w", err)
	}
	c, err := m.Connect(p.Context(), port)
	if err != nil {
		return fmt.Errorf("a new connection: %w", err)
	}
	defer c.Close()
	if c.Node != held.Node || c.Client.Addr() != held.Client.Addr() {
		return fmt.Errorf("on %s as %s, before on %s as %s", c.Node, c.Client.Addr(), held.Node, held.Client.Addr())
	}
	return nil
}
