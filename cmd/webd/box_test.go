package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/panel"
	"spoolgate/web"
)

// The test binary plays webd: it has to be a process that can be killed.
const roleVariable = "SPOOLGATE_TEST_WEBD"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		daemon.Main("webd", web.Command)
	}
	os.Exit(m.Run())
}

// box is a webd among daemons that say what the test has them say.
type box struct {
	*testing.T
	snapshots *wire.Feed[api.Snapshot]
	panels    *wire.Feed[api.Panel]
	network   *wire.Feed[api.Network]
	dir       string
	address   string
	webd      *exec.Cmd
	balancer  *http.Server
}

func newBox(t *testing.T, s api.Snapshot, n api.Network) *box {
	t.Helper()
	b := &box{T: t, snapshots: wire.NewFeed(s), panels: wire.NewFeed(lamps(s)), network: wire.NewFeed(n), dir: t.TempDir()}
	b.balancer = b.serve("balancerd.sock", map[string]http.HandlerFunc{
		"GET /v1/snapshots": b.snapshots.ServeStream,
		"GET /v1/events": func(w http.ResponseWriter, r *http.Request) {
			wire.BeginStream(w)
			for _, e := range happened() {
				wire.Send(w, e)
			}
			<-r.Context().Done()
		},
	})
	b.serve("paneld.sock", map[string]http.HandlerFunc{"GET /v1/panels": b.panels.ServeStream})
	b.serve("netd.sock", map[string]http.HandlerFunc{"GET /v1/network": b.network.ServeLatest})
	services, err := json.Marshal(api.Services{Time: time.Now(), Boot: api.Boot{Version: "1.0.0"}, Services: []api.Daemon{{Name: "netd", State: api.DaemonRunning}}})
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.dir, "services.json"), services, 0o600))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	b.address = free.Addr().String()
	free.Close()
	b.start()
	return b
}

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *box) serve(name string, routes map[string]http.HandlerFunc) *http.Server {
	b.Helper()
	l, err := net.Listen("unix", filepath.Join(b.dir, name))
	b.must(err)
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.HandleFunc(pattern, h)
	}
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	b.Cleanup(func() { s.Close() })
	return s
}

