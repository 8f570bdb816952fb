package acceptance

import (
	"context"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

// calling has an MFD try a port over and over, as MFDs do, until the function that
// it returns is called.
func (p *place) calling(m *mfd.MFD, port uint16) (stop func()) {
	ctx, cancel := context.WithCancel(p.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			try, giveUp := context.WithTimeout(ctx, 1300*time.Millisecond) // its first packet is repeated after 1 s
			if c, err := m.Namespace.Dial(try, m.Address, p.at(port)); err == nil {
				c.Close()
			}
			giveUp()
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() { cancel(); <-done }
}

// recognised waits for a mistake to be told, and wants it among those that are
// shown: in the snapshot, and by spoolctl.
func (p *place) recognised(kind, node, text string) {
	p.Helper()
	p.awaitEvent(kind, 0, func(e api.Event) bool {
		return e.Kind == kind && e.Node == node && e.Severity == event.Warning && strings.Contains(e.Text, text)
	})
	p.await(kind+" in the snapshot", func(s api.Snapshot) bool {
		for _, m := range s.Groups[0].Mistakes {
			if m.Kind == kind && m.Node == node && strings.Contains(m.Text, text) {
				return true
			}
		}
		return false
	})
	shown, err := exec.Command(program("spoolctl"), "-socket", filepath.Join(p.box.Dir, "balancerd.sock"), "status").CombinedOutput()
	if err != nil || !strings.Contains(string(shown), text) {
		p.Errorf("spoolctl status shows\n%s%v", shown, err)
	}
}

// awaitBound waits until the box knows of that many MFDs.
func (p *place) awaitBound(n int) {
	p.Helper()
	p.await("bound MFDs", func(s api.Snapshot) bool { return s.Groups[0].Clients == n })
}

// over waits for the end of a mistake, which was told once.
func (p *place) over(kind, node string) {
	p.Helper()
	p.awaitEvent("the end of "+kind, 0, func(e api.Event) bool {
		return e.Kind == kind && e.Node == node && e.Severity == event.Notice
	})
	p.await("no mistakes", func(s api.Snapshot) bool { return len(s.Groups[0].Mistakes) == 0 })
	events, err := p.box.Events(p.Context(), 0)
	p.must(err)
	told := 0
	for _, e := range events {
		if e.Kind == kind && e.Severity == event.Warning {
			told++
		}
	}
	if told != 1 {
		p.Errorf("%s was told %d times", kind, told)
	}
}

// A transparent node with another default gateway answers the probes, and no MFD.
func TestTransparentNodeWithAnotherGatewayIsNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1, TwoArms: true}, `mode = "transparent"`)
	p.bindToA()
	p.shell(0, "ip route replace default via 198.19.0.99")
	stop := p.calling(p.MFDs[0], 5011)
	p.recognised(event.NodeReplies, "A", "set the default gateway of A to 198.19.0.2")
	p.shell(0, "ip route replace default via 198.19.0.2")
	p.over(event.NodeReplies, "A")
	stop()
}

// In one network with its MFDs a transparent node answers them directly, from an
// address that they did not ask.
func TestTransparentNodeInTheNetworkOfItsMFDsIsNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, `mode = "transparent"`)
	defer p.calling(p.MFDs[0], 5011)()
	s := p.await("a mistake", func(s api.Snapshot) bool { return len(s.Groups[0].Mistakes) > 0 })
	p.recognised(event.NodeReplies, s.Groups[0].Mistakes[0].Node, `Set the group's mode to "masked"`)
}

// A service that listens on 127.0.0.1 only. What one client alone meets at a port would
// not be enough.
func TestServiceThatListensToItselfOnlyIsNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2})
	p.bindToA()
	p.must(p.Nodes[0].StopService(node.WebDAV))
	l, err := p.Nodes[0].Namespace.Listen(netip.MustParseAddrPort("127.0.0.1:5610"))
	p.must(err)
	defer l.Close()
	for _, m := range p.MFDs {
		defer p.calling(m, node.WebDAV)()
	}
	p.recognised(event.NodePort, "A", "node A refuses port 5610 to MFDs")
	p.must(p.Nodes[0].StartService(node.WebDAV))
	p.over(event.NodePort, "A")
}

