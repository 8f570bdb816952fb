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
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/site"
)

// nameserver is a real one, of the site.
type nameserver struct {
	*place
	space *netns.Namespace
	dir   string
	cmd   *exec.Cmd
}

func (p *place) nameserver(at netip.Addr) *nameserver {
	p.Helper()
	space, err := p.Rack()
	p.must(err)
	p.must(space.Address("service", netip.PrefixFrom(at, site.Network.Bits())))
	s := &nameserver{place: p, space: space, dir: p.TempDir()}
	config := fmt.Sprintf("server:\n ip-address: %s\n username: \"\"\n chroot: \"\"\n zonesdir: %q\n database: \"\"\n pidfile: \"\"\n zonelistfile: %q\n xfrdfile: %q\n"+
		"remote-control:\n control-enable: no\n", at, s.dir, filepath.Join(s.dir, "zones"), filepath.Join(s.dir, "xfrd"))
	for _, z := range []string{"example.com", "0.18.198.in-addr.arpa"} {
		config += fmt.Sprintf("zone:\n name: %q\n zonefile: %q\n", z, z)
	}
	p.must(os.WriteFile(filepath.Join(s.dir, "nsd.conf"), []byte(config), 0o644))
	s.zones(true, true)
	s.cmd = exec.Command("nsd", "-d", "-c", filepath.Join(s.dir, "nsd.conf"))
	p.must(space.Start(s.cmd))
	p.Cleanup(s.end)
	return s
}

func (s *nameserver) end() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
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
	s := p.nameserver(resolver)
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
	p.expectsProved("with the PTR record", api.Pass, "reverse-look-up")
	s.zones(true, false)
	list := p.incidents("without the PTR record", func(l []api.Incident) bool { return len(l) > 0 })
	if i := list[0]; i.Kind != event.NameReverse || i.Group != "print" || !strings.Contains(i.Cause, "add a PTR record for 198.18.0.10 -> print.example.com") {
		t.Errorf("%+v", i)
	}
	p.expectsProved("without the PTR record", api.Fail, "reverse-look-up")
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

// Each name server of the site is asked: a record that only one of them lacks is told,
// with that one's address, and so is one of them that is gone.
func TestEachNameServerOfTheSiteIsAsked(t *testing.T) {
	t.Parallel()
	second := netip.MustParseAddr("198.18.0.54")
	p := build(t, site.Options{Nodes: 2, MFDs: 1})
	p.nameserver(resolver)
	s := p.nameserver(second)
	p.serve(fmt.Sprintf("dns_name = %q", groupName), fmt.Sprintf("naming.resolvers = [%q, %q]", resolver, second), `naming.interval = "1s"`)
	s.zones(true, false)
	list := p.incidents("without the record at the second", func(l []api.Incident) bool { return len(l) > 0 })
	if i := list[0]; i.Kind != event.NameReverse || !strings.Contains(i.Cause, "says "+second.String()) {
		t.Errorf("%+v", i)
	}
	s.zones(true, true)
	p.incidents("with the record", func(l []api.Incident) bool { return !l[0].Open() })
	s.end()
	list = p.incidents("with the second gone", func(l []api.Incident) bool { return l[0].Open() })
	if i := list[0]; i.Kind != event.NameServers || !strings.Contains(i.Cause, fmt.Sprintf("the name server %s has nothing that answers on port 53; left is %s", second, resolver)) {
		t.Errorf("%+v", i)
	}
	found, err := p.box.Names(t.Context())
	p.must(err)
	if c := found.Checks[0]; c.Verdict() != api.NameRight || c.Resolver != resolver.String() || c.Since.IsZero() {
		t.Errorf("%+v", c)
	}
}
