package main

import (
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/packet"

	"spoolgate/firmware/api"
)

const group = `
[[group]]
virtual_address = "198.18.0.200"
node = [{ address = "198.18.0.11" }, { address = "198.18.0.12" }]
`

const static = `
[service]
addresses = ["198.18.0.1/24"]
gateway = "198.18.0.9"
dns = ["198.18.0.53"]
[management]
addresses = ["198.18.9.1/24"]
` + group

var vip = netip.MustParseAddr("198.18.0.200")

func TestStaticAddressesAndVirtualAddressAreHeldAndAnnounced(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	wire := s.listen("lan")
	s.start()
	s.hears(wire, vip, s.macOf(s.box, "svc"))
	n := s.until("all held", func(n api.Network) bool {
		return virtual(api.Held)(n) && n.Interfaces[0].Address[0].State == api.Held && n.Interfaces[1].Address[0].State == api.Held
	})
	if i := n.Interfaces[0]; i.Name != "svc" || !i.Carrier || i.DHCP || i.MAC != s.macOf(s.box, "svc") || i.Trouble != "" {
		t.Errorf("service: %+v", i)
	}
	if got := s.addresses("svc"); !strings.Contains(got, "198.18.0.1/24") || !strings.Contains(got, "198.18.0.200/32") {
		t.Errorf("on svc: %s", got)
	}
	if route, err := s.box.Output("ip", "route", "get", "192.0.2.1"); err != nil || !strings.Contains(route, "via 198.18.0.9 dev svc src 198.18.0.1") {
		t.Errorf("way out: %s %v", route, err)
	}
	if text, err := os.ReadFile(s.folder + "/resolv.conf"); err != nil || string(text) != "nameserver 198.18.0.53\n" {
		t.Errorf("resolv.conf: %q %v", text, err)
	}
	for key, want := range map[string]string{"arp_ignore": "1", "arp_announce": "2", "send_redirects": "0", "rp_filter": "2"} {
		if got, err := s.box.Output("cat", "/proc/sys/net/ipv4/conf/svc/"+key); err != nil || strings.TrimSpace(got) != want {
			t.Errorf("%s is %q, want %s (%v)", key, got, want, err)
		}
	}
}

func TestVirtualAddressOfAnotherMachineIsRefusedWithItsMAC(t *testing.T) {
	s := newSite(t)
	s.lanSh("ip addr add 198.18.0.200/32 dev lan")
	s.configure(static)
	s.start()
	n := s.until("conflict", virtual(api.Conflict))
	holder := s.macOf(s.lan, "lan")
	if v := n.VirtualAddresses[0]; v.Holder != holder || !strings.Contains(v.Reason, holder) {
		t.Errorf("the status does not name %s: %+v", holder, v)
	}
	if got := s.addresses("svc"); strings.Contains(got, "198.18.0.200") {
		t.Errorf("the address is on the box all the same: %s", got)
	}
	s.lanSh("ip addr del 198.18.0.200/32 dev lan")
	s.until("held after the other gave it up", virtual(api.Held))
}

func TestLateClaimantIsFoughtAndNamed(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	s.start()
	s.until("held", virtual(api.Held))
	wire := s.listen("lan")
	s.lanSh("ip addr add 198.18.0.200/32 dev lan; arping -q -c 1 -U -I lan 198.18.0.200")
	s.hears(wire, vip, s.macOf(s.box, "svc"))
	n := s.until("disputed", virtual(api.Disputed))
	if v := n.VirtualAddresses[0]; v.Holder != s.macOf(s.lan, "lan") {
		t.Errorf("the rival is not named: %+v", v)
	}
	if !strings.Contains(s.addresses("svc"), "198.18.0.200/32") {
		t.Error("the box gave its address up")
	}
}

