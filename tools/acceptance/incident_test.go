package acceptance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

// incidents waits until the box's incidents are as wanted.
func (p *place) incidents(what string, is func([]api.Incident) bool) []api.Incident {
	p.Helper()
	for end := time.Now().Add(within); ; <-time.After(50 * time.Millisecond) {
		list, err := p.box.Incidents(p.Context())
		p.must(err)
		if is(list) {
			return list
		}
		if time.Now().After(end) {
			p.Fatalf("%s: the incidents are %+v", what, list)
		}
	}
}

// phases are the reports of one incident that a person reads, in order.
func (p *place) phases(id uint64) (out []api.Phase) {
	p.Helper()
	for r, err := range p.box.FollowReports(p.Context(), 0) {
		p.must(err)
		if r.Incident != nil && r.Incident.ID == id && r.Phase != api.Update {
			out = append(out, r.Phase)
			if r.Phase == api.Clear {
				return out
			}
		}
	}
	return out
}

// A node that dies is one incident from its beginning to its end, whatever it dies of:
// with what was seen, how many MFDs moved, and what to do.
func TestDeadNodeIsOneIncident(t *testing.T) {
	for name, dead := range map[string]struct {
		dies, returns func(*place) error
		seen          string // by the probes
	}{
		"killed": {func(p *place) error { return p.Nodes[0].Kill() }, func(p *place) error { return p.StartNode(0) }, "refused the connection"},
		"cut off": {func(p *place) error { return p.PullCable(0) }, func(p *place) error { return p.PutCable(0) },
			"did not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, site.Options{Nodes: 2, MFDs: 10})
			p.landings(p.MFDs, 5011)
			p.must(dead.dies(p))
			p.awaitHealth(0, api.Down)
			p.landings(p.MFDs, 5011)
			i := p.incidents("with the moved MFDs", func(l []api.Incident) bool { return len(l) == 1 && l[0].Moved == 5 })[0]
			if i.Kind != event.NodeDown || i.Node != "A" || !i.Open() || i.Severity != event.Warning || i.Do == "" || !strings.HasPrefix(i.Cause, "A is Down: port ") {
				t.Errorf("%+v", i)
			}
			if !slices.ContainsFunc(i.Evidence, func(e string) bool { return strings.HasPrefix(e, "port 5022 (Terminal Server) "+dead.seen) }) ||
				!slices.ContainsFunc(i.Evidence, func(e string) bool { return strings.Contains(e, "No spare") }) {
				t.Errorf("the evidence is %q", i.Evidence)
			}
			if s := p.await("the incident", func(s api.Snapshot) bool { return len(s.Incidents) > 0 }); s.Incidents[0].ID != i.ID {
				t.Errorf("the state tells of %+v", s.Incidents)
			}
			p.must(dead.returns(p))
			p.allServe()
			p.incidents("after the node is back", func(l []api.Incident) bool { return len(l) == 1 && !l[0].Open() })
			if got := p.phases(i.ID); !slices.Equal(got, []api.Phase{api.Begin, api.Clear}) {
				t.Errorf("told as %v", got)
			}
		})
	}
}

// The box's own cable is one incident until people print again, however many nodes it
// takes with it.
func TestPulledCableOfTheBoxIsOneIncident(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2}, `checks.up_delay = "1s"`)
	_, err := p.Switch.Output("nft", "table bridge pulled { chain forward { type filter hook forward priority 0; policy drop; }; }")
	p.must(err)
	p.awaitHealth(0, api.Down) // the doubt ends with the up-delay
	p.awaitHealth(1, api.Down)
	list := p.incidents("with all nodes Down", func(l []api.Incident) bool { return len(l) > 0 })
	if len(list) != 1 || list[0].Kind != event.BoxSuspicion || list[0].Severity != event.Alert {
		t.Errorf("%+v", list)
	}
	_, err = p.Switch.Output("nft", "delete", "table", "bridge", "pulled")
	p.must(err)
	p.allServe()
	p.incidents("when all nodes serve", func(l []api.Incident) bool { return len(l) == 1 && !l[0].Open() })
	if got := p.messages(); !slices.Equal(got, []api.Phase{api.Begin, api.Clear}) {
		t.Errorf("told as %v", got)
	}
}

// A balancer that is killed while both cables are out still takes it for its own trouble
// when it is back: what was open goes on, and all is well with the first answer.
func TestKilledBalancerBlamesNoNodeForTheCable(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2}, `checks.up_delay = "5m"`)
	held := p.visit(p.MFDs[0], 5012)
	_, err := p.Switch.Output("nft", "table bridge pulled { chain forward { type filter hook forward priority 0; policy drop; }; }")
	p.must(err)
	p.await("the suspicion", func(s api.Snapshot) bool { return s.Box.Suspicion != "" })
	p.incidents("with the cables out", func(l []api.Incident) bool { return len(l) == 1 && l[0].Open() })
	p.awaitFile(filepath.Join(p.box.Dir, "state", "events"), event.BoxSuspicion)
	p.must(p.box.Kill())
	p.must(p.box.Start())
	for i := range p.Nodes {
		n := p.awaitNode(i, "more misses than make it Down", func(n api.Node) bool {
			return n.Health == api.Down || slices.ContainsFunc(n.Ports, func(port api.Port) bool { return port.Misses > 5 })
		})
		if n.Health != api.Checking {
			t.Errorf("%s is %s: %s", n.Name, n.Health, n.HealthReason)
		}
	}
	_, err = p.Switch.Output("nft", "delete", "table", "bridge", "pulled")
	p.must(err)
	p.allServe()
	p.must(held.Exchange())
	p.incidents("with the cables in", func(l []api.Incident) bool { return len(l) == 1 && !l[0].Open() })
	if got := p.messages(); !slices.Equal(got, []api.Phase{api.Begin, api.Clear}) {
		t.Errorf("told as %v", got)
	}
}

