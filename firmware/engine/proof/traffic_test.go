package proof

import (
	"net/netip"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
)

func TestAffinityNeedsAnMFDThatComesAgain(t *testing.T) {
	g := group()
	g.call(theMFD, vip, 5011)
	wants(t, "once", g.Judge(), "affinity", api.UnseenYet, "no MFD has come twice")
	wants(t, "once", g.Judge(), "single-source", api.UnseenYet, "no MFD made two connections")
	wants(t, "once", g.Judge(), "same-node", api.UnseenYet, "no MFD was on two ports")
	g.call(theMFD, vip, 5011)
	wants(t, "twice", g.Judge(), "affinity", api.Pass, "1 session in which the MFD came again")
	wants(t, "twice", g.Judge(), "single-source", api.Pass, "1 session of several connections", "under one address, 198.18.0.10")
	wants(t, "twice on one port", g.Judge(), "same-node", api.UnseenYet)
	g.call(theMFD, vip, 5610)
	wants(t, "on two ports", g.Judge(), "same-node", api.Pass, "1 session of MFDs on several ports")
}

// A move for a reason is what failover is for; one without is what must not happen.
func TestMovesFailAffinityOnlyWithoutAReason(t *testing.T) {
	for _, id := range []string{"affinity", "same-node"} {
		g := group()
		g.call(theMFD, vip, 5011)
		g.call(theMFD, vip, 5610)
		g.Seen.Moved(true)
		g.Moving = 1
		wants(t, "moved", g.Judge(), id, api.Pass, "moves for a known reason", "older connections of 1 MFD finish")
		g.Seen.Moved(false)
		wants(t, "a fault", g.Judge(), id, api.Fail, "1 MFD changed nodes for no known reason")
		g = group()
		g.Split = 2
		wants(t, "split", g.Judge(), id, api.Fail, "2 MFDs now on two nodes")
	}
}

func TestTwoAddressesOfOneSessionFailTheSingleSource(t *testing.T) {
	g := group()
	g.call(theMFD, vip, 5011)
	g.call(theMFD, theMFD, 5011)
	wants(t, "one after the other", g.Judge(), "single-source", api.Fail, "1 session in which nodes saw the MFD under two addresses")
	g.Seen.End(func(netip.Addr) bool { return true })
	wants(t, "after the session", g.Judge(), "single-source", api.Fail)
	g = group()
	for _, seenAs := range []netip.Addr{vip, theMFD} {
		g.Open.Add(dataplane.Connection{Client: theMFD, SeenAs: seenAs, Port: 5011})
	}
	wants(t, "at the same time", g.Judge(), "single-source", api.Fail)
	g = group()
	g.call(theMFD, vip, 5011)
	g.Seen.End(func(netip.Addr) bool { return true })
	g.call(theMFD, theMFD, 5011)
	wants(t, "in two sessions", g.Judge(), "single-source", api.UnseenYet, "1 session under another address than mode = \"masked\" has it")
}

// A packet that no node answers is no use of the box, though it is sent to a node.
func TestOnlyWhatANodeAnsweredIsASession(t *testing.T) {
	g := group()
	for _, port := range []uint16{5011, 5012, 5610} {
		g.Seen.Opened(&g.Group, Connection{Client: theMFD, SeenAs: vip, Port: port})
	}
	for _, id := range []string{"address-used", "affinity", "same-node", "single-source"} {
		wants(t, "unanswered", g.Judge(), id, api.UnseenYet)
	}
	g.call(theMFD, vip, 5011)
	wants(t, "one of them answered", g.Judge(), "address-used", api.Pass, "1 session of MFDs by")
	wants(t, "one of them answered", g.Judge(), "affinity", api.UnseenYet)
}

