package acceptance

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

// spoolctl asks the box on its console.
func (p *place) spoolctl(args ...string) string {
	p.Helper()
	out, err := exec.Command(program("spoolctl"), append([]string{"-socket", filepath.Join(p.box.Dir, "balancerd.sock")}, args...)...).CombinedOutput()
	if err != nil {
		p.Fatalf("spoolctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The packets of the probes are there for who doubts the box, and a node that does
// not take the RST is named, while it and its neighbour serve on. What printers
// send to a probed port is none of the recorder's business.
func TestProbesAreRecordedAndANodeThatRepeatsItselfIsNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 10})
	p.shell(1, "nft 'table ip deaf { chain in { type filter hook prerouting priority -400; tcp dport { 5022, 5555 } tcp flags & rst != 0 drop; }; }'")
	p.landings(p.MFDs, node.TS)
	e := p.awaitEvent("the node that repeats itself", 0, func(e api.Event) bool { return e.Kind == event.NodeStubborn })
	if e.Node != "B" || e.Severity != event.Notice || !strings.Contains(e.Text, "B repeats its SYN-ACK") {
		t.Errorf("%+v", e)
	}
	s := p.await("repetitions are counted", func(s api.Snapshot) bool { return s.Groups[0].Nodes[1].Repeats >= 20 })
	if a, b := s.Groups[0].Nodes[0], s.Groups[0].Nodes[1]; a.Repeats != 0 || !a.Serving || !b.Serving {
		t.Errorf("A: %+v\nB: %+v", a, b)
	}
	var flown api.Flights
	p.must(json.Unmarshal([]byte(p.spoolctl("flights", "A", "-json")), &flown))
	whole := 0
	for _, f := range flown.Flights {
		if f.Outcome == api.Open && f.SYN.Before(f.SYNACK) && f.SYNACK.Before(f.RST) && f.Repeats == 0 {
			whole++
		}
	}
	if whole < len(flown.Flights)-4 || whole < 20 { // some may be under way, or from before the node was there
		t.Errorf("%d of %d probes of A are whole", whole, len(flown.Flights))
	}
	if table := p.spoolctl("flights", "B"); !strings.Contains(table, "B repeated its SYN-ACK ") || strings.Count(table, "\n") < 20 {
		t.Errorf("spoolctl flights B:\n%s", table)
	}
	file := filepath.Join(t.TempDir(), "b.pcap")
	p.spoolctl("pcap", "B", file)
	text, err := exec.Command("tcpdump", "-n", "-r", file).Output()
	p.must(err)
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, site.BoxAddress.String()+".") || !strings.Contains(line, p.NodeAddress(1).String()+".") {
			t.Errorf("not of a probe of B: %s", line)
		}
	}
	if n := strings.Count(string(text), "Flags [S.]"); n < 40 {
		t.Errorf("%d SYN-ACKs in the file", n)
	}
	events, err := p.box.Events(t.Context(), 0)
	p.must(err)
	told := 0
	for _, e := range events {
		if e.Kind == event.NodeStubborn {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
