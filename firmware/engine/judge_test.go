package engine

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

const twoGroups = twoNodes + `
[[group]]
name = "scan"
virtual_address = "198.18.0.20"
node = [{ address = "198.18.0.21" }]
`

func TestVerdictSaysWhetherPeopleCanPrintAndWhetherThereIsASpare(t *testing.T) {
	tests := []struct {
		name, text string
		down       []string
		out        []string
		gently     []string
		state      api.BoxState
		bound      bool // only who is bound is served
		reason     string
	}{
		{"all serve", twoNodes, nil, nil, nil, api.OK, false, "all 2 nodes serve"},
		{"one of two is down", twoNodes, []string{"198.18.0.11"}, nil, nil, api.NoSpare, false, "one node carries everything: A is Down"},
		{"one of two is taken out", twoNodes, nil, []string{"198.18.0.12"}, nil, api.NoSpare, false, "one node carries everything: B is out of service"},
		{"both are gone", twoNodes, []string{"198.18.0.11"}, []string{"198.18.0.12"}, nil, api.NothingServing, false, "no node takes MFDs, which are refused and try again: A is Down: port 5555 refused the connection 3 times in a row; B is out of service: return it to service. Every node is probed every 5s; the first that answers for its up-delay serves"},
		{"both are drained gently", twoNodes, nil, nil, []string{"198.18.0.11", "198.18.0.12"}, api.NothingServing, true,
			"no node takes new MFDs, which are refused and try again; those that are bound to A or B go on until their window ends: A is draining: return it to service; B is draining: return it to service"},
		{"one is drained gently, one is down", twoNodes, []string{"198.18.0.11"}, nil, []string{"198.18.0.12"}, api.NothingServing, true,
			"no node takes new MFDs, which are refused and try again; those that are bound to B go on until their window ends: A is Down: port 5555 refused the connection 3 times in a row; B is draining: return it to service. Every node is probed every 5s; the first that answers for its up-delay serves"},
		{"both are stopped", twoNodes, nil, []string{"198.18.0.11", "198.18.0.12"}, nil, api.NothingServing, false,
			"no node takes MFDs, which are refused and try again: A is out of service: return it to service; B is out of service: return it to service"},
		{"one is stopped, one is drained and down", twoNodes, []string{"198.18.0.12"}, []string{"198.18.0.11"}, []string{"198.18.0.12"}, api.NothingServing, false,
			"no node takes MFDs, which are refused and try again: A is out of service: return it to service; B is Down: port 5555 refused the connection 3 times in a row, and draining: return it to service, too"},
		{"the worse group counts", twoGroups, nil, nil, nil, api.NoSpare, false, "scan: only one node is configured; a second one would be a spare"},
		{"two troubles", twoGroups, []string{"198.18.0.12"}, nil, nil, api.NoSpare, false,
			"print: one node carries everything: B is Down; scan: only one node is configured; a second one would be a spare"},
		{"a group without", twoGroups, []string{"198.18.0.21"}, nil, nil, api.NothingServing, false, "scan: no node takes MFDs, which are refused and try again: A is Down: port 5555 refused the connection 3 times in a row. Every node is probed every 5s; the first that answers for its up-delay serves"},
		{"no configuration", "", nil, nil, nil, api.NothingServing, false, "this box has no configuration yet"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBox(t, tt.text)
			b.round(api.Open)
			leave := func(verb api.DrainVerb, nodes []string) {
				for _, a := range nodes {
					b.open(netip.MustParseAddr(a), a)
					if _, err := b.drain(b.member(a), api.DrainRequest{Verb: verb, Force: true}); err != nil {
						t.Fatal(err)
					}
				}
			}
			leave(api.StopNow, tt.out)
			leave(api.DrainGently, tt.gently)
			for range 3 {
				b.round(api.Refused, tt.down...)
			}
			if got := b.last().Box; got.State != tt.state || got.Reason != tt.reason {
				t.Errorf("%s: %s", got.State, got.Reason)
			}
			if g := b.last().Groups; len(g) > 0 && g[0].BoundOnly != tt.bound {
				t.Errorf("only who is bound is served: %v", g[0].BoundOnly)
			}
		})
	}
}

func TestSinceIsTheMomentOfTheChangeNotOfTheReason(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	since := b.last().Box.Since
	b.pass(time.Minute)
	b.round(api.Refused, "198.18.0.11")
	if got := b.last(); !got.Box.Since.Equal(since) || !got.Groups[0].Since.Equal(since) {
		t.Errorf("since %s and %s, want %s", got.Box.Since, got.Groups[0].Since, since)
	}
}

