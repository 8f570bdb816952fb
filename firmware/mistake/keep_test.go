package mistake

import (
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/event"
)

func TestFindingsOfRemovedNodesAreOver(t *testing.T) {
	p := open(t, true).announced("127.0.0.1:1", false).direct("198.18.1.20").
		refused(5610).refused(5610).after(15 * time.Second).refused(5610)
	p.Busy(p.now, p.n.Place, mfd, Crowd)
	p.after(10 * time.Second)
	if len(p.told) != 4 {
		t.Fatalf("told %+v", p.told)
	}
	p.told = p.Keep([]Node{p.n})
	p.want().wantOpen(event.ClientBypass, event.NodeFTPAddress, event.NodePort, event.ClientShared)
	other := p.n
	other.Address = other.Address.Next()
	if p.Keep([]Node{other}); len(p.contacts)+len(p.strays) > 0 {
		t.Error("what is known of the node's old address is kept")
	}
	p.wantOpen(event.ClientShared)
	p.told = p.Keep(nil)
	p.want("client.shared|notice|no longer configured").wantOpen()
}

func TestFindingsOfPortsThatAreNotConfiguredAnyMoreAreOver(t *testing.T) {
	p := open(t, false).refused(5610).refused(5610).refused(21).refused(21).after(15 * time.Second).refused(5610).refused(21)
	for range 40 {
		p.told = append(p.told, p.Checked(p.now, p.n, 5022, false, true)...)
		p.after(5 * time.Second)
	}
	p.told = nil
	p.n.Passes = func(port uint16) bool { return port != 5610 }
	p.told = p.Keep([]Node{p.n})
	p.want().wantOpen(event.NodePort, event.NodeCheck)
	if text := p.Open("print")[0].Text; strings.Contains(text, "5610") || !strings.Contains(text, "port 21") {
		t.Error(text)
	}
	p.n.Passes, p.n.Checks = func(uint16) bool { return false }, []uint16{5555}
	p.told = p.Keep([]Node{p.n})
	p.want("node.check|notice|port 5022 of node B is not checked any more", "node.port|notice|port 21 is not passed to node B any more").wantOpen()
}
