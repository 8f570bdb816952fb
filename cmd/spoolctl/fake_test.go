package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
)

var now = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func snapshot() api.Snapshot {
	node := func(name, address string, h api.Health, s api.Service) api.Node {
		return api.Node{Name: name, Address: netip.MustParseAddr(address), Weight: 1, Health: h, HealthReason: "port 5022 refused the connection 3 times in a row", HealthSince: now.Add(-time.Hour),
			Service: s, ServiceReason: "stopped by the operator", ServiceSince: now.Add(-time.Minute), Clients: 3, Connections: 2}
	}
	b := node("B", "198.18.0.12", api.Down, api.InService)
	b.Starts = []api.Start{{At: now.Add(-48 * time.Hour), Took: api.Duration(94 * time.Second)}, {At: now.Add(-24 * time.Hour), Took: api.Duration(131300 * time.Millisecond)}}
	b.UpDelayAdvice = `the last 3 starts took 94 to 132 s; set up_delay = "180s", now it is 2m0s`
	b.Services = []api.WindowsService{
		{Name: "YSoftSQ-SPOC", State: api.WindowsStopPending, Since: now.Add(-2 * time.Second), Last: now, Counts: true},
		{Name: "YSoftSQ-TS", State: api.WindowsWrongPassword, Detail: "said by 198.18.0.11", Since: now.Add(-time.Minute), Last: now},
	}
	return api.Snapshot{Version: 7, Time: now,
		Box:      api.Box{State: api.NoSpare, Reason: "one node carries everything: B is Down", Since: now.Add(-time.Minute), Hostname: "spoolgate-2", Suspicion: "2 nodes fell silent"},
		Room:     api.Room{Connections: 12, MostConnections: 131072, Bindings: 6, MostBindings: 262144},
		Overload: []api.Overload{{Kind: "client.limit", Group: "print", Text: "198.18.1.7 (1000): that many connections are open", Since: now.Add(-time.Minute)}},
		Groups: []api.Group{{Name: "print", VirtualAddress: netip.MustParseAddr("198.18.0.10"), Mode: "masked", Affinity: api.Duration(30 * time.Minute), UpDelay: api.Duration(2 * time.Minute),
			Ports: []string{"21", "5011-5025"}, State: api.NoSpare, Clients: 6, Connections: 1,
			Nodes:    []api.Node{node("A", "198.18.0.11", api.Up, api.OutOfService), b},
			Mistakes: []api.Mistake{{Kind: "node.port", Node: "A", Text: "node A refuses port 5610 to MFDs", Since: now.Add(-time.Minute)}}},
			{Name: "scan", VirtualAddress: netip.MustParseAddr("198.18.0.20"), Mode: "transparent", Affinity: api.Duration(time.Hour), Ports: []string{"21"}, State: api.OK,
				Nodes: []api.Node{node("A", "198.18.0.21", api.Unknown, api.InService)}}},
	}
}

func bound() []api.BoundClient {
	return []api.BoundClient{{Group: "print", Address: netip.MustParseAddr("198.18.1.20"), Node: "A", Why: "fewest connections at its first contact",
		Since: now.Add(-90 * time.Second), Left: api.Duration(30 * time.Minute), Connections: 2}}
}

func probed() []api.PortProbes {
	return []api.PortProbes{{Group: "print", Node: "B", Port: 5022, Probes: []api.Probe{
		{Time: now, Outcome: api.Open, RTT: api.Duration(312456)}, {Time: now.Add(5 * time.Second), Outcome: api.Unreachable, Detail: "host unreachable, from 198.18.0.1"}}}}
}

func onNode() []api.FoundService {
	return []api.FoundService{{Name: "Spooler", Display: "Print Spooler", State: api.WindowsRunning},
		{Name: "YSoftSQ-TS", Display: "YSoft SafeQ Terminal Server", State: api.WindowsStopped, Watched: true}}
}

func known() api.MFD {
	a := netip.MustParseAddr("198.18.1.20")
	c := api.OpenConnection{Group: "print", Node: "A", Port: 5011, Since: now.Add(-time.Minute), Sent: 999, Received: 1234567}
	scan := api.OpenConnection{Group: "print", Node: "B", Port: 50001, Data: true, Since: now.Add(-time.Hour), Sent: 8_400_000_000, Received: 52}
	return api.MFD{Address: a,
		Bound: []api.BoundMFD{{BoundClient: bound()[0], VirtualAddress: netip.MustParseAddr("198.18.0.10"), SeenAs: netip.MustParseAddr("198.18.0.10"), NodeState: "Up, in service"}},
		Open:  []api.OpenConnection{c}, Transfers: []api.Transfer{{OpenConnection: scan, Ended: scan.Since.Add(2100 * time.Millisecond)}},
		Moves: []api.Moved{{Time: now, Group: "print", From: "B", To: "A", Why: "moved from B, which did not serve"}}}
}

func flown() api.Flights {
	syn := now.Add(120 * time.Microsecond)
	return api.Flights{Group: "print", Node: "B", Repeats: 2, Flights: []api.Flight{
		{Time: now, Port: 5022, SourcePort: 40000, Outcome: api.Open, SYN: syn, SYNACK: syn.Add(312 * time.Microsecond), RST: syn.Add(353 * time.Microsecond), Repeats: 2},
		{Time: now.Add(5 * time.Second), Port: 5555, SourcePort: 40001, Outcome: api.TimedOut, SYN: syn.Add(5 * time.Second), Resent: 1},
		{Time: now.Add(10 * time.Second), Port: 5022, Outcome: api.NoRoute, Detail: "this box has no address to probe from"}}}
}

