package acceptance

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// F25: over a whole session of an MFD, on all ports, FTP data and WebDAV among
// them, and over the loss of its node, the nodes see it under one address: the
// virtual one, or its own where the group is transparent.
func TestNodesSeeAnMFDUnderOneAddress(t *testing.T) {
	for name, transparent := range map[string]bool{"masked": false, "transparent": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, mode := site.Options{Nodes: 2, MFDs: 4}, `mode = "masked"`
			if transparent {
				o.TwoArms, mode = true, `mode = "transparent"`
			}
			p := open(t, o, mode)
			for _, m := range p.MFDs {
				want := site.VIP
				if transparent {
					want = m.Address
				}
				p.session(m, want)
			}
			lost := 0
			if p.visit(p.MFDs[0], 5011).Node == "B" {
				lost = 1
			}
			p.must(p.Nodes[lost].Kill())
			p.awaitHealth(lost, api.Down)
			want := site.VIP
			if transparent {
				want = p.MFDs[0].Address
			}
			p.session(p.MFDs[0], want)
			p.expectsProved("after all that", api.Pass, "single-source same-node affinity ports-terminal ports-webdav ports-ftp passive-ftp down-after")
			for _, line := range p.proved()["single-source"].Evidence {
				if strings.Contains(line, "under another address") {
					t.Error(line)
				}
			}
		})
	}
}

// session is what an MFD does in a day; each part of it must come to one node
// from one address.
func (p *place) session(m *mfd.MFD, want netip.Addr) {
	p.Helper()
	at := ""
	check := func(what, node string, as netip.Addr) {
		p.Helper()
		if at == "" {
			at = node
		}
		if node != at || as != want {
			p.Errorf("%s, %s: %s saw %s, want %s to see %s", m.Address, what, node, as, at, want)
		}
	}
	all, err := m.ConnectAll(mfd.Ports())
	p.must(err)
	for _, c := range all {
		check("connection", c.Node, c.Client.Addr())
	}
	mfd.CloseAll(all)
	// The node's FTP server serves a data connection only to the address that
	// the control connection came from.
	for _, mode := range []mfd.FTPMode{mfd.PASV, mfd.EPSV} {
		scan, err := m.FTP(p.Context(), mode, 100_000)
		p.must(err)
		check("FTP by "+string(mode), scan.Node, scan.SeenAs)
	}
	scan, err := m.WebDAV(p.Context(), 100_000, 10*time.Millisecond)
	p.must(err)
	check("WebDAV", scan.Node, scan.SeenAs)
}

// A node of the group that talks to its own virtual address is served, and
// masked, or its answers would not come back by the box.
func TestNodeThatTalksToItsOwnGroupIsServed(t *testing.T) {
	for name, o := range map[string]site.Options{"one arm": {Nodes: 2}, "two arms": {Nodes: 2, TwoArms: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mode := `mode = "masked"`
			if o.TwoArms {
				mode = `mode = "transparent"`
			}
			p := open(t, o, mode)
			for i := range p.Nodes {
				itself := &mfd.MFD{Namespace: p.Nodes[i].Namespace, Address: p.NodeAddress(i), Box: site.VIP}
				for _, port := range mfd.Ports() {
					if c := p.visit(itself, port); c.Client.Addr() != site.VIP {
						t.Errorf("node %d came to %s as %s", i, c.Node, c.Client.Addr())
					}
				}
			}
		})
	}
}