func TestSnapshotNeverContradictsItself(t *testing.T) {
	b := newBox(t, twoGroups)
	b.round(api.Open)
	client, version := mfd, uint64(0)
	for i := range 40 {
		b.open(client, []string{"198.18.0.11", "198.18.0.12", "198.18.0.21"}[i%3])
		client = client.Next()
		b.pass(time.Second)
		s := b.last()
		if s.Version <= version {
			t.Fatalf("version %d after %d", s.Version, version)
		}
		version = s.Version
		for _, g := range s.Groups {
			clients, connections := 0, 0
			for _, n := range g.Nodes {
				clients, connections = clients+n.Clients, connections+n.Connections
			}
			if clients != g.Clients || connections != g.Connections {
				t.Fatalf("group %s has %d MFDs and %d connections, its nodes %d and %d", g.Name, g.Clients, g.Connections, clients, connections)
			}
		}
	}
}

func TestRestartsOfDaemonsAreToldWithTheirReason(t *testing.T) {
	b := newBox(t, twoNodes)
	b.file = filepath.Join(t.TempDir(), "services.json")
	write := func(restarts int) {
		data, err := json.Marshal(api.Services{Services: []api.Daemon{{Name: "webd", Restarts: restarts, LastExit: "watchdog", Since: b.at}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		// The change is seen by the file's time, whatever its resolution.
		if err := os.Chtimes(b.file, b.at, b.at); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	b.restart()
	b.pass(time.Second)
	b.wantTold(event.ServiceRestarted)
	write(2)
	b.pass(5 * time.Second)
	b.wantTold(event.ServiceRestarted, "warning: webd was restarted (2 times since the box started): watchdog")
	os.WriteFile(b.file, []byte(`{"half":`), 0o600)
	b.pass(time.Second)
	b.restart()
	write(3)
	b.restart()
	b.pass(time.Second)
	b.wantTold(event.ServiceRestarted, "webd was restarted (3 times")
	if err := b.log.Flush(); err != nil {
		t.Fatal(err)
	}
	b.restart() // remembers what was told
	b.pass(time.Second)
	b.wantTold(event.ServiceRestarted, "webd was restarted (3 times")
}

// A refusal may be of a service that has died: the MFD is not told before the node was
// found to serve, and asks again until then.
func TestMFDIsToldThatANodeRefusesItOnceTheNodeIsKnownToServe(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	node := dataplane.Mark(b.member("198.18.0.11").id)
	believed := func(want bool, when string) {
		t.Helper()
		if is := slices.Contains(b.kernel.believed, dataplane.Refusal{Mark: node, Port: 5014}); is != want {
			t.Errorf("%s: believed %v", when, b.kernel.believed)
		}
	}
	refused := func() {
		b.at = b.at.Add(time.Second)
		b.connections(dataplane.Batch{Events: []dataplane.Event{{Kind: dataplane.Closed, Refused: true, Port: 5014,
			VirtualAddress: vip, Client: mfd, Mark: node}}})
		b.turn()
	}
	believed(false, "nobody has complained")
	refused()
	believed(false, "it is being probed")
	b.at = b.at.Add(time.Millisecond)
	b.probe("198.18.0.11", api.Open)
	believed(true, "it serves")
	if len(b.kernel.believed) != 1 {
		t.Errorf("believed are %v", b.kernel.believed)
	}
	b.killed()
	b.turn()
	believed(false, "after a restart")
	refused()
	b.at = b.at.Add(time.Millisecond)
	b.probe("198.18.0.11", api.Open)
	believed(true, "it serves after a restart")
	b.probe("198.18.0.11", api.Refused)
	believed(false, "a probe is refused")
	b.round(api.Open)
	refused()
	b.at = b.at.Add(time.Millisecond)
	b.probe("198.18.0.11", api.Open)
	believed(true, "it serves again")
	b.visit(mfd, "198.18.0.11", 5014, false, true)
	believed(false, "somebody was served there")
	refused()
	b.at = b.at.Add(time.Millisecond)
	b.probe("198.18.0.11", api.Open)
	believed(true, "nobody listens there again")
	b.rounds(2*time.Minute, api.Open)
	believed(false, "nobody has complained for a while")
}
