package proof

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/health"
)

var (
	now    = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	vip    = netip.MustParseAddr("198.18.0.10")
	nodeA  = netip.MustParseAddr("198.18.0.11")
	nodeB  = netip.MustParseAddr("198.18.0.12")
	theMFD = netip.MustParseAddr("198.18.1.20")
)

// group is a group as the requirement has it, of which nothing has been seen yet.
func group() Group {
	g := Group{Now: now, Seen: NewSightings(now.Add(-time.Hour))}
	g.Group = config.Group{Name: "print", VirtualAddress: vip, Mode: config.Masked, Affinity: 30 * time.Minute,
		Ports:    []config.PortRange{{First: 21, Last: 21}, {First: 5011, Last: 5025}, {First: 5610, Last: 5610}},
		FTPPorts: []uint16{21}, Checks: config.Checks{Ports: []uint16{5555, 5022}, Interval: 5 * time.Second, Timeout: 2 * time.Second, Misses: 3, UpDelay: 3 * time.Minute}}
	g.Open = NewSurvey(g.Group)
	for i, a := range []netip.Addr{nodeA, nodeB} {
		n := Node{Node: config.Node{Name: string(rune('A' + i)), Address: a, Weight: 1}, Serving: true, Probes: map[uint16][]api.Probe{}}
		n.Status = health.Status{Health: api.Unknown, Ports: []api.Port{{Port: 5555}, {Port: 5022}}}
		g.Nodes = append(g.Nodes, n)
	}
	return g
}

// probe gives each node n probes of both ports, which all answer as a half-open probe is answered.
func (g *Group) probe(n int) {
	for i := range g.Nodes {
		node := &g.Nodes[i]
		for range n {
			for p := range node.Status.Ports {
				port := &node.Status.Ports[p]
				at := now.Add(time.Duration(len(node.Probes[port.Port])-n) * 5 * time.Second)
				port.Outcome, port.Last = api.Open, at
				node.Probes[port.Port] = append(node.Probes[port.Port], api.Probe{Time: at, Outcome: api.Open})
				node.Flights = append(node.Flights, api.Flight{Time: at, Port: port.Port, Outcome: api.Open, SYN: at, SYNACK: at.Add(1), RST: at.Add(2)})
			}
		}
		node.Status.Health, node.Status.Reason = api.Up, "all ports answer"
	}
}

// call has an MFD open and end a connection that the node answers.
func (g *Group) call(mfd, seenAs netip.Addr, port uint16) {
	c := Connection{Client: mfd, SeenAs: seenAs, Port: port}
	g.Seen.Opened(&g.Group, c)
	g.Seen.Answered(&g.Group, c, now)
}

func (g *Group) starts(took ...time.Duration) {
	for i := range g.Nodes {
		for _, d := range took {
			g.Nodes[i].Starts = append(g.Nodes[i].Starts, api.Start{At: now, Took: api.Duration(d)})
		}
	}
}

// wants fails unless the sentence of an id is judged so, with all of the words in its
// evidence.
func wants(t *testing.T, what string, items []api.ProofItem, id string, verdict api.Verdict, words ...string) {
	t.Helper()
	i := slices.IndexFunc(items, func(i api.ProofItem) bool { return i.ID == id })
	if i < 0 {
		t.Fatalf("%s: no sentence has the id %q", what, id)
	}
	all := strings.Join(items[i].Evidence, "\n")
	if items[i].Verdict != verdict {
		t.Errorf("%s: %s is %s, want %s:\n%s", what, id, items[i].Verdict, verdict, all)
	}
	for _, w := range words {
		if !strings.Contains(all, w) {
			t.Errorf("%s: %s does not say %q but\n%s", what, id, w, all)
		}
	}
}

// A box that has just been configured has shown nothing, however right its
// configuration is.
func TestNothingPassesBeforeAnythingWasSeen(t *testing.T) {
	for _, item := range group().Judge() {
		if item.Verdict == api.Pass || item.Verdict == api.Fail {
			t.Errorf("%s is %s: %v", item.ID, item.Verdict, item.Evidence)
		}
		if !strings.Contains(strings.Join(item.Evidence, " "), "do: ") {
			t.Errorf("%s does not say what to do: %v", item.ID, item.Evidence)
		}
	}
}

// Whoever judges a sentence without having seen anything gets no pass out of it.
func TestFindingWithoutEvidenceIsNoPass(t *testing.T) {
	var f finding
	f.notes("configured as it should be")
	if got := f.item(sentence{}).Verdict; got != api.UnseenYet {
		t.Errorf("%s", got)
	}
}