// A session is one, whichever of its connections are open and over.
func TestOpenConnectionsAreOfTheirSession(t *testing.T) {
	open := func(port uint16) dataplane.Connection {
		return dataplane.Connection{Client: theMFD, SeenAs: vip, Port: port, Received: 60}
	}
	g := group()
	g.call(theMFD, vip, 5011)
	g.Open.Add(open(5610))
	for _, id := range []string{"address-used", "affinity", "same-node", "single-source"} {
		wants(t, "one open, one over", g.Judge(), id, api.Pass, "1 session ")
	}
	g = group()
	g.Open.Add(open(5011))
	wants(t, "one open", g.Judge(), "address-used", api.Pass)
	wants(t, "one open", g.Judge(), "affinity", api.UnseenYet)
	g.Open.Add(open(5011))
	wants(t, "two open", g.Judge(), "affinity", api.Pass)
	wants(t, "two open on one port", g.Judge(), "same-node", api.UnseenYet)
}

func TestWindowNeedsABoundMFD(t *testing.T) {
	g := group()
	wants(t, "nobody is bound", g.Judge(), "window", api.UnseenYet, "no MFD is bound")
	g.Bound, g.Left = 3, 29*time.Minute
	wants(t, "bound", g.Judge(), "window", api.Pass, "3 MFDs bound, the longest window ends in 29m0s")
	g.Refused = "the kernel lacks it"
	wants(t, "the kernel lacks it", g.Judge(), "window", api.Fail)
	g.Refused, g.Affinity = "", 29*time.Minute
	wants(t, "too short", g.Judge(), "window", api.Fail, "affinity = \"30m\"")
}

func TestSpreadIsJudgedByFirstContactsAndFewAreNotJudged(t *testing.T) {
	for _, tt := range []struct {
		what        string
		right, away int // first contacts: to the node with the fewest, to another
		a, b        int // bound
		verdict     api.Verdict
		words       string
	}{
		{"nobody came", 0, 0, 0, 0, api.UnseenYet, "0 new MFDs dealt"},
		{"three on one node", 1, 2, 3, 0, api.UnseenYet, "3 new MFDs dealt"},
		{"nine", 9, 0, 5, 4, api.UnseenYet, "10 are needed to judge"},
		{"ten", 10, 0, 5, 5, api.Pass, "10 of 10 new MFDs went to the node with the fewest connections"},
		{"ten, all on one node", 2, 8, 10, 0, api.Fail, "8 of 10 new MFDs went to a node that had more"},
		{"two in ten amiss", 8, 2, 6, 4, api.Fail, "2 of 10"},
		{"one in ten amiss", 18, 2, 11, 9, api.Pass, "18 of 20"},
		{"uneven by an outage", 40, 0, 10, 30, api.Pass, "uneven now: "},
		{"a restart, even", 0, 0, 22, 18, api.Pass, "40 MFDs bound on 2 nodes, each node has its share"},
		{"a restart, few", 0, 0, 4, 4, api.UnseenYet, "0 new MFDs dealt"},
		{"a restart, uneven", 0, 0, 8, 2, api.UnseenYet, "uneven now: "},
	} {
		g := group()
		for range tt.right {
			g.Seen.Dealt(true)
		}
		for range tt.away {
			g.Seen.Dealt(false)
		}
		g.Nodes[0].Bound, g.Nodes[1].Bound = tt.a, tt.b
		wants(t, tt.what, g.Judge(), "uniform", tt.verdict, tt.words)
	}
	g := group()
	for range 20 {
		g.Seen.Dealt(true)
	}
	wants(t, "least connections", g.Judge(), "least-connections", api.Pass, "20 of 20")
	g.Nodes[1].Weight = 9
	wants(t, "a node of small weight", g.Judge(), "uniform", api.UnseenYet, "50 are needed to judge")
	g.Nodes[1].Serving, g.Nodes[1].Weight = false, 1
	wants(t, "one of two, after both had served", g.Judge(), "uniform", api.Pass, "20 of 20")
	g.Seen = NewSightings(now)
	wants(t, "one node", g.Judge(), "uniform", api.UnseenYet, "only A takes new MFDs")
	g.Nodes[0].Serving = false
	wants(t, "no node", g.Judge(), "uniform", api.UnseenYet, "no node takes new MFDs")
}