func happened() []api.Event {
	return []api.Event{{Seq: 1, Time: now, Severity: "info", Text: "first"}, {Seq: 2, Time: now, Severity: "warning", Text: "B is Down: port 5022 refused", Incident: 4}}
}

func proved() api.Proof {
	return api.Proof{Time: now, Items: []api.ProofItem{
		{ID: "window", Section: "Terminal Failover", Sentence: "a minimum of 30 minutes", Group: "print", Verdict: api.Pass, Evidence: []string{"the window is 30m0s"}},
		{ID: "reports", Section: "Terminal Failover", Sentence: "reporting", Verdict: api.Fail, Evidence: []string{"no reporter is configured"}}}}
}

func matters() []api.Incident {
	return []api.Incident{
		{ID: 4, Severity: "warning", Title: "Node B of group print is Down", Cause: "B is Down: port 5022 refused", Evidence: []string{"B is Down: port 5022 refused", "61 MFDs now on A"},
			Do: "Look at the server", Began: now.Add(-time.Minute), Updated: now, Moved: 61, Times: 1},
		{ID: 3, Severity: "alert", Title: "Nobody can print", Cause: "x", Began: now.Add(-2 * time.Hour), Cleared: now.Add(-time.Hour), Times: 3},
		{ID: 2, Severity: "warning", Title: "Node A of group print went Down more than once", Cause: "y", Began: now.Add(-2 * time.Hour), Times: 2, ComesAndGoes: true, Away: now.Add(-5 * time.Minute)},
	}
}

// balancer answers like the real one, from what is above; it tells what it was
// asked to change.
type balancer struct {
	asked []string
	empty bool
	proof *api.Proof // in place of the usual one
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	give := func(pattern string, v any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { wire.Answer(w, v, nil) })
	}
	found := bound()
	switch query := r.FormValue("query"); {
	case b.empty, query == "198.18.1.99":
		found = []api.BoundClient{}
	case query == "198.18.1.21":
		found = append(found, api.BoundClient{Group: "scan"})
	}
	give("GET /v1/snapshot", snapshot())
	if status := map[string]int{"1.2.3": http.StatusBadRequest, "Z": http.StatusNotFound}[r.FormValue("query")]; status != 0 {
		mux.HandleFunc("GET /v1/clients", func(w http.ResponseWriter, _ *http.Request) {
			wire.Answer(w, nil, &api.Error{Status: status, What: "that is no address, no network and no node"})
		})
	} else {
		give("GET /v1/clients", found)
	}
	give("GET /v1/groups/print/nodes/B/probes", probed())
	give("GET /v1/groups/print/nodes/B/services", onNode())
	give("GET /v1/groups/print/nodes/B/rehearsal", api.Rehearsal{Group: "print", Node: "B", Moves: 61, Holds: map[string]int{"A": 118}, Text: "if B goes now: 61 MFDs move, A would hold 118"})
	give("GET /v1/mfds/198.18.1.20", known())
	give("GET /v1/incidents", matters())
	if b.proof == nil {
		give("GET /v1/proof", proved())
	} else {
		give("GET /v1/proof", *b.proof)
	}
	give("GET /v1/names", whatIsNamed())
	give("GET /v1/names/198.18.1.20", api.NameCheck{Address: netip.MustParseAddr("198.18.1.20"), Resolver: "198.18.0.53", Reverse: []string{"mfd20.example.com"},
		Forward: []netip.Addr{netip.MustParseAddr("198.18.1.20")}})
	give("GET /v1/mfds/198.18.1.99", api.MFD{Address: netip.MustParseAddr("198.18.1.99")})
	mux.HandleFunc("GET /v1/mfds/198.18.0.10", func(w http.ResponseWriter, _ *http.Request) {
		wire.Answer(w, nil, &api.Error{Status: http.StatusNotFound, What: "198.18.0.10 is the virtual address of group print, not an MFD", Do: "Ask for the address of an MFD"})
	})
	give("GET /v1/groups/print/nodes/B/flights", flown())
	mux.HandleFunc("GET /v1/groups/print/nodes/B/pcap", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "packets of B") })
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("follow") == "" {
			wire.Answer(w, happened(), nil)
			return
		}
		wire.BeginStream(w)
		for _, e := range happened() {
			wire.Send(w, e)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.asked = append(b.asked, r.Method+" "+r.URL.Path+" "+string(body))
		if r.URL.Path == "/v1/groups/print/nodes/B/drain" && !bytes.Contains(body, []byte("force")) {
			wire.Answer(w, nil, &api.Error{Status: 409, What: "B is not drained: it is the last node that serves; bring another node into service first, or ask for it by force"})
			return
		}
		wire.Answer(w, api.Done{Text: "done as asked"}, nil)
	})
	mux.ServeHTTP(w, r)
}

// ask runs spoolctl against a balancer.
func (b *balancer) ask(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	path := b.listen(t)
	var stdout, stderr bytes.Buffer
	status = run(t.Context(), append([]string{"-socket", path}, args...), func() time.Time { return now }, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// listen answers on a Unix socket until the test ends.
func (b *balancer) listen(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: b}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return path
}
