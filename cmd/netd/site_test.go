package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/firmware/daemon"
	"spoolgate/tools/lab/netns"
)

// The test binary plays netd: it has to be a process of its own in the box's
// namespace, to be killed there.
const roleVariable = "SPOOLGATE_TEST_NETD"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		daemon.Main("netd", run)
	}
	os.Exit(m.Run())
}

const patience = 20 * time.Second

// site is a box with two interfaces, and a neighbour on the other end of each.
type site struct {
	*testing.T
	box, lan *netns.Namespace
	folder   string
	args     []string
	cmd      *exec.Cmd
	client   http.Client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, folder: t.TempDir()}
	s.box, s.lan = s.namespace(), s.namespace()
	s.must(netns.Pair(s.box, "svc", s.lan, "lan"))
	s.must(netns.Pair(s.box, "mgm", s.lan, "desk"))
	s.lanSh("ip addr add 198.18.0.9/24 dev lan; ip addr add 198.18.9.9/24 dev desk")
	socket := filepath.Join(s.folder, "sock")
	s.args = []string{"-config", filepath.Join(s.folder, "config.toml"), "-state", s.folder, "-socket", socket, "-service", "svc", "-management", "mgm"}
	s.client.Timeout = patience
	s.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}
	s.Cleanup(s.kill)
	return s
}

func (s *site) namespace() *netns.Namespace {
	s.Helper()
	n, err := netns.New()
	s.must(err)
	s.Cleanup(func() { n.Close() })
	return n
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) lanSh(script string) {
	s.Helper()
	_, err := s.lan.Output("sh", "-ec", script)
	s.must(err)
}

func (s *site) configure(text string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.folder, "config.toml"), []byte(text), 0o600))
}

func (s *site) start() {
	s.Helper()
	s.cmd = exec.Command(os.Args[0], s.args...)
	s.cmd.Env = append(os.Environ(), roleVariable+"=1")
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.must(err)
	s.Cleanup(func() { log.Close() })
	s.cmd.Stderr = io.MultiWriter(s.Output(), log)
	s.must(s.box.Start(s.cmd))
}

// logs waits for a line of netd's log that has all of words.
func (s *site) logs(words ...string) {
	s.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(s.folder, "log"))
		s.must(err)
		for line := range strings.Lines(string(text)) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return
			}
		}
	}
	s.Errorf("no line of the log has %q", words)
}

func (s *site) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *site) get() (n api.Network, err error) {
	r, err := s.client.Get("http://netd/v1/network")
	if err != nil {
		return n, err
	}
	defer r.Body.Close()
	return n, json.NewDecoder(r.Body).Decode(&n)
}

// until asks netd for its state until it is as wanted.
func (s *site) until(what string, ok func(api.Network) bool) (n api.Network) {
	s.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if n, err = s.get(); err == nil && ok(n) {
			return n
		}
	}
	text, _ := json.MarshalIndent(n, "", " ")
	s.Fatalf("%s: not so after %v: %s", what, patience, text)
	return n
}

func (s *site) addresses(link string) string {
	s.Helper()
	out, err := s.box.Output("ip", "-4", "-o", "addr", "show", "dev", link)
	s.must(err)
	return out
}

func (s *site) macOf(n *netns.Namespace, link string) string {
	s.Helper()
	var mac string
	s.must(n.Do(func() error {
		i, err := net.InterfaceByName(link)
		if err == nil {
			mac = i.HardwareAddr.String()
		}
		return err
	}))
	return mac
}

// listen opens the ARP traffic at the neighbour's end of the cable.
func (s *site) listen(link string) *packet.Conn {
	s.Helper()
	var conn *packet.Conn
	s.must(s.lan.Do(func() error {
		i, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		conn, err = packet.Listen(i, packet.Datagram, unix.ETH_P_ARP, nil)
		return err
	}))
	s.Cleanup(func() { conn.Close() })
	return conn
}

// hears waits for an ARP packet that says that mac has ip.
func (s *site) hears(conn *packet.Conn, ip netip.Addr, mac string) {
	s.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 128)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			s.Fatalf("nobody announces %s: %v", ip, err)
		}
		if n >= 28 && netip.AddrFrom4([4]byte(buf[14:18])) == ip && net.HardwareAddr(buf[8:14]).String() == mac {
			return
		}
	}
}

func virtual(state api.HoldState) func(api.Network) bool {
	return func(n api.Network) bool {
		return len(n.VirtualAddresses) == 1 && n.VirtualAddresses[0].State == state
	}
}

func (s *site) dhcp(link, more string) {
	s.Helper()
	file := filepath.Join(s.folder, "udhcpd.conf")
	text := fmt.Sprintf("start 198.18.0.100\nend 198.18.0.110\ninterface %s\nlease_file %s/leases\nremaining no\nmin_lease 1\nopt subnet 255.255.255.0\nopt router 198.18.0.9\nopt dns 198.18.0.53\n%s\n", link, s.folder, more)
	s.must(os.WriteFile(file, []byte(text), 0o600))
	s.must(os.WriteFile(s.folder+"/leases", nil, 0o600))
	cmd := exec.Command("udhcpd", "-f", file)
	cmd.Stderr = s.Output()
	s.must(s.lan.Start(cmd))
	s.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}
