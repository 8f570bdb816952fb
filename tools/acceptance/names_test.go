package acceptance

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/netns"
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
	ofSite := p.nameserver()
	p.must(p.answers(stranger))
	before := p.landings(p.MFDs[:4], 5011)
	closed := time.Now()
	p.await("all bound, nothing open", func(s api.Snapshot) bool { return s.Groups[0].Clients == 4 && s.Groups[0].Connections == 0 })
	for i := range 3 {
		// The pause is what is tested.
		time.Sleep(time.Until(closed.Add(time.Duration(i+1) * window * 6 / 10)))
		p.dig(asking[0], groupName)
		p.dig(asking[1], "+tcp", "-x", site.VIP.String())
		_, err := ofSite.space.Output("dig", "@"+site.BoxAddress.String(), groupName, "+subnet="+byResolver.Address.String()+"/32", "+tries=3", "+time=2")
		p.must(err)
		// Nobody else is believed to ask for another.
		p.dig(stranger, groupName, "+subnet="+silent.Address.String()+"/32")
	}
	s := p.await("who did not ask is forgotten", func(s api.Snapshot) bool { return s.Groups[0].Clients == 3 })
	if time.Since(closed) < window {
		t.Fatalf("the window is not over, and bound are %d", s.Groups[0].Clients)
	}
	p.same("after look-ups only", before[:3], p.landings(p.MFDs[:3], 5012))
	// A look-up binds nobody.
	if found, err := p.box.Clients(t.Context(), stranger.Address.String()); err != nil || len(found) != 0 {
		t.Errorf("bound by a look-up: %+v %v", found, err)
	}
}

// nameserver is a real one, of the site.
type nameserver struct {
	*place
	space *netns.Namespace
	dir   string
	cmd   *exec.Cmd
}

func (p *place) nameserver() *nameserver {
	p.Helper()
	space, err := p.Rack()
	p.must(err)
	p.must(space.Address("service", netip.PrefixFrom(resolver, site.Network.Bits())))
	s := &nameserver{place: p, space: space, dir: p.TempDir()}
	config := fmt.Sprintf("server:\n ip-address: %s\n username: \"\"\n chroot: \"\"\n zonesdir: %q\n database: \"\"\n pidfile: \"\"\n zonelistfile: %q\n xfrdfile: %q\n"+
		"remote-control:\n control-enable: no\n", resolver, s.dir, filepath.Join(s.dir, "zones"), filepath.Join(s.dir, "xfrd"))
	for _, z := range []string{"example.com", "0.18.198.in-addr.arpa"} {
		config += fmt.Sprintf("zone:\n name: %q\n zonefile: %q\n", z, z)
	}
	p.must(os.WriteFile(filepath.Join(s.dir, "nsd.conf"), []byte(config), 0o644))
	s.zones(true, true)
	s.cmd = exec.Command("nsd", "-d", "-c", filepath.Join(s.dir, "nsd.conf"))
	p.must(space.Start(s.cmd))
	p.Cleanup(func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
	})
	return s
}

// zones writes the records of the group, or leaves one out.
func (s *nameserver) zones(forward, reverse bool) {
	s.Helper()
	for zone, record := range map[string]string{
		"example.com":           "print A 198.18.0.10",
		"0.18.198.in-addr.arpa": "10 PTR print.example.com.",
	} {
		if zone == "example.com" && !forward || zone != "example.com" && !reverse {
			record = ""
		}
		text := fmt.Sprintf("$TTL 5\n@ SOA ns.example.com. hostmaster.example.com. %d 60 60 3600 5\n@ NS ns.example.com.\n%s\n", time.Now().UnixNano()%1e9, record)
		s.must(os.WriteFile(filepath.Join(s.dir, zone), []byte(text), 0o644))
	}
	if s.cmd != nil {
		s.must(s.cmd.Process.Signal(syscall.SIGHUP))
	}
}

// A2: forward and reverse look-up of the virtual address agree; removing the PTR
// record raises an incident, and so does a name server that is gone.
func TestRemovedPTRRecordRaisesAnIncident(t *testing.T) {
	t.Parallel()
	p := build(t, site.Options{Nodes: 2, MFDs: 1})
	s := p.nameserver()
	p.serve(fmt.Sprintf("dns_name = %q", groupName), fmt.Sprintf("naming.resolvers = [%q]", resolver), `naming.interval = "1s"`)
	name := func(what string, is func(api.NameCheck) bool) {
		t.Helper()
		for end := time.Now().Add(within); ; <-time.After(50 * time.Millisecond) {
			found, err := p.box.Names(t.Context())
			p.must(err)
			if len(found.Checks) > 0 && is(found.Checks[0]) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v", what, found)
			}
		}
	}
	name("both are right", func(n api.NameCheck) bool {
		return n.ForwardWrong == "" && n.ReverseWrong == "" && n.Resolver == resolver.String() && len(n.Forward) == 1 && len(n.Reverse) == 1
	})
	s.zones(true, false)
	list := p.incidents("without the PTR record", func(l []api.Incident) bool { return len(l) > 0 })
	if i := list[0]; i.Kind != event.NameReverse || i.Group != "print" || !strings.Contains(i.Cause, "add a PTR record for 198.18.0.10 -> print.example.com") {
		t.Errorf("%+v", i)
	}
	s.zones(true, true)
	p.incidents("with the PTR record", func(l []api.Incident) bool { return !l[0].Open() })
	s.zones(false, true)
	list = p.incidents("without the A record", func(l []api.Incident) bool { return l[0].Open() })
	if list[0].Kind != event.NameForward {
		t.Errorf("%+v", list[0])
	}
	s.zones(true, true)
	p.incidents("with the A record", func(l []api.Incident) bool { return !l[0].Open() })
	p.must(s.space.Down("service"))
	list = p.incidents("with a dead name server", func(l []api.Incident) bool { return l[0].Open() })
	p.must(s.space.Up("service"))
	if list[0].Kind != event.NameServers {
		t.Errorf("%+v", list[0])
	}
	if found, err := p.box.LookUp(t.Context(), site.VIP); err != nil || len(found.Reverse) != 1 || found.Reverse[0] != groupName {
		t.Errorf("asked by hand: %+v %v", found, err)
	}
}