func TestEverySentenceHasItsOwnLastingID(t *testing.T) {
	want := strings.Fields(`virtual-address reverse-look-up address-used unit failover-decision monitored-ports half-open period down-after up-delay
		affinity window uniform by-port single-source check-5555 check-5022 same-node ports-terminal ports-webdav ports-ftp least-connections passive-ftp
		reports node-load-balancer node-group node-address node-scan-address`)
	var got []string
	for _, i := range slices.Concat(group().Judge(), []api.ProofItem{Reports{}.Judge()}, Settings()) {
		if got = append(got, i.ID); i.Section == "" || i.Sentence == "" || len(i.Evidence) == 0 {
			t.Errorf("not whole: %+v", i)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the ids are %v, want %v", got, want)
	}
}

// What is seen on a site in which all goes well passes, but for what only the site can show.
func TestEverySentencePassesThatWasSeen(t *testing.T) {
	g := group()
	g.Hold = &api.Hold{State: api.Held, Since: now}
	g.DNSName, g.Names = "print.example.com", &api.NameCheck{Name: "print.example.com", Resolver: "198.18.0.53", Reverse: []string{"print.example.com"}}
	g.probe(20)
	g.starts(90*time.Second, 100*time.Second, 130*time.Second)
	g.Seen.Health(Change{Node: nodeA, Was: api.Checking, Is: api.Down, Ports: []api.Port{{Port: 5022, Misses: 3}}, Misses: 3, At: now})
	a := theMFD
	for range 10 {
		for _, port := range []uint16{5011, 5610, 21} {
			g.call(a, vip, port)
		}
		g.Seen.Dealt(true)
		a = a.Next()
	}
	g.Seen.Answered(&g.Group, Connection{Client: theMFD, SeenAs: vip, Port: 50001, Related: true}, now)
	g.Bound, g.Left, g.Nodes[0].Bound, g.Nodes[1].Bound = 10, 29*time.Minute, 5, 5
	for _, i := range g.Judge() {
		if i.Verdict != api.Pass {
			t.Errorf("%s is %s: %v", i.ID, i.Verdict, i.Evidence)
		}
	}
}

func TestSettingsOfTheServersCannotBeSeenFromHere(t *testing.T) {
	for _, i := range Settings() {
		if i.Verdict != api.UnseenHere || !strings.HasPrefix(i.Evidence[0], "because ") || !strings.HasPrefix(i.Evidence[1], "do: ") {
			t.Errorf("%+v", i)
		}
	}
}

func TestAddressIsHeldByTheBoxAlone(t *testing.T) {
	for _, tt := range []struct {
		hold    *api.Hold
		verdict api.Verdict
	}{
		{nil, api.UnseenHere},
		{&api.Hold{State: api.Held}, api.Pass},
		{&api.Hold{State: api.Waiting, Reason: "the cable is out"}, api.UnseenYet},
		{&api.Hold{State: api.Conflict, Reason: "another machine has it"}, api.Fail},
		{&api.Hold{State: api.Disputed, Reason: "another machine claims it"}, api.Fail},
	} {
		g := group()
		g.Hold = tt.hold
		wants(t, "a hold", g.Judge(), "virtual-address", tt.verdict)
	}
}

func TestReverseLookUpIsWhatTheNameServersSay(t *testing.T) {
	for _, tt := range []struct {
		names   *api.NameCheck
		verdict api.Verdict
		words   string
	}{
		{nil, api.UnseenYet, "not been asked yet"},
		{&api.NameCheck{ResolverWrong: "198.18.0.53 is silent"}, api.UnseenYet, "is silent"},
		{&api.NameCheck{ReverseWrong: "198.18.0.10 has no name"}, api.Fail, "has no name"},
		{&api.NameCheck{Name: "print.example.com", Reverse: []string{"print.example.com"}}, api.Pass, "is named print.example.com"},
	} {
		g := group()
		g.DNSName, g.Names = "print.example.com", tt.names
		wants(t, "names", g.Judge(), "reverse-look-up", tt.verdict, tt.words)
	}
}

func TestMFDThatGoesPastTheAddressFailsItsUse(t *testing.T) {
	g := group()
	g.call(theMFD, vip, 5011)
	wants(t, "used", g.Judge(), "address-used", api.Pass, "1 session of MFDs by 198.18.0.10")
	g.Bypasses = []string{"198.18.1.20 goes to node A itself"}
	wants(t, "bypassed", g.Judge(), "address-used", api.Fail, "goes to node A itself")
	g = group()
	g.Open.Add(dataplane.Connection{Client: theMFD, SeenAs: vip, Port: 5011, Received: 60})
	wants(t, "open before the balancer began", g.Judge(), "address-used", api.Pass)
}