func TestPortsPassWhenANodeAnsweredAnMFDThere(t *testing.T) {
	for _, tt := range []struct {
		id    string
		port  uint16
		first uint16
	}{{"ports-terminal", 5013, 5011}, {"ports-webdav", 5610, 5610}, {"ports-ftp", 21, 21}} {
		g := group()
		wants(t, "configured", g.Judge(), tt.id, api.UnseenYet, "no node has answered an MFD on ", "nc -z 198.18.0.10 ")
		c := Connection{Client: theMFD, SeenAs: vip, Port: tt.port}
		g.Seen.Opened(&g.Group, c)
		wants(t, "not answered", g.Judge(), tt.id, api.UnseenYet, "passed, and not answered by the node so far")
		wants(t, "not answered", g.Judge(), "by-port", api.UnseenYet)
		g.Seen.Answered(&g.Group, c, now)
		wants(t, "answered", g.Judge(), tt.id, api.Pass, "connections that nodes answered")
		wants(t, "answered", g.Judge(), "by-port", api.Pass, "1 connection on 1 port")
		for range 3 {
			g.Seen.Unanswered(&g.Group, c)
		}
		wants(t, "refused lately", g.Judge(), tt.id, api.UnseenYet, "answered before, and not at the last tries in a row: ", "(3); do: see spoolctl incidents")
		g.Seen.Answered(&g.Group, c, now)
		wants(t, "answered again", g.Judge(), tt.id, api.Pass)
		g.Refused = "the kernel lacks it"
		wants(t, "the kernel lacks it", g.Judge(), tt.id, api.Fail)
		g = group()
		g.Open.Add(dataplane.Connection{Client: theMFD, SeenAs: vip, Port: tt.port, Received: 60})
		wants(t, "open and answered", g.Judge(), tt.id, api.Pass)
		g.Ports = []config.PortRange{{First: 1, Last: 2}}
		wants(t, "not passed", g.Judge(), tt.id, api.Fail, "is not passed; do: add it to ports")
	}
	g := group()
	g.call(theMFD, vip, 5011)
	wants(t, "what was not used is said", g.Judge(), "ports-terminal", api.Pass, "5011 (1)", "not used by an MFD yet: 5012-5025")
}

func TestPassiveFTPNeedsADataConnection(t *testing.T) {
	g := group()
	g.call(theMFD, vip, 21)
	wants(t, "control alone", g.Judge(), "passive-ftp", api.UnseenYet, "no data connection since")
	data := Connection{Client: theMFD, SeenAs: vip, Port: 50001, Related: true}
	g.Seen.Opened(&g.Group, data)
	wants(t, "refused", g.Judge(), "passive-ftp", api.UnseenYet)
	wants(t, "data follow, and show nothing of where an MFD is sent", g.Judge(), "same-node", api.UnseenYet)
	wants(t, "data follow, and show nothing of where an MFD is sent", g.Judge(), "affinity", api.UnseenYet)
	g.Seen.Answered(&g.Group, data, now)
	wants(t, "answered", g.Judge(), "passive-ftp", api.Pass, "1 data connection followed the control connection")
	g = group()
	g.Open.Add(dataplane.Connection{Client: theMFD, SeenAs: vip, Port: 50001, Related: true, Received: 60})
	wants(t, "open", g.Judge(), "passive-ftp", api.Pass)
	g = group()
	g.PassivePorts = config.PortRange{First: 50000, Last: 50199}
	g.Open = NewSurvey(g.Group)
	g.Open.Add(dataplane.Connection{Client: theMFD, SeenAs: vip, Port: 50001, Received: 60})
	wants(t, "open, and encrypted", g.Judge(), "passive-ftp", api.Pass, "those to 50000-50199 follow")
	g.FTPPorts = nil
	wants(t, "not treated as FTP", g.Judge(), "passive-ftp", api.Fail, "add it to ftp_ports")
}