// watch collects the addresses that disappear from the box.
func (s *site) watch() func() string {
	s.Helper()
	file := s.folder + "/monitor"
	out, err := os.Create(file)
	s.must(err)
	cmd := exec.Command("ip", "-4", "-o", "monitor", "address")
	cmd.Stdout = out
	s.must(s.box.Start(cmd))
	// The monitor listens when it shows an address that is added for it.
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s.box.Output("sh", "-c", "ip addr add 203.0.113.1/32 dev lo; ip addr del 203.0.113.1/32 dev lo")
		if text, _ := os.ReadFile(file); strings.Contains(string(text), "203.0.113.1") || time.Now().After(end) {
			break
		}
	}
	return func() string {
		cmd.Process.Kill()
		cmd.Wait()
		text, _ := os.ReadFile(file)
		var gone []string
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "Deleted") && !strings.Contains(line, "203.0.113.1") {
				gone = append(gone, line)
			}
		}
		return strings.Join(gone, "")
	}
}

func TestRestartKeepsAllAddresses(t *testing.T) {
	s := newSite(t)
	s.dhcp("lan", "opt lease 600")
	s.configure("[management]\naddresses = [\"198.18.9.1/24\"]\n" + group)
	s.start()
	held := func(n api.Network) bool {
		return virtual(api.Held)(n) && len(n.Interfaces[0].Address) == 1 && n.Interfaces[0].Address[0].State == api.Held
	}
	before := s.until("held", held)
	gone := s.watch()
	for range 2 {
		s.kill()
		s.start()
		after := s.until("held again", held)
		if a, b := before.Interfaces[0].Address[0].Prefix, after.Interfaces[0].Address[0].Prefix; a != b {
			t.Errorf("the lease was %s and is %s after the restart", a, b)
		}
	}
	if lost := gone(); lost != "" {
		t.Errorf("a restart of netd took addresses away:\n%s", lost)
	}
}

func TestChangedConfigurationRemovesItsOwnAddressesOnly(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	s.start()
	s.until("held", virtual(api.Held))
	_, err := s.box.Output("ip", "addr", "add", "198.18.0.77/24", "dev", "svc")
	s.must(err)
	gone := s.watch()
	s.configure(strings.ReplaceAll(static, "0.200", "0.201"))
	r, err := s.client.Post("http://netd/v1/reload", "", nil)
	s.must(err)
	r.Body.Close()
	s.until("the new address held", func(n api.Network) bool {
		return virtual(api.Held)(n) && n.VirtualAddresses[0].Address == netip.MustParseAddr("198.18.0.201")
	})
	if got := s.addresses("svc"); strings.Contains(got, "0.200") || !strings.Contains(got, "0.201/32") || !strings.Contains(got, "0.77/24") {
		t.Errorf("on svc: %s", got)
	}
	if lost := gone(); strings.Contains(lost, "198.18.0.1/24") {
		t.Errorf("the box's own address went away for a moment: %s", lost)
	}
	s.configure("[service]\nnonsense = 1\n")
	r, err = s.client.Post("http://netd/v1/reload", "", nil)
	s.must(err)
	r.Body.Close()
	if r.StatusCode != 422 {
		t.Errorf("a wrong configuration is answered with %s", r.Status)
	}
}

func TestHangupHasTheAddressesFollowTheConfiguration(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	s.start()
	s.until("held", virtual(api.Held))
	for _, last := range []string{"201", "202"} {
		s.configure(strings.ReplaceAll(static, "0.200", "0."+last))
		s.must(s.cmd.Process.Signal(syscall.SIGHUP))
		s.until("the new address held", func(n api.Network) bool {
			return virtual(api.Held)(n) && n.VirtualAddresses[0].Address == netip.MustParseAddr("198.18.0."+last)
		})
	}
}

// The names are those of the image's VLANs with the longest tags that there are.
// No VLAN is needed to have one: a kernel without 802.1Q runs this too.
func TestChangedAddressesGoAwayWhateverTheInterfacesAreCalled(t *testing.T) {
	s := newSite(t)
	_, err := s.box.Output("sh", "-ec", "ip link set svc name service.4093; ip link set mgm name management.4094")
	s.must(err)
	s.args = append(s.args, "-service", "service.4093", "-management", "management.4094")
	s.configure(static)
	s.start()
	first := func(n api.Network) string {
		if a := n.Interfaces[1].Address; virtual(api.Held)(n) && len(a) == 1 && a[0].State == api.Held {
			return a[0].Prefix.String() + " " + n.VirtualAddresses[0].Address.String()
		}
		return ""
	}
	s.until("held", func(n api.Network) bool { return first(n) == "198.18.9.1/24 198.18.0.200" })
	s.configure(strings.NewReplacer("0.200", "0.201", "9.1/24", "9.2/24").Replace(static))
	r, err := s.client.Post("http://netd/v1/reload", "", nil)
	s.must(err)
	r.Body.Close()
	s.until("the new addresses held", func(n api.Network) bool { return first(n) == "198.18.9.2/24 198.18.0.201" })
	if got := s.addresses("service.4093"); strings.Contains(got, "0.200") || !strings.Contains(got, "0.201/32") {
		t.Errorf("on the service VLAN: %s", got)
	}
	if got := s.addresses("management.4094"); strings.Contains(got, "9.1/24") || !strings.Contains(got, "9.2/24") {
		t.Errorf("on the management VLAN: %s", got)
	}
}

