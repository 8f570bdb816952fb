package proof

import (
	"errors"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
)

// The requirement says "AND/OR": with "any" the ports of a node decide alone where its
// services can't be read, with "all" the configuration promises more than that.
func TestServicesThatCannotBeReadFailOnlyWhereBothAreConfigured(t *testing.T) {
	running := api.WindowsService{Name: "TS", State: api.WindowsRunning, Last: now, Counts: true}
	stopped := api.WindowsService{Name: "TS", State: api.WindowsStopped, Last: now, Counts: true}
	refused := api.WindowsService{Name: "TS", State: api.WindowsRefused, Last: now}
	unasked := api.WindowsService{Name: "TS", State: api.WindowsNotAsked}
	for _, tt := range []struct {
		what    string
		combine config.Combine
		service api.WindowsService
		verdict api.Verdict
		words   string
	}{
		{"all, running", config.All, running, api.Pass, "A: service TS runs, at "},
		{"all, stopped", config.All, stopped, api.Pass, "A: service TS is stopped, at "},
		{"all, refused", config.All, refused, api.Fail, "and does not count"},
		{"all, not asked", config.All, unasked, api.UnseenYet, "has not been asked for yet"},
		{"any, running", config.Any, running, api.Pass, "by its ports or its services"},
		{"any, refused", config.Any, refused, api.Pass, "refused the connection to port 445: its ports decide, as combine = \"any\" has it"},
		{"any, not asked", config.Any, unasked, api.UnseenYet, "has not been asked for yet"},
	} {
		g := group()
		g.probe(1)
		g.Nodes[0].Services = config.Services{Names: []string{"TS"}, Combine: tt.combine, Account: "probe"}
		g.Nodes[0].Status.Services = []api.WindowsService{tt.service}
		wants(t, tt.what, g.Judge(), "failover-decision", tt.verdict, tt.words)
	}
	g := group()
	g.probe(1)
	wants(t, "by ports alone", g.Judge(), "failover-decision", api.Pass, "A is Up, by its ports: all ports answer")
}

func TestBothPortsMustBeProbedNow(t *testing.T) {
	g := group()
	g.probe(1)
	wants(t, "probed", g.Judge(), "monitored-ports", api.Pass, "A: port 5555 was probed at ", ": open")
	g.Nodes[1].Status.Ports[1].Last = time.Time{}
	wants(t, "one port of one node was not", g.Judge(), "monitored-ports", api.UnseenYet, "B: port 5022 has not been probed yet")
	g.Nodes[1].Status.Ports[1].Last = now.Add(-14 * time.Second)
	wants(t, "no longer", g.Judge(), "monitored-ports", api.Fail, "B: port 5022 was last probed 14s ago")
	g.Paced = now.Add(-13 * time.Second)
	wants(t, "in the interval of before", g.Judge(), "monitored-ports", api.Pass)
	g.probe(1)
	g.Nodes[1].Status.Ports[1].Outcome = api.NoRoute
	wants(t, "no way to the node", g.Judge(), "monitored-ports", api.Fail, "B: port 5022 can't be probed from this box: no route")
	g = group()
	g.Checks.Ports = []uint16{5555}
	g.probe(1)
	wants(t, "not configured", g.Judge(), "monitored-ports", api.Fail, "port 5022 is not probed")
}