func (b *box) start() {
	b.Helper()
	in := func(name string) string { return filepath.Join(b.dir, name) }
	b.webd = exec.Command(os.Args[0], "-balancer", in("balancerd.sock"), "-panel", in("paneld.sock"), "-netd", in("netd.sock"),
		"-services", in("services.json"), "-state", b.dir, "-listen", b.address)
	b.webd.Env = append(os.Environ(), roleVariable+"=1")
	b.webd.Stderr = b.Output()
	b.must(b.webd.Start())
	b.Cleanup(b.kill)
	for range 500 {
		if c, err := net.Dial("tcp", b.address); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.Fatal("webd does not listen")
}

func (b *box) kill() {
	if b.webd != nil {
		b.webd.Process.Kill()
		b.webd.Wait()
		b.webd = nil
	}
}

func (b *box) show(s api.Snapshot) {
	b.snapshots.Publish(s)
	b.panels.Publish(lamps(s))
}

var begin = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func node(name string, last int, h api.Health, s api.Service, clients int) api.Node {
	reason := map[api.Health]string{
		api.Up:       "answered the first probe of every port",
		api.Down:     "port 5022 (Terminal Server) refused the connection 3 times in a row; the Windows service behind it is probably stopped",
		api.Starting: "all ports answer; it is Up in 2m40s if nothing fails",
		api.Checking: "port 5555 did not answer 1 time",
	}[h]
	return api.Node{Name: name, Address: netip.AddrFrom4([4]byte{198, 18, 0, byte(last)}), Weight: 1, Health: h, HealthReason: reason, HealthSince: begin,
		Service: s, ServiceReason: map[api.Service]string{api.InService: "configured", api.Draining: "drained by the operator: bound MFDs stay until their window ends", api.OutOfService: "stopped by the operator"}[s],
		ServiceSince: begin, Serving: h == api.Up && s == api.InService, Clients: clients, Connections: 2 * clients}
}

func group(name string, last int, state api.BoxState, reason string, nodes ...api.Node) api.Group {
	g := api.Group{Name: name, VirtualAddress: netip.AddrFrom4([4]byte{198, 18, 0, byte(last)}), Mode: "masked", Affinity: api.Duration(30 * time.Minute),
		Ports: []string{"21", "5011-5025", "5610"}, State: state, Reason: reason, Since: begin, Nodes: nodes}
	for _, n := range nodes {
		g.Clients, g.Connections = g.Clients+n.Clients, g.Connections+n.Connections
	}
	return g
}

func snapshot(state api.BoxState, reason string, groups ...api.Group) api.Snapshot {
	return api.Snapshot{Version: 1, Time: begin, Groups: groups, Box: api.Box{State: state, Reason: reason, Since: begin, Hostname: "spoolgate-2"}}
}

func normal() api.Snapshot {
	return snapshot(api.OK, "all 2 nodes serve", group("print", 10, api.OK, "all 2 nodes serve",
		node("A", 11, api.Up, api.InService, 101), node("B", 12, api.Up, api.InService, 99)))
}

func nothingServing() api.Snapshot {
	return snapshot(api.NothingServing, "no node takes MFDs: A is Down; B is out of service", group("print", 10, api.NothingServing, "no node takes MFDs: A is Down; B is out of service",
		node("A", 11, api.Down, api.InService, 101), node("B", 12, api.Up, api.OutOfService, 0)))
}

// crowded is two groups, one of eight nodes in all states.
func crowded() api.Snapshot {
	many := []api.Node{node("A", 11, api.Up, api.InService, 31), node("B", 12, api.Checking, api.InService, 30), node("Terminalserver-03", 13, api.Starting, api.InService, 0),
		node("D", 14, api.Down, api.InService, 4), node("E", 15, api.Up, api.Draining, 17), node("F", 16, api.Up, api.OutOfService, 0), node("G", 17, api.Unknown, api.InService, 0), node("H", 18, api.Up, api.InService, 29)}
	return snapshot(api.NoSpare, "scan: only one node is configured; a second one would be a spare",
		group("print", 10, api.OK, "3 of 8 nodes serve; Terminalserver-03 is Starting; D is Down; E is draining; F is out of service; G is Unknown", many...),
		group("scan", 20, api.NoSpare, "only one node is configured; a second one would be a spare", node("A", 21, api.Up, api.InService, 12)))
}

// lamps is what the panel shows of a state.
func lamps(s api.Snapshot) api.Panel { return api.Panel{Lamps: panel.Lamps(&s, true)} }

func held(groups ...string) api.Network {
	n := api.Network{Interfaces: []api.Interface{{Role: "service", Name: "service", Carrier: true, Address: []api.AddressOfBox{{Prefix: netip.MustParsePrefix("198.18.0.2/24"), Hold: api.Hold{State: api.Held}}}}}}
	for i, g := range groups {
		n.VirtualAddresses = append(n.VirtualAddresses, api.VirtualAddress{Group: g, Address: netip.AddrFrom4([4]byte{198, 18, 0, byte(10 + 10*i)}),
			Hold: api.Hold{State: api.Held, Reason: "no other machine has it", Since: begin}})
	}
	return n
}

func refused() api.Network {
	n := held("print")
	n.VirtualAddresses[0].Hold = api.Hold{State: api.Conflict, Holder: "02:00:5e:10:00:07", Since: begin,
		Reason: "the machine with the MAC address 02:00:5e:10:00:07 already has 198.18.0.10: it is not used here; take the address away from that machine or choose another"}
	n.Interfaces = append(n.Interfaces, api.Interface{Role: "management", Name: "management"})
	return n
}

func happened() []api.Event {
	return []api.Event{{Seq: 1, Time: begin, Severity: "info", Text: "balancing 1 group over 2 nodes; 200 bindings taken from the journal"},
		{Seq: 2, Time: begin, Severity: "warning", Text: "A is Down: port 5022 (Terminal Server) refused the connection 3 times in a row; the Windows service behind it is probably stopped"},
		{Seq: 3, Time: begin, Severity: "alert", Text: "group print: Nothing serving: no node takes MFDs: A is Down; B is out of service"}}
}