func TestLeaseIsObtainedRenewedAndEnds(t *testing.T) {
	s := newSite(t)
	s.dhcp("lan", "opt lease 6")
	s.configure("[management]\naddresses = [\"198.18.9.1/24\"]\n" + group)
	s.start()
	first := s.until("a lease", func(n api.Network) bool {
		return n.Interfaces[0].Lease != nil && len(n.Interfaces[0].Address) == 1 && n.Interfaces[0].Address[0].State == api.Held
	})
	i := first.Interfaces[0]
	if i.Lease.Server != netip.MustParseAddr("198.18.0.9") || i.Gateway != netip.MustParseAddr("198.18.0.9") || len(first.DNS) != 1 {
		t.Errorf("lease: %+v, gateway %v, DNS %v", i.Lease, i.Gateway, first.DNS)
	}
	if t1 := i.Lease.Renew.Sub(i.Lease.Granted); t1 != 3*time.Second {
		t.Errorf("T1 is %v after the grant of a 6 s lease, want 3 s", t1)
	}
	renewed := s.until("a renewal", func(n api.Network) bool {
		return n.Interfaces[0].Lease != nil && n.Interfaces[0].Lease.Granted.After(i.Lease.Granted)
	})
	if a := renewed.Interfaces[0].Address; len(a) != 1 || a[0].Prefix != i.Address[0].Prefix || !a[0].Since.Equal(i.Address[0].Since) {
		t.Errorf("the renewal changed the address: %+v", a)
	}
	s.lanSh("nft 'table inet f { chain in { type filter hook prerouting priority -400; udp dport 67 drop; }; }; table netdev g { chain in { type filter hook ingress device lan priority 0; udp dport 67 drop; }; }'")
	n := s.until("the lease ended", func(n api.Network) bool { return n.Interfaces[0].Lease == nil })
	if n.Interfaces[0].Trouble == "" {
		t.Error("nothing says why there is no address")
	}
	if got := s.addresses("svc"); strings.Contains(got, "198.18.0.10") {
		t.Errorf("an address without a lease: %s", got)
	}
}

func TestPulledCableKeepsAddressesAndAnnouncesThemAgain(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	s.start()
	s.until("held", virtual(api.Held))
	gone := s.watch()
	s.must(s.lan.Down("lan"))
	n := s.until("cable out", func(n api.Network) bool { return !n.Interfaces[0].Carrier })
	if !strings.Contains(n.Interfaces[0].Trouble, "plug in the cable of svc") {
		t.Errorf("trouble: %q", n.Interfaces[0].Trouble)
	}
	if out, err := s.box.Output("ip", "route", "get", "198.18.0.9"); err == nil && strings.Contains(out, "dev svc") {
		t.Errorf("a route over the pulled cable is used: %s", out)
	}
	s.must(s.lan.Up("lan"))
	wire := s.listen("lan")
	s.hears(wire, vip, s.macOf(s.box, "svc"))
	s.until("held again", virtual(api.Held))
	if lost := gone(); lost != "" {
		t.Errorf("the pulled cable took addresses away: %s", lost)
	}
}