func TestHalfOpenNeedsAnsweredProbesThatEndWithARSTAndNoFIN(t *testing.T) {
	each := func(change func(*api.Flight)) func(*Group) {
		return func(g *Group) {
			g.probe(20)
			for n := range g.Nodes {
				for i := range g.Nodes[n].Flights {
					change(&g.Nodes[n].Flights[i])
				}
			}
		}
	}
	for _, tt := range []struct {
		what    string
		see     func(*Group)
		verdict api.Verdict
		words   string
	}{
		{"no probe", func(*Group) {}, api.UnseenYet, "A: no whole probe is in the record yet; do: ask again"},
		{"all refused", each(func(f *api.Flight) { f.Outcome, f.SYNACK, f.RST = api.Refused, time.Time{}, time.Time{} }), api.UnseenYet, "A: none of its last 40 probes was answered"},
		{"all answered this moment", each(func(f *api.Flight) { f.SYNACK, f.RST = now, time.Time{} }), api.UnseenYet, "no whole probe is in the record yet"},
		{"nothing recorded", each(func(f *api.Flight) { f.SYN, f.SYNACK, f.RST = time.Time{}, time.Time{}, time.Time{} }), api.UnseenYet, "their packets are not in the record"},
		{"answered and reset", func(g *Group) { g.probe(20) }, api.Pass, "A: 40 of 40 answered probes ended with our RST, none with a FIN"},
		{"one RST was not recorded", func(g *Group) { g.probe(20); g.Nodes[0].Flights[3].RST = time.Time{} }, api.Pass, "A: 39 of 40"},
		{"no RST", each(func(f *api.Flight) { f.RST = time.Time{} }), api.Fail, "A: 40 of 40 answered probes have no RST in the record"},
		{"one FIN", func(g *Group) { g.probe(20); g.Nodes[0].Flights[3].FIN = now }, api.Fail, "A: 1 of 40 answered probes ended with a FIN"},
		{"one node is off", func(g *Group) {
			g.probe(20)
			g.Nodes[1].Flights = nil
		}, api.Pass, "B: no whole probe is in the record yet"},
	} {
		g := group()
		tt.see(&g)
		wants(t, tt.what, g.Judge(), "half-open", tt.verdict, tt.words)
	}
	g := group()
	g.probe(20)
	for i := range g.Nodes {
		for f := range g.Nodes[i].Flights {
			if g.Nodes[i].Flights[f].Port == 5022 {
				g.Nodes[i].Flights[f].Outcome = api.Refused
			}
		}
	}
	wants(t, "one service is off", g.Judge(), "check-5555", api.Pass)
	wants(t, "one service is off", g.Judge(), "check-5022", api.UnseenYet)
}

// Five seconds are a recommendation: another period is no failure, one that is not
// kept is.
func TestPeriodIsMeasured(t *testing.T) {
	g := group()
	g.probe(3)
	wants(t, "too few", g.Judge(), "period", api.UnseenYet, "port 5555 was probed 3 times, too few to measure")
	g.probe(20)
	wants(t, "kept", g.Judge(), "period", api.Pass, "A: port 5555 was probed every 5s")
	g.Checks.Interval = 2 * time.Second
	wants(t, "not kept", g.Judge(), "period", api.Fail, "A: port 5555 was probed only every 5s")
	g.Checks.Interval = 10 * time.Second
	wants(t, "another period", g.Judge(), "period", api.Pass, "the recommendation is 5s")
}

// What was probed before says nothing of an interval that was configured since.
func TestPeriodIsThatOfTheIntervalInUse(t *testing.T) {
	g := group()
	g.probe(20)
	g.Checks.Interval = 2 * time.Second
	g.Paced = now.Add(-13 * time.Second)
	wants(t, "just shortened", g.Judge(), "period", api.UnseenYet,
		"A: port 5555 was probed 2 times since "+clock(g.Paced)+", when the interval became 2s, too few to measure; do: ask again in 8s")
	g.Paced = now.Add(-22 * time.Second)
	wants(t, "shortened, and not kept since", g.Judge(), "period", api.Fail, "A: port 5555 was probed only every 5s")
	g.Checks.Interval = 30 * time.Second
	g.Paced = now.Add(-13 * time.Second)
	wants(t, "just lengthened", g.Judge(), "period", api.UnseenYet, "when the interval became 30s")
}

