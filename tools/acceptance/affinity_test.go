package acceptance

import (
	"fmt"
	"os"
	"os/exec"
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

// C11: a new MFD opens 5011 to 5025, 5610 and 21 in the same millisecond, 1000
// times, and is on one node always. Four do so at a time, from all CPUs.
func TestNewMFDThatOpensAllPortsAtOnceReachesOneNode(t *testing.T) {
	const rounds, together = 1000, 4
	p := open(t, site.Options{Nodes: 3, MFDs: rounds})
	var mu sync.Mutex
	dealt := map[string]int{}
	p.each(together, func(first int) error {
		for i := first; i < rounds; i += together {
			all, err := p.MFDs[i].ConnectAll(mfd.Ports())
			if err != nil {
				return err
			}
			for _, c := range all {
				if c.Node != all[0].Node {
					t.Errorf("MFD %d is on %s by port %d and on %s by port %d", i, all[0].Node, all[0].Port, c.Node, c.Port)
				}
			}
			mu.Lock()
			dealt[all[0].Node]++
			mu.Unlock()
			for _, c := range all {
				c.Abort()
			}
		}
		return nil
	})
	t.Logf("dealt %v", dealt)
}

// C12: the window counts from the last close. Just within it an MFD comes back
// to its node, also when its connection was open for longer than the window.
func TestWindowCountsFromTheLastClose(t *testing.T) {
	t.Parallel()
	const window = 3 * time.Second
	p := open(t, site.Options{Nodes: 2, MFDs: 12}, fmt.Sprintf("affinity = %q", window))
	idle, holding := p.MFDs[:6], p.MFDs[6:]
	before := append(p.landings(idle, 5011), make([]string, len(holding))...)
	var held []*mfd.Connection
	for i, m := range holding {
		held = append(held, p.visit(m, 5012))
		before[len(idle)+i] = held[i].Node
	}
	after := make([]string, len(p.MFDs))
	for range 3 { // each time almost a whole window idle
		<-time.After(window * 8 / 10)
		copy(after, p.landings(p.MFDs, 5013))
		p.same("within the window", before, after)
	}
	for _, c := range held { // open for two and a half windows by now
		p.must(c.Exchange())
		p.must(c.Close())
	}
	<-time.After(window * 8 / 10)
	p.same("within the window after a long connection", before, p.landings(p.MFDs, 5014))
	p.await("all windows have ended", func(s api.Snapshot) bool { return s.Groups[0].Clients == 0 })
}

// C13: the window is changed while the box runs; no binding is lost.
func TestChangedWindowLosesNoBinding(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 20}, `affinity = "4s"`)
	before := p.landings(p.MFDs, 5011)
	for _, window := range []string{"30s", "3s"} {
		seq := p.now()
		p.must(p.box.Configure(p.Config(fmt.Sprintf("affinity = %q", window))))
		p.must(p.box.Reload())
		p.awaitEvent("the changed configuration", seq, func(e api.Event) bool { return e.Kind == event.ConfigChanged })
		if window == "30s" {
			<-time.After(5 * time.Second) // the old window is over
		}
		if s := p.await("the bindings", func(api.Snapshot) bool { return true }); s.Groups[0].Clients != len(p.MFDs) {
			t.Errorf("window %s: %d of %d bindings are left", window, s.Groups[0].Clients, len(p.MFDs))
		}
		p.same("window "+window, before, p.landings(p.MFDs, 5012))
	}
}

// C13, second half: a window below 30 minutes is refused with the sentence of
// the requirement.
func TestWindowBelowThirtyMinutesIsRefusedWithTheRequirementsSentence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.toml")
	text := "[[group]]\nvirtual_address = \"198.18.0.10\"\naffinity = \"29m59s\"\nnode = [{ address = \"198.18.0.11\" }]\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program("spoolctl"), "config", "check", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Affinity needs to be set for a minimum of 30 minutes") {
		t.Errorf("spoolctl config check: %v\n%s", err, out)
	}
}

// C14: when a node goes, its MFDs move once; when it is back, they stay.
func TestMFDsOfALostNodeMoveOnceAndStay(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 30})
	before := p.landings(p.MFDs, 5011)
	seq := p.now()
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	moved := p.landings(p.MFDs, 5012)
	for i := range moved {
		if moved[i] == "A" || before[i] != "A" && moved[i] != before[i] {
			t.Errorf("MFD %d went from %s to %s", i, before[i], moved[i])
		}
	}
	p.same("the second time", moved, p.landings(p.MFDs, 5013))
	p.awaitEvent("the move", seq, func(e api.Event) bool {
		return e.Kind == event.ClientMoved && strings.Contains(e.Text, "moved from A, which did not serve")
	})
	p.must(p.StartNode(0))
	p.awaitHealth(0, api.Up)
	p.same("after the node's return", moved, p.landings(p.MFDs, 5014))
}

// C15: a restart or a kill of the balancer and a reload change no binding and
// touch no connection.
func TestRestartKillAndReloadKeepBindingsAndConnections(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 16})
	stop := p.traffic(p.MFDs[:8])
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

// G32: a balancer that hangs, and is then killed and started by whoever
// supervises it, is missed by nobody: connections go on, known MFDs stay, new
// ones are dealt by the last plan.
func TestHungBalancerIsMissedByNobody(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 30})
	stop := p.traffic(p.MFDs[:8])
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
func (p *place) traffic(mfds []*mfd.MFD) (stop func()) {
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
				case <-time.After(5 * time.Millisecond):
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
