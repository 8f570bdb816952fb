package acceptance

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

const (
	groupName   = "print.example.com"
	reverseName = "10.0.18.198.in-addr.arpa"
)

var resolver = netip.MustParseAddr("198.18.0.53")

// dig asks the box from a printer's own address.
func (p *place) dig(m *mfd.MFD, args ...string) string {
	p.Helper()
	out, err := m.Namespace.Output("dig", append([]string{"@" + site.BoxAddress.String(), "-b", m.Address.String(), "+tries=3", "+time=2"}, args...)...)
	p.must(err)
	return out
}

// The names are answered for over UDP and TCP, for everybody, and nothing else is.
func TestBoxAnswersForItsNamesOnly(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, fmt.Sprintf("dns_name = %q", groupName))
	m := p.MFDs[0]
	p.must(p.answers(m))
	for _, transport := range []string{"+notcp", "+tcp"} {
		for _, tt := range []struct{ ask, want string }{
			{groupName + " A", "print.example.com.\t60\tIN\tA\t198.18.0.10"},
			{strings.ToUpper(groupName) + " A", "A\t198.18.0.10"},
			{"-x 198.18.0.10", reverseName + ". 60\tIN\tPTR\tprint.example.com."},
			{groupName + " AAAA", "status: NOERROR"},
			{groupName + " AAAA", "ANSWER: 0"},
			{groupName + " ANY", "RFC8482"},
			{groupName + " NS", "IN\tNS\tns.print.example.com."},
			{"ns." + groupName + " A", "IN\tA\t" + site.BoxAddress.String()},
			{"ns." + groupName + " A", "flags: qr aa"},
			{groupName + " AAAA", "IN\tSOA\tns.print.example.com. hostmaster.print.example.com."},
			{groupName + " A +opcode=NOTIFY", "status: NOTIMP"},
			{groupName + " A +opcode=UPDATE", "status: NOTIMP"},
			{groupName + " AXFR", "Transfer failed"},
			{groupName + " A +header-only", "status: FORMERR"},
			{"no." + groupName + " A", "flags: qr aa"},
			{"no." + groupName + " A", "status: NXDOMAIN"},
			{"example.org A", "status: REFUSED"},
			{"-x 198.18.0.11", "status: REFUSED"},
			{"version.bind TXT CH", "status: REFUSED"},
			{groupName + " A +edns=1 +noednsneg", "status: BADVERS"},
		} {
			out := p.dig(m, append(strings.Fields(tt.ask), transport)...)
			if !strings.Contains(out, tt.want) || strings.Contains(out, "recursion available") || strings.Contains(out, " ra;") {
				t.Errorf("%s %s:\n%s\nwant %q", tt.ask, transport, out, tt.want)
			}
		}
	}
	if out, err := m.Namespace.Output("dig", "@"+site.VIP.String(), groupName, "+tries=1", "+time=1"); err == nil {
		t.Errorf("the virtual address answers as well:\n%s", out)
	}
}

// The names are answered for in the network of the virtual address, and not where the
// nodes are; and nowhere once that is not wanted any more.
func TestNamesAreAnsweredForWhereMFDsAreAndOnlyIfWanted(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 1, MFDs: 1, TwoArms: true}, fmt.Sprintf("dns_name = %q", groupName))
	m := p.MFDs[0]
	p.must(p.answers(m))
	if out, err := p.Nodes[0].Namespace.Output("dig", "@198.19.0.2", groupName, "+tries=1", "+time=1"); err == nil {
		t.Errorf("answers nodes on their side:\n%s", out)
	}
	p.must(p.box.Configure(p.Config(fmt.Sprintf("dns_name = %q", groupName), "naming.listen = false")))
	p.must(p.box.Reload())
	for end := time.Now().Add(within); ; <-time.After(50 * time.Millisecond) {
		if _, err := m.Namespace.Output("dig", "@"+site.BoxAddress.String(), groupName, "+tries=1", "+time=1"); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("answers still")
		}
	}
}

// answers waits until the box answers for names.
func (p *place) answers(m *mfd.MFD) (err error) {
	for end := time.Now().Add(within); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		if _, err = m.Namespace.Output("dig", "@"+site.BoxAddress.String(), groupName, "+tries=1", "+time=1"); err == nil {
			return nil
		}
	}
	return err
}

// C16: a look-up by a printer inside its window renews it, also one by way of the
// site's resolver; the connection after it goes to the same node, though the window
// after its last connection is over.
func TestLookUpRenewsTheWindow(t *testing.T) {
	t.Parallel()
	const window = 4 * time.Second
	p := open(t, site.Options{Nodes: 2, MFDs: 5}, `affinity = "4s"`, fmt.Sprintf("dns_name = %q", groupName), fmt.Sprintf("naming.resolvers = [%q]", resolver))
	asking, byResolver, silent, stranger := p.MFDs[:2], p.MFDs[2], p.MFDs[3], p.MFDs[4]
	p.resolves()
	p.must(p.answers(stranger))
	before := p.landings(p.MFDs[:4], 5011)
	closed := time.Now()
	p.await("all bound, nothing open", func(s api.Snapshot) bool { return s.Groups[0].Clients == 4 && s.Groups[0].Connections == 0 })
	for i := range 3 {
		// The pause is what is tested.
		time.Sleep(time.Until(closed.Add(time.Duration(i+1) * window * 6 / 10)))
		p.dig(asking[0], groupName)
		p.dig(asking[1], "+tcp", "-x", site.VIP.String())
		out, err := byResolver.Namespace.Output("dig", "@"+resolver.String(), "-b", byResolver.Address.String(), groupName, "+short", "+tries=3", "+time=2")
		if p.must(err); out != site.VIP.String()+"\n" {
			t.Errorf("by way of the resolver: %s", out)
		}
		// Nobody else is believed to ask for another.
		p.dig(stranger, groupName, "+subnet="+silent.Address.String()+"/32")
	}
	s := p.await("who did not ask is forgotten", func(s api.Snapshot) bool { return s.Groups[0].Clients == 3 })
	if time.Since(closed) < window {
		t.Fatalf("the window is not over, and bound are %d", s.Groups[0].Clients)
	}
	p.same("after look-ups only", before[:3], p.landings(p.MFDs[:3], 5012))
	p.expectsProved("after look-ups", api.Pass, "affinity")
	if told := strings.Join(p.proved()["affinity"].Evidence, "\n"); strings.Contains(told, "renewed a window: 0") || !strings.Contains(told, "renewed a window: ") {
		t.Errorf("the look-ups are not told of:\n%s", told)
	}
	// A look-up binds nobody.
	if found, err := p.box.Clients(t.Context(), stranger.Address.String()); err != nil || len(found) != 0 {
		t.Errorf("bound by a look-up: %+v %v", found, err)
	}
}

// resolves has a resolver (dnsmasq) of the site forward questions for the group's name
// to the box, and say who asked.
func (p *place) resolves() {
	p.Helper()
	space, err := p.Rack()
	p.must(err)
	p.must(space.Address("service", netip.PrefixFrom(resolver, site.Network.Bits())))
	cmd := exec.Command("/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv", "--no-hosts", "--bind-interfaces",
		"--listen-address="+resolver.String(), "--server=/"+groupName+"/"+site.BoxAddress.String(), "--add-subnet=32")
	cmd.Stderr = p.Output()
	p.must(space.Start(cmd))
	p.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}