func TestAddressesThatAnotherProgramRemovesAreBackAtOnce(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	own := netip.MustParseAddr("198.18.0.1")
	wires := map[netip.Addr]*packet.Conn{vip: s.listen("lan"), own: s.listen("lan")}
	s.start()
	mac := s.macOf(s.box, "svc")
	for ip, wire := range wires {
		// Each claim announces twice, by a request and a reply; the next time is
		// in half a minute.
		for range 4 {
			s.hears(wire, ip, mac)
		}
	}
	for ip, address := range map[netip.Addr]string{vip: "198.18.0.200/32", own: "198.18.0.1/24"} {
		_, err := s.box.Output("ip", "addr", "del", address, "dev", "svc")
		s.must(err)
		s.hears(wires[ip], ip, mac)
		if got := s.addresses("svc"); !strings.Contains(got, address) {
			t.Errorf("%s is announced, and on svc is only %s", address, got)
		}
		s.logs("another program removed an address of the box: it is put back", "address="+address)
	}
	if route, err := s.box.Output("ip", "route", "get", "192.0.2.1"); err != nil || !strings.Contains(route, "via 198.18.0.9 dev svc src 198.18.0.1") {
		t.Errorf("way out: %s %v", route, err)
	}
}

func TestMissingInterfaceIsNamed(t *testing.T) {
	s := newSite(t)
	s.args[len(s.args)-1] = "eth7"
	s.configure(static)
	s.start()
	n := s.until("held without management", virtual(api.Held))
	if got := n.Interfaces[1].Trouble; !strings.Contains(got, `no network interface "eth7"; this machine has mgm, svc`) {
		t.Errorf("trouble: %q", got)
	}
}

func TestReloadSaysWhatOfItCannotBeFollowed(t *testing.T) {
	s := newSite(t)
	s.configure(static)
	s.start()
	s.until("held", virtual(api.Held))
	reload := func() (status int, answer string) {
		t.Helper()
		r, err := s.client.Post("http://netd/v1/reload", "", nil)
		s.must(err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		s.must(err)
		return r.StatusCode, string(text)
	}
	if status, answer := reload(); status != 200 || !strings.Contains(answer, `"the addresses follow the new configuration"`) {
		t.Errorf("all is well: %d %s", status, answer)
	}
	s.must(s.lan.Down("desk"))
	s.until("the cable is out", func(n api.Network) bool { return !n.Interfaces[1].Carrier })
	if status, answer := reload(); status != 200 || !strings.Contains(answer, "; management: no link: plug in the cable of mgm") {
		t.Errorf("without the cable: %d %s", status, answer)
	}
	_, err := s.box.Output("ip", "link", "set", "mgm", "name", "usb0")
	s.must(err)
	if status, answer := reload(); status != 409 || !strings.Contains(answer, `not all of it can be followed: management: there is no network interface \"mgm\"`) {
		t.Errorf("without the interface: %d %s", status, answer)
	}
}

func TestBoxWithoutManagementInterfaceSaysWhereItIsManaged(t *testing.T) {
	s := newSite(t)
	s.args = s.args[:len(s.args)-2]
	s.configure(strings.Replace(static, "[management]\naddresses = [\"198.18.9.1/24\"]", "", 1))
	s.start()
	n := s.until("held", virtual(api.Held))
	if got := n.Interfaces[1].Trouble; !strings.Contains(got, "managed at the service address") {
		t.Errorf("trouble: %q", got)
	}
}

func TestOfferedAddressOfAnotherMachineIsNotUsed(t *testing.T) {
	s := newSite(t)
	s.lanSh("for i in $(seq 100 110); do ip addr add 198.18.0.$i/32 dev lan; done")
	s.dhcp("lan", "opt lease 600")
	s.configure("[management]\naddresses = [\"198.18.9.1/24\"]\n" + group)
	s.start()
	holder := s.macOf(s.lan, "lan")
	s.until("the conflict is named", func(n api.Network) bool {
		return strings.Contains(n.Interfaces[0].Trouble, "which the machine "+holder+" already uses")
	})
	if got := s.addresses("svc"); strings.Contains(got, "198.18.0.10") {
		t.Errorf("the box uses an address of another machine: %s", got)
	}
}

func TestBoxWithoutConfigurationIsReachableByDHCP(t *testing.T) {
	s := newSite(t)
	s.dhcp("lan", "opt lease 600")
	s.start()
	s.until("an address", func(n api.Network) bool {
		return len(n.Interfaces[0].Address) == 1 && n.Interfaces[0].Address[0].State == api.Held
	})
}