func TestDownAfterThreeNeedsANodeThatWentDown(t *testing.T) {
	for _, tt := range []struct {
		what    string
		was     api.Health
		ports   []api.Port
		watched bool // services, too
		verdict api.Verdict
		words   string
	}{
		{"after three", api.Checking, []api.Port{{Port: 5555}, {Port: 5022, Misses: 3}}, false, api.Pass, "A was considered Down after 3 unsuccessful attempts in a row on port 5022"},
		{"after two", api.Checking, []api.Port{{Port: 5022, Misses: 2}}, false, api.Fail, "after only 2 of 3 unsuccessful attempts on port 5022"},
		{"by its services", api.Up, []api.Port{{Port: 5022}}, true, api.UnseenYet, "no node went Down by its ports"},
		{"by its services while a port missed", api.Checking, []api.Port{{Port: 5022, Misses: 1}}, true, api.UnseenYet, "no node went Down by its ports"},
		{"after the box had suspected itself", api.Checking, []api.Port{{Port: 5022, Misses: 7}}, false, api.Pass, "after 7 unsuccessful attempts"},
		{"while it started", api.Starting, []api.Port{{Port: 5022, Misses: 1}}, false, api.UnseenYet, "no node went Down by its ports"},
	} {
		g := group()
		g.Seen.Health(Change{Node: nodeA, Was: tt.was, Is: api.Down, Ports: tt.ports, Misses: 3, Services: tt.watched, At: now})
		g.Checks.Misses = 5 // the configuration was changed after that
		wants(t, tt.what, g.Judge(), "down-after", tt.verdict, tt.words)
	}
}

func TestUpDelayNeedsThreeMeasuredStartsOfEachNode(t *testing.T) {
	for _, tt := range []struct {
		what    string
		took    []time.Duration
		verdict api.Verdict
		words   string
	}{
		{"no start", nil, api.UnseenYet, "A: 0 starts measured, 3 are needed"},
		{"two starts", []time.Duration{time.Minute, time.Minute}, api.UnseenYet, "A: 2 starts measured, 3 are needed"},
		{"one that took longer", []time.Duration{4 * time.Minute}, api.Fail, "A took 4m0s to start"},
		{"three starts", []time.Duration{90 * time.Second, 100 * time.Second, 130 * time.Second}, api.Pass, "A: the last 3 starts took 90 to 130 s"},
		{"three that took longer", []time.Duration{3 * time.Minute, 200 * time.Second, 4 * time.Minute}, api.Fail, "set up_delay ="},
	} {
		g := group()
		g.starts(tt.took...)
		wants(t, tt.what, g.Judge(), "up-delay", tt.verdict, tt.words)
	}
	g := group()
	g.starts(time.Minute, time.Minute, time.Minute)
	g.Nodes[1].Starts = g.Nodes[1].Starts[:1]
	wants(t, "one node was not started", g.Judge(), "up-delay", api.UnseenYet, "B: 1 start measured")
	g.Seen.Health(Change{Node: nodeA, Was: api.Down, Is: api.Starting, At: now.Add(-4 * time.Minute)})
	g.Seen.Health(Change{Node: nodeA, Was: api.Starting, Is: api.Up, At: now})
	wants(t, "the delay was kept", g.Judge(), "up-delay", api.UnseenYet, "A answered for 4m0s before it was Up")
}