// messages are the phases of all incidents that a person hears of who wants few.
func (p *place) messages() (out []api.Phase) {
	p.Helper()
	for _, r := range p.reports() {
		if r.Incident != nil && r.Phase != api.Update {
			out = append(out, r.Phase)
		}
	}
	return out
}

// B9: a node that comes and goes faster than its up-delay serves nobody, and is told
// as one trouble that comes and goes.
func TestNodeThatFlapsWithinItsUpDelayIsADigest(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 10}, `checks.up_delay = "5s"`)
	p.landings(p.MFDs, 5011)
	for range 10 {
		p.must(p.Nodes[0].StopService(node.SPOC))
		p.awaitHealth(0, api.Down)
		p.landings(p.MFDs, 5012)
		p.must(p.Nodes[0].StartService(node.SPOC))
		p.awaitHealth(0, api.Starting)
		for _, at := range p.landings(p.MFDs, 5013) {
			if at != "B" {
				t.Errorf("an MFD came to %s", at)
			}
		}
	}
	list := p.incidents("of the flaps", func(l []api.Incident) bool { return len(l) > 0 && l[0].Times == 10 })
	if len(list) != 1 || list[0].Moved != 5 {
		t.Errorf("%+v", list)
	}
	if got := p.messages(); !slices.Equal(got, []api.Phase{api.Begin, api.Digest}) {
		t.Errorf("told as %v", got)
	}
}

// B9: a node that serves in between moves nobody to and fro, and is told as little as
// that: a beginning, an end, and a summary of what comes after it.
func TestFlappingNodeMovesNobodyToAndFro(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 10}, `checks.up_delay = "300ms"`)
	p.landings(p.MFDs, 5011)
	held := ""
	for range 6 {
		p.must(p.Nodes[0].Kill())
		p.awaitHealth(0, api.Down)
		p.landings(p.MFDs, 5012)
		p.must(p.StartNode(0))
		p.awaitHealth(0, api.Starting)
		if n := p.await("a reason", func(s api.Snapshot) bool { return s.Groups[0].Nodes[0].Health != api.Down }).Groups[0].Nodes[0]; strings.Contains(n.HealthReason, "held back for 2.4s") {
			held = n.HealthReason
		}
		p.awaitHealth(0, api.Up)
		p.landings(p.MFDs, 5013)
	}
	if held == "" {
		t.Error("the node was not held back longer, or it was not said")
	}
	for _, m := range p.MFDs {
		known, err := p.box.MFD(t.Context(), m.Address)
		p.must(err)
		if len(known.Moves) > 1 || known.Bound[0].Node != "B" {
			t.Errorf("%s moved %d times: %+v", m.Address, len(known.Moves), known.Moves)
		}
	}
	list := p.incidents("of the flaps", func(l []api.Incident) bool { return len(l) > 0 })
	if len(list) != 1 || list[0].Times != 6 {
		t.Errorf("%+v", list)
	}
	if got := p.messages(); !slices.Equal(got, []api.Phase{api.Begin, api.Clear, api.Digest}) {
		t.Errorf("told as %v", got)
	}
}

// reports are all reports until now.
func (p *place) reports() (out []api.Report) {
	p.Helper()
	last := p.now()
	for r, err := range p.box.FollowReports(p.Context(), 0) {
		p.must(err)
		if out = append(out, r); r.Event.Seq >= last {
			break
		}
	}
	return out
}

// What was told is there after the balancer was killed and its journal torn: no
// number comes again, and the incident that lasts goes on.
func TestEventsOutliveAKillAndATornJournal(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2})
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	before := p.incidents("a node is Down", func(l []api.Incident) bool { return len(l) == 1 })
	down := p.awaitEvent("Down", 0, func(e api.Event) bool { return e.Kind == event.NodeHealth && e.State == string(api.Down) })
	dir := filepath.Join(p.box.Dir, "state", "events")
	p.awaitFile(dir, down.Text)
	p.must(p.box.Kill())
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	p.must(err)
	f, err := os.OpenFile(files[len(files)-1], os.O_APPEND|os.O_WRONLY, 0)
	p.must(err)
	_, err = f.WriteString(`1234abcd {"event":{"seq":99`)
	p.must(err)
	p.must(f.Close())
	last := p.now
	p.must(p.box.Start())
	if again := p.awaitEvent("Down, as told before the kill", down.Seq-1, func(e api.Event) bool { return e.Seq == down.Seq }); again.Text != down.Text || again.Incident != before[0].ID {
		t.Errorf("before the kill %+v, after it %+v", down, again)
	}
	if n := last(); n <= down.Seq {
		t.Errorf("the last number is %d, was %d", n, down.Seq)
	}
	after := p.incidents("after the kill", func(l []api.Incident) bool { return len(l) > 0 })
	if len(after) != 1 || after[0].ID != before[0].ID || !after[0].Open() {
		t.Errorf("before the kill %+v, after it %+v", before, after)
	}
}

// awaitFile waits until a file in a folder has a text in it.
func (p *place) awaitFile(dir, text string) {
	p.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), text) {
				return
			}
		}
	}
	p.Fatalf("nothing in %s has %q", dir, text)
}
