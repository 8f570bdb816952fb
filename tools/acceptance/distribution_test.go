package acceptance

import (
	"fmt"
	"math"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// bound counts MFDs by node, as the box tells once it knows of all of them.
func (p *place) bound(n int) map[string]int {
	p.Helper()
	s := p.await(fmt.Sprintf("%d MFDs bound", n), func(s api.Snapshot) bool { return s.Groups[0].Clients == n })
	count := map[string]int{}
	for _, node := range s.Groups[0].Nodes {
		count[node.Name] = node.Clients
	}
	return count
}

// firstContacts has MFDs open several ports each, all MFDs within a moment, and
// counts where they landed.
func (p *place) firstContacts(mfds []*mfd.MFD) map[string]int {
	p.Helper()
	nodes := make([]string, len(mfds))
	p.each(len(mfds), func(i int) error {
		all, err := mfds[i].ConnectAll([]uint16{5011, 5012, 5022, 5610})
		if err != nil {
			return err
		}
		p.Cleanup(func() { mfd.CloseAll(all) })
		nodes[i] = all[0].Node
		return nil
	})
	landed := map[string]int{}
	for _, n := range nodes {
		landed[n]++
	}
	return landed
}

// D17: 200 MFDs that appear at once, each on several ports, are spread over two
// nodes with a difference of at most one.
func TestTwoHundredNewMFDsAreSpreadEvenly(t *testing.T) {
	p := open(t, site.Options{Nodes: 2, MFDs: 200})
	landed := p.firstContacts(p.MFDs)
	if d := landed["A"] - landed["B"]; d < -1 || d > 1 {
		t.Errorf("landed %v", landed)
	}
	if told := p.bound(200); told["A"] != landed["A"] || told["B"] != landed["B"] {
		t.Errorf("the box tells %v, true is %v", told, landed)
	}
	p.expectsProved("after 200 first contacts", api.Pass, "uniform least-connections")
}

// D17: over ten seconds, as MFDs come when a building's power returns: one after
// the other, a few at a time.
func TestNewMFDsThatComeBitByBitAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 200})
	landed := map[string]int{}
	for i := 0; i < len(p.MFDs); i += 8 {
		for node, n := range p.firstContacts(p.MFDs[i : i+8]) {
			landed[node] += n
		}
	}
	if d := landed["A"] - landed["B"]; d < -1 || d > 1 {
		t.Errorf("landed %v", landed)
	}
}

// D17: weights are respected.
func TestWeightsAreRespected(t *testing.T) {
	t.Parallel()
	p := build(t, site.Options{Nodes: 3, MFDs: 180})
	p.serve(fmt.Sprintf("node = [{ address = %q, weight = 1 }, { address = %q, weight = 2 }, { address = %q, weight = 3 }]",
		p.NodeAddress(0), p.NodeAddress(1), p.NodeAddress(2)))
	landed := p.firstContacts(p.MFDs)
	for node, want := range map[string]int{"A": 30, "B": 60, "C": 90} {
		if math.Abs(float64(landed[node]-want)) > 1 {
			t.Errorf("%s got %d MFDs, want %d: %v", node, landed[node], want, landed)
		}
	}
}

// D18: with connections open, a new MFD goes to the node with the fewest.
func TestNewMFDGoesToTheNodeWithTheFewestConnections(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 6})
	heavy, light := p.visit(p.MFDs[0], 5011), p.visit(p.MFDs[1], 5011)
	if heavy.Node == light.Node {
		t.Fatalf("the first two MFDs are both on %s", heavy.Node)
	}
	for i := range 29 {
		p.visit(p.MFDs[0], mfd.TerminalPorts()[i%15])
	}
	// MFDs count as average ones for their first ten seconds, while they may
	// open further connections.
	opened := time.Now()
	p.await("the MFDs are settled", func(s api.Snapshot) bool { return s.Time.After(opened.Add(10 * time.Second)) })
	for i, m := range p.MFDs[2:4] {
		if c := p.visit(m, 5011); c.Node != light.Node {
			t.Errorf("%s has 30 connections, and new MFD %d went to it", c.Node, i)
		}
	}
}

// D19, its short half: a node that returns gets the new MFDs until it holds as
// many as the other, and no bound MFD moves.
func TestReturnedNodeGetsTheNewMFDs(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 40})
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	held := p.firstContacts(p.MFDs[:20])
	if held["B"] != 20 {
		t.Fatalf("landed %v with A down", held)
	}
	p.must(p.StartNode(0))
	p.awaitHealth(0, api.Up)
	if landed := p.firstContacts(p.MFDs[20:]); landed["A"] != 20 {
		t.Errorf("landed %v; A had none and B had 20", landed)
	}
	if got := p.bound(40); got["A"] != 20 || got["B"] != 20 {
		t.Errorf("bound %v", got)
	}
}
