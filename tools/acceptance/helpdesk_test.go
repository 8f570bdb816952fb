package acceptance

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// Everything that a help desk asks of one MFD, and what would follow if its node
// went: shown against what really happens.
func TestHelpDeskKnowsOneMFD(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"masked", "transparent"} {
		t.Run(mode, func(t *testing.T) {
			p := open(t, site.Options{Nodes: 2, MFDs: 12, TwoArms: mode == "transparent"}, fmt.Sprintf("mode = %q", mode))
			before := p.landings(p.MFDs, 5011)
			one := p.MFDs[0]
			held := p.visit(one, 5012)
			const scan = 1 << 20
			start := time.Now()
			_, err := one.FTP(p.Context(), mfd.PASV, scan)
			p.must(err)
			const tick = 10 * time.Millisecond // of the kernel's clock, at the most
			took := time.Since(start) + tick
			known := p.awaitMFD(one, func(m api.MFD) bool { return len(m.Transfers) == 2 && len(m.Open) > 0 })
			switch b := known.Bound; {
			case len(b) != 1 || b[0].Node != before[0] || b[0].SeenAs != held.Client.Addr() || b[0].NodeState != "Up, in service":
				t.Errorf("bound %+v; it landed on %s, which sees it as %s", b, before[0], held.Client)
			case b[0].Left <= 0 || b[0].Why == "" || b[0].Since.IsZero():
				t.Errorf("of the window: %+v", b[0])
			}
			if o := known.Open[0]; o.Port != 5012 || o.Node != before[0] || o.SeenAs != held.Client.Addr() || o.Since.IsZero() {
				t.Errorf("open: %+v", known.Open)
			}
			// It was sent, and fetched again.
			for _, tr := range known.Transfers {
				if !tr.Data || tr.Sent+tr.Received < scan || tr.Node != before[0] || tr.Ended.Before(tr.Since) || tr.Ended.Sub(tr.Since) > took {
					t.Errorf("the scan, which took %v both ways, is known as %+v", took, tr)
				}
			}

			i := 0
			if before[0] == "B" {
				i = 1
			}
			for _, words := range []string{"mfd", "forget"} {
				out, err := exec.Command(program("spoolctl"), "-socket", filepath.Join(p.box.Dir, "balancerd.sock"), words, "198.18.0.10").CombinedOutput()
				if err == nil || !strings.Contains(string(out), "198.18.0.10 is the virtual address of group print, not an MFD") {
					t.Errorf("spoolctl %s with the virtual address: %v\n%s", words, err, out)
				}
			}
			rehearsed, err := p.box.Rehearse(t.Context(), "print", before[0])
			p.must(err)
			p.must(p.Nodes[i].Kill())
			p.awaitHealth(i, api.Down)
			p.landings(p.MFDs, 5011)
			s := p.await("all are on the other node", func(s api.Snapshot) bool { return s.Groups[0].Nodes[1-i].Clients == len(p.MFDs) })
			other := s.Groups[0].Nodes[1-i]
			if rehearsed.Moves != 6 || rehearsed.Holds[other.Name] != other.Clients {
				t.Errorf("rehearsed %+v; the other node holds %d now", rehearsed, other.Clients)
			}
			moved := p.awaitMFD(one, func(m api.MFD) bool { return len(m.Moves) > 0 })
			if v := moved.Moves[0]; v.From != before[0] || v.To != other.Name || v.Why == "" || moved.Bound[0].Node != other.Name {
				t.Errorf("moved: %+v, bound %+v", moved.Moves, moved.Bound)
			}
		})
	}
}

// awaitMFD asks about an MFD until it is as wanted.
func (p *place) awaitMFD(m *mfd.MFD, is func(api.MFD) bool) api.MFD {
	p.Helper()
	for end := time.Now().Add(within); ; <-time.After(100 * time.Millisecond) {
		known, err := p.box.MFD(p.Context(), m.Address)
		p.must(err)
		if is(known) {
			return known
		}
		if time.Now().After(end) {
			p.Fatalf("%s is known as %+v", m.Address, known)
		}
	}
}
