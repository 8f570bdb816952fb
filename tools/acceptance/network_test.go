package acceptance

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/site"
)

// wholeBox is netd and balancerd as the image has them, in a machine without an
// address, and with the limits and times of a box on a site.
type wholeBox struct {
	*place
	space *netns.Namespace
	dir   string
}

func (p *place) wholeBox() *wholeBox {
	p.Helper()
	space, err := p.Rack()
	p.must(err)
	b := &wholeBox{p, space, p.TempDir()}
	config := "[service]\naddresses = [\"" + site.BoxAddress.String() + "/16\"]\n[[group]]\nvirtual_address = \"" + site.VIP.String() + "\"\nnode = ["
	for i := range p.Nodes {
		config += "{ address = \"" + p.NodeAddress(i).String() + "\" },"
	}
	p.must(os.WriteFile(b.file("config.toml"), []byte(strings.TrimSuffix(config, ",")+"]\n"), 0o600))
	b.start("netd", "-service", "service")
	b.start("balancerd", "-services", "")
	return b
}

func (b *wholeBox) file(name string) string { return filepath.Join(b.dir, name) }

func (b *wholeBox) start(name string, more ...string) {
	b.Helper()
	state := b.file(name)
	b.must(os.Mkdir(state, 0o750))
	cmd := exec.Command(program(name), append(more, "-config", b.file("config.toml"), "-state", state, "-socket", b.file(name+".sock"))...)
	cmd.Stderr = b.Output()
	b.must(b.space.Start(cmd))
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

// awaitVIP waits until netd tells that the virtual address is in a state.
func (b *wholeBox) awaitVIP(want api.HoldState) (v api.VirtualAddress) {
	b.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", b.file("netd.sock"))
	}}}
	var last error
	for end := time.Now().Add(within); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		resp, err := client.Get("http://netd/v1/network")
		if last = err; err != nil {
			continue
		}
		var n api.Network
		last = json.NewDecoder(resp.Body).Decode(&n)
		resp.Body.Close()
		if len(n.VirtualAddresses) == 1 {
			if v = n.VirtualAddresses[0]; v.State == want {
				return v
			}
		}
	}
	b.Fatalf("the virtual address is %+v, want %s (%v)", v, want, last)
	return v
}

// awaitNodes waits until balancerd answers and all nodes serve.
func (b *wholeBox) awaitNodes() {
	b.Helper()
	c := wire.NewClient(b.file("balancerd.sock"))
	for end := time.Now().Add(within); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if s, err := c.Snapshot(b.Context()); err == nil && serving(s) == len(b.Nodes) {
			return
		}
	}
	b.Fatal("the nodes do not serve")
}

// whoHas asks for the virtual address as an MFD does, several times, and returns
// the MACs that answer.
func (b *wholeBox) whoHas() map[string]bool {
	b.Helper()
	out, err := b.MFDs[0].Namespace.Output("arping", "-c", "3", "-I", "eth0", site.VIP.String())
	b.must(err)
	macs := map[string]bool{}
	for _, mac := range regexp.MustCompile(`\[([0-9A-Fa-f:]{17})\]`).FindAllStringSubmatch(out, -1) {
		macs[strings.ToLower(mac[1])] = true
	}
	return macs
}

// A1: the virtual address answers ARP from one MAC, that of the box, and printers
// are served by it.
func TestVirtualAddressAnswersFromOneMACAndServes(t *testing.T) {
	t.Parallel()
	p := build(t, site.Options{Nodes: 2, MFDs: 4})
	b := p.wholeBox()
	b.awaitVIP(api.Held)
	b.awaitNodes()
	mac, err := b.space.MAC("service")
	p.must(err)
	if got := b.whoHas(); len(got) != 1 || !got[mac.String()] {
		t.Errorf("%v answer for the virtual address, the box is %s", got, mac)
	}
	landed := map[string]int{}
	for _, node := range p.landings(p.MFDs, 5011) {
		landed[node]++
	}
	if landed["A"] != 2 || landed["B"] != 2 {
		t.Errorf("landed %v", landed)
	}
}

// A1: a virtual address that somebody else holds is refused with that machine's
// MAC, and the box answers for it only once it is free.
func TestVirtualAddressOfSomebodyElseIsRefusedUntilItIsFree(t *testing.T) {
	t.Parallel()
	p := build(t, site.Options{Nodes: 1, MFDs: 1})
	p.shell(0, "ip addr add "+site.VIP.String()+"/32 dev eth0")
	holder, err := p.Nodes[0].Namespace.MAC("eth0")
	p.must(err)
	b := p.wholeBox()
	if v := b.awaitVIP(api.Conflict); v.Holder != holder.String() || !strings.Contains(v.Reason, holder.String()) {
		t.Errorf("refused without the holder's MAC %s: %+v", holder, v)
	}
	if got := b.whoHas(); len(got) != 1 || !got[holder.String()] {
		t.Errorf("%v answer for an address that %s holds", got, holder)
	}
	p.shell(0, "ip addr del "+site.VIP.String()+"/32 dev eth0")
	b.awaitVIP(api.Held)
	b.awaitNodes()
	if at := p.landings(p.MFDs, 5011); at[0] != "A" {
		t.Errorf("landed on %s", at[0])
	}
}