// Reports count when they arrive, not when they are configured.
func TestReportsPassOnlyWhenOneArrived(t *testing.T) {
	quiet := api.Reporter{Name: "mail"}
	sent := api.Reporter{Name: "syslog", Target: "log.example.com", DeliveredAt: now}
	tested := api.Reporter{Name: "mail", TestedAt: now}
	blind := api.Reporter{Name: "syslog", Target: "log.example.com over udp", DeliveredAt: now, Unconfirmed: true}
	blindTrap := api.Reporter{Name: "snmp", TestedAt: now, Unconfirmed: true}
	stuck := api.Reporter{Name: "mail", DeliveredAt: now.Add(-time.Hour), Waiting: 2, Since: now, Trouble: &api.Failure{Stage: api.StageDNS, What: "nobody knows mail.example.com", Do: "Correct the name"}}
	barred := api.Reporter{Name: "syslog", Target: "log.example.com", DeliveredAt: now.Add(-time.Hour), TestedAt: now, TestStopped: &api.Failure{Stage: api.StageConnect, What: "no route to host", Do: "Look at the router"}}
	left := api.Reporter{Name: "mail", Target: "a@example.com, b@example.com", DeliveredAt: now, LeftOut: &api.Failure{Stage: api.StageRecipient, What: "a@example.com was refused", Do: "Correct to under [report.mail]"}}
	again := barred
	again.DeliveredAt = now.Add(time.Second)
	for _, tt := range []struct {
		what    string
		r       Reports
		verdict api.Verdict
		words   string
	}{
		{"none is configured", Reports{}, api.Fail, "no reporter is configured"},
		{"none, and reportd is dead", Reports{Silent: errors.New("refused")}, api.Fail, "no reporter is configured"},
		{"reportd is dead", Reports{Configured: 1, Silent: errors.New("refused")}, api.Fail, "reportd does not answer"},
		{"reportd has another configuration", Reports{Configured: 1}, api.Fail, "reportd runs none"},
		{"nothing was sent", Reports{Configured: 1, Reporters: []api.Reporter{quiet}}, api.UnseenYet, "do: spoolctl report test mail"},
		{"a report was sent", Reports{Configured: 1, Reporters: []api.Reporter{sent}}, api.Pass, "to log.example.com"},
		{"a test was sent", Reports{Configured: 1, Reporters: []api.Reporter{tested}}, api.Pass, "mail sent its last message"},
		{"a test stopped since", Reports{Configured: 1, Reporters: []api.Reporter{barred}}, api.Fail, "connect: no route to host; do: Look at the router"},
		{"a report arrived after a test that stopped", Reports{Configured: 1, Reporters: []api.Reporter{again}}, api.Pass, "to log.example.com"},
		{"a test stopped, mail gets through", Reports{Configured: 2, Reporters: []api.Reporter{barred, tested}}, api.Pass, "syslog did not get through with its test"},
		{"a recipient was refused", Reports{Configured: 1, Reporters: []api.Reporter{left}}, api.Fail,
			"mail does not get to everybody: recipient: a@example.com was refused; do: Correct to under [report.mail]"},
		{"a recipient was refused, syslog gets through", Reports{Configured: 2, Reporters: []api.Reporter{left, sent}}, api.Fail, "a@example.com was refused"},
		{"nothing gets through", Reports{Configured: 1, Reporters: []api.Reporter{stuck}}, api.Fail, "DNS: nobody knows mail.example.com"},
		{"one of two gets through", Reports{Configured: 2, Reporters: []api.Reporter{stuck, sent}}, api.Pass, "mail has not got through"},
		{"one is stuck, one has sent nothing", Reports{Configured: 2, Reporters: []api.Reporter{stuck, quiet}}, api.UnseenYet, "mail has not got through"},
		{"sent over UDP", Reports{Configured: 1, Reporters: []api.Reporter{blind}}, api.UnseenHere,
			"to log.example.com over udp, and over UDP nobody says whether it arrived; do: look for it there, or have it confirmed by transport = \"tcp\" in [report.syslog]"},
		{"a trap was sent", Reports{Configured: 1, Reporters: []api.Reporter{blindTrap}}, api.UnseenHere, "have it confirmed by inform = true in [report.snmp]"},
		{"sent over UDP, and by mail", Reports{Configured: 2, Reporters: []api.Reporter{blind, tested}}, api.Pass, "over UDP nobody says whether it arrived"},
		{"sent over UDP, and mail is stuck", Reports{Configured: 2, Reporters: []api.Reporter{blind, stuck}}, api.UnseenHere, "mail has not got through"},
		{"sent over UDP, and not by mail yet", Reports{Configured: 2, Reporters: []api.Reporter{blind, quiet}}, api.UnseenYet, "do: spoolctl report test mail"},
		{"metrics alone", Reports{Metrics: true}, api.UnseenYet, "tells nobody by itself"},
		{"metrics, and reportd is dead", Reports{Metrics: true, Silent: errors.New("refused")}, api.Fail, "reportd does not answer"},
	} {
		item := tt.r.Judge()
		wants(t, tt.what, []api.ProofItem{item}, "reports", tt.verdict, tt.words)
		if said := strings.Join(item.Evidence, "\n"); strings.Contains(said, "to a@example.com") {
			t.Errorf("%s: one who was refused is said to have got it: %s", tt.what, said)
		}
	}
}