// A checked service that listens on 127.0.0.1 only: the node was never Up.
func TestCheckedServiceThatListensToItselfOnlyIsNamed(t *testing.T) {
	t.Parallel()
	p := build(t, site.Options{Nodes: 2})
	p.must(p.Nodes[0].StopService(node.SPOC))
	l, err := p.Nodes[0].Namespace.Listen(netip.MustParseAddrPort("127.0.0.1:5555"))
	p.must(err)
	defer l.Close()
	p.box, err = p.AddBox()
	p.must(err)
	p.recognised(event.NodeCheck, "A", "node A has refused its checks on port 5555 ever since this box knows it")
	p.must(p.Nodes[0].StartService(node.SPOC))
	p.over(event.NodeCheck, "A")
}

// A firewall on the node that lets the probes in and one port of the MFDs not.
func TestFirewallOfANodeIsNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2})
	p.bindToA()
	p.shell(0, "nft 'table ip fw { chain in { type filter hook input priority 0; tcp dport 5013 drop; }; }'")
	for _, m := range p.MFDs {
		defer p.calling(m, 5013)()
	}
	p.recognised(event.NodeFirewall, "A", "node A gives MFDs no answer on port 5013")
	p.shell(0, "nft flush table ip fw")
	p.over(event.NodeFirewall, "A")
}

// Many MFDs behind one address.
func TestMFDsBehindOneAddressAreNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2})
	for range 45 {
		p.visit(p.MFDs[0], 5011)
	}
	for range 5 {
		p.visit(p.MFDs[1], 5011)
	}
	p.recognised(event.ClientShared, "", "MFDs arrive behind one address: more connections are open at once from 198.18.1.1 than one MFD has (45, on node")
}

// An FTP server that announces the address that the world knows it by.
func TestFTPServerThatAnnouncesAnUnreachableAddressIsNamed(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1, Node: func(c *node.Config) { c.NoFTP = true }})
	p.bindToA()
	stop := p.vsftpd(0, "pasv_address=203.0.113.9")
	for range 3 {
		if text := p.login(p.MFDs[0]).say(227, "pasv"); !strings.Contains(text, "(203,0,113,9,") {
			t.Fatalf("the MFD was told %q", text)
		}
	}
	p.recognised(event.NodeFTPAddress, "A", "the FTP server of node A announces 203.0.113.9 to MFDs, which is not its own address 198.18.0.11")
	stop()
	stop = p.vsftpd(0, "pasv_address="+site.VIP.String())
	p.login(p.MFDs[0]).say(227, "pasv")
	stop() // still the same mistake
	p.vsftpd(0)
	f := p.login(p.MFDs[0])
	f.say(250, "cwd upload")
	f.send(f.passive("pasv"))
	p.over(event.NodeFTPAddress, "A")
}

// An MFD whose scans go to a node itself, where the box is on the way.
func TestMFDThatBypassesTheVirtualAddressIsNamed(t *testing.T) {
	for name, mode := range map[string]string{"masked": `mode = "masked"`, "transparent": `mode = "transparent"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, site.Options{Nodes: 2, MFDs: 2, TwoArms: true}, mode)
			p.landings(p.MFDs[:1], 5011)
			p.awaitBound(1)
			for _, m := range []*mfd.MFD{p.MFDs[1], p.MFDs[0]} { // the first is no MFD of the box's
				c, err := m.Namespace.Dial(t.Context(), m.Address, netip.AddrPortFrom(p.NodeAddress(1), node.FTP))
				if (err == nil) != (name == "transparent") {
					t.Errorf("at the node's own address: %v", err)
				}
				if err == nil {
					c.Close()
				}
			}
			p.recognised(event.ClientBypass, "B", "MFD 198.18.1.1 uses 198.19.0.12, node B's own address, instead of the virtual address 198.18.0.10")
		})
	}
}

// In one network the MFD's packets to the node pass the box by; the answers of a
// node that sends everything to its gateway do not.
func TestMFDThatBypassesTheVirtualAddressIsNamedByTheAnswersToIt(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, `mode = "transparent"`)
	p.shell(1, "ip addr replace 198.18.0.12/32 dev eth0; ip addr del 198.18.0.12/16 dev eth0; ip route replace 198.18.0.2 dev eth0; ip route replace default via 198.18.0.2")
	p.shell(0, "ip addr replace 198.18.0.11/32 dev eth0; ip addr del 198.18.0.11/16 dev eth0; ip route replace 198.18.0.2 dev eth0; ip route replace default via 198.18.0.2")
	p.landings(p.MFDs, 5011)
	p.awaitBound(1)
	c, err := p.MFDs[0].Namespace.Dial(t.Context(), p.MFDs[0].Address, netip.AddrPortFrom(p.NodeAddress(1), node.FTP))
	p.must(err)
	defer c.Close()
	p.recognised(event.ClientBypass, "B", "MFD 198.18.1.1 uses 198.18.0.12, node B's own address")
}
