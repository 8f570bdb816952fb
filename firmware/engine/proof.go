package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// Sections of the requirement.
const (
	inGeneral = "Requirements for a Third-party Load Balancer"
	failover  = "Terminal Failover"
	checked   = "Health Check"
	passed    = "Ports Pass through"
	ftpNote   = "FTP Tech Note"
	settings  = "Terminal Server settings"
)

// proof holds the requirement against what is seen now, sentence by sentence.
func (e *Engine) proof(found map[netip.Addr]*survey) api.Proof {
	p := api.Proof{Time: e.opts.Now(), Items: []api.ProofItem{}}
	for _, g := range e.groups {
		s := found[g.VirtualAddress]
		if s == nil {
			s = &survey{}
		}
		for _, item := range []api.ProofItem{
			e.provesAddress(g), e.provesNames(g), provesServices(g), provesPorts(g), e.provesProbes(g), provesPeriod(g), e.provesUpDelay(g),
			e.provesAffinity(g, s), provesWindow(g), provesSpread(g), provesPassing(g), provesFTP(g), provesSource(g, s),
		} {
			item.Group = g.Name
			p.Items = append(p.Items, item)
		}
	}
	p.Items = append(p.Items, e.provesReports(), api.ProofItem{Section: settings, Verdict: api.Unseen,
		Sentence: "Set the Load Balancer's virtual DNS name in the networkAddress parameter ... add new scanServerIp parameter and set it to the physical IP address of the local TS node",
		Evidence: []string{"look into TerminalServer.exe.config on each node, and whether enableNetworkLoadBalancer is enabled in System settings"}})
	return p
}

// verdict is a pass unless something was found wrong.
func verdict(section, sentence string, wrong []string, evidence ...string) api.ProofItem {
	item := api.ProofItem{Section: section, Sentence: sentence, Verdict: api.Pass, Evidence: evidence}
	if len(wrong) > 0 {
		item.Verdict, item.Evidence = api.Fail, append(wrong, evidence...)
	}
	return item
}

func (e *Engine) provesAddress(g *group) api.ProofItem {
	const sentence = "represented from the perspective of MFDs by one and only one virtual IP address ... which is held by the load balancer"
	hold, known := e.holds[g.VirtualAddress]
	if !known {
		return api.ProofItem{Section: inGeneral, Sentence: sentence, Verdict: api.Unseen,
			Evidence: []string{fmt.Sprintf("nobody tells this program who holds %s: look with arping", g.VirtualAddress)}}
	}
	var wrong []string
	if hold.State != api.Held {
		wrong = append(wrong, fmt.Sprintf("%s is %s: %s", g.VirtualAddress, hold.State, hold.Reason))
	}
	return verdict(inGeneral, sentence, wrong, fmt.Sprintf("%s is %s since %s", g.VirtualAddress, hold.State, hold.Since.Format(time.DateTime)))
}

func (e *Engine) provesNames(g *group) api.ProofItem {
	const sentence = "virtual IP address or FQDN (reverse lookups have to be configured)"
	i := slices.IndexFunc(e.names.found.Checks, func(c api.NameCheck) bool { return c.Group == g.Name && c.Node == "" })
	switch {
	case g.DNSName == "":
		return api.ProofItem{Section: inGeneral, Sentence: sentence, Verdict: api.Unseen,
			Evidence: []string{"no dns_name is configured, so that the names are not watched; look with nslookup " + g.VirtualAddress.String()}}
	case i < 0:
		return api.ProofItem{Section: inGeneral, Sentence: sentence, Verdict: api.Unseen, Evidence: []string{"the names have not been looked at yet"}}
	}
	c := e.names.found.Checks[i]
	if c.ResolverWrong != "" {
		return api.ProofItem{Section: inGeneral, Sentence: sentence, Verdict: api.Unseen, Evidence: []string{"no name server tells: " + c.ResolverWrong}}
	}
	var wrong []string
	for _, w := range []string{c.ForwardWrong, c.ReverseWrong} {
		if w != "" {
			wrong = append(wrong, w)
		}
	}
	return verdict(inGeneral, sentence, wrong, fmt.Sprintf("%s says: %s is %v, and %s is named %s", c.Resolver, c.Name, c.Forward, c.Address, strings.Join(c.Reverse, ", ")))
}

func provesPorts(g *group) api.ProofItem {
	var wrong []string
	for _, port := range []uint16{5555, 5022} {
		if !slices.Contains(g.Checks.Ports, port) {
			wrong = append(wrong, fmt.Sprintf("port %d is not probed", port))
		}
	}
	var evidence []string
	for _, m := range g.members {
		for _, p := range m.machine.Status().Ports {
			evidence = append(evidence, fmt.Sprintf("%s: port %d %s at %s", m.Name, p.Port, p.Outcome, p.Last.Format(time.TimeOnly)))
		}
	}
	return verdict(failover, "If TCP based monitor is in place, required ports for monitoring are 5555 (for SPOC service) and 5022 (for TS service)", wrong, evidence...)
}

func provesPeriod(g *group) api.ProofItem {
	var wrong []string
	if g.Checks.Interval != 5*time.Second {
		wrong = append(wrong, fmt.Sprintf("the period is %v", g.Checks.Interval))
	}
	if g.Checks.Misses != 3 {
		wrong = append(wrong, fmt.Sprintf("Down after %d", g.Checks.Misses))
	}
	evidence := []string{fmt.Sprintf("configured: every %v, Down after %d unsuccessful attempts in a row", g.Checks.Interval, g.Checks.Misses)}
	for _, m := range g.members {
		for _, port := range g.Checks.Ports {
			if l := m.machine.Probes(port); len(l) > 1 {
				every := l[len(l)-1].Time.Sub(l[0].Time) / time.Duration(len(l)-1)
				evidence = append(evidence, fmt.Sprintf("%s: port %d was probed every %v, on an average of %d", m.Name, port, every.Round(10*time.Millisecond), len(l)))
			}
		}
	}
	return verdict(failover, "monitoring period is 5 seconds with node considered down after 3 unsuccessful attempts", wrong, evidence...)
}

func (e *Engine) provesUpDelay(g *group) api.ProofItem {
	var wrong []string
	evidence := []string{fmt.Sprintf("a node is Up when it has answered for %v without a failure", g.Checks.UpDelay)}
	for _, m := range g.members {
		a := health.Advise(e.starts.starts[m.Address], g.Checks.UpDelay)
		switch {
		case a.Longest > g.Checks.UpDelay:
			wrong = append(wrong, fmt.Sprintf("%s took %v to start: %s", m.Name, a.Longest.Round(time.Second), cmp.Or(a.Text, "set a longer up_delay")))
		case a.Text != "":
			evidence = append(evidence, m.Name+": "+a.Text)
		default:
			evidence = append(evidence, m.Name+": too few starts were measured for a proposal")
		}
	}
	return verdict(failover, "Node shall not be considered up immediately but after defined time which must be based on real time required for Management/Site Server to start", wrong, evidence...)
}

func (e *Engine) provesAffinity(g *group, s *survey) api.ProofItem {
	var wrong []string
	if n := several(s.nodes); n > 0 {
		wrong = append(wrong, fmt.Sprintf("%s have connections to two nodes: those to a node that they were moved from, or a fault", count(n, "MFD")))
	}
	faults := 0
	for _, r := range e.log.Kept() {
		if r.Event.Kind == event.ClientFault {
			faults++
		}
	}
	if faults > 0 {
		wrong = append(wrong, fmt.Sprintf("%s of MFDs that changed nodes for no known reason: spoolctl events tells which", count(faults, "event")))
	}
	return verdict(failover, "it must connect the MFD to the same SPOC/TS service if connection (incl. DNS lookup) attempts are made by the MFD before the configurable timeout elapses", wrong,
		fmt.Sprintf("%s bound; %s of %s now, none to two nodes: %v", count(g.policy.Len(), "MFD"), count(s.connections, "connection"), count(len(s.nodes), "MFD"), several(s.nodes) == 0))
}

func provesWindow(g *group) api.ProofItem {
	var wrong []string
	if g.Affinity < 30*time.Minute {
		wrong = append(wrong, "the window is shorter")
	}
	return verdict(failover, "Affinity needs to be set for a minimum of 30 minutes", wrong, fmt.Sprintf("the window is %v, counted from an MFD's last closed connection", g.Affinity))
}

// provesSpread allows what least connections makes of connections of unlike
// length: a fifth more than the share, or three MFDs.
func provesSpread(g *group) api.ProofItem {
	var wrong, evidence []string
	clients, weights := 0, 0
	for i, n := range g.policy.Nodes() {
		if n.Serving {
			clients += n.Clients
			weights += g.members[i].Weight
		}
	}
	for i, n := range g.policy.Nodes() {
		m := g.members[i]
		evidence = append(evidence, fmt.Sprintf("%s: %s bound, %s, weight %d", m.Name, count(n.Clients, "MFD"), count(n.Open, "open connection"), m.Weight))
		if !n.Serving {
			continue
		}
		share := float64(clients) * float64(m.Weight) / float64(weights)
		if over := float64(n.Clients) - share; over > 3 && over > share/5 {
			wrong = append(wrong, fmt.Sprintf("%s has %d MFDs, its share is %.0f: as after another node was away; new MFDs go to the others until it is even", m.Name, n.Clients, share))
		}
	}
	return verdict(failover, "The load balancer shall distribute requests among SPOC/TS nodes in the Spooler Controller Group uniformly", wrong, evidence...)
}

func provesPassing(g *group) api.ProofItem {
	var wrong []string
	for _, r := range []config.PortRange{{First: 5011, Last: 5025}, {First: 5610, Last: 5610}, {First: 21, Last: 21}} {
		for port := r.First; port <= r.Last; port++ {
			if !slices.ContainsFunc(g.Ports, func(p config.PortRange) bool { return p.Contains(port) }) {
				wrong = append(wrong, fmt.Sprintf("port %d is not passed", port))
			}
		}
	}
	var ports []string
	for _, r := range g.Ports {
		ports = append(ports, r.String())
	}
	return verdict(passed, "5011 through to 5025 ... 5610 ... 21 ... all the ports should be passed to the same node per request window", wrong,
		"passed to the bound node, chosen by least connections: "+strings.Join(ports, ", "))
}

func provesFTP(g *group) api.ProofItem {
	var wrong []string
	if !slices.Contains(g.FTPPorts, 21) {
		wrong = append(wrong, "port 21 is not treated as FTP: data connections do not follow it")
	}
	passive := "the data connections that the server announces follow the control connection to its node"
	if !g.PassivePorts.IsZero() {
		passive += "; with TLS, those to " + g.PassivePorts.String()
	}
	return verdict(ftpNote, "FTP Implementation is PASSIVE FTP and will require port > 1024 to be passed", wrong, passive)
}

func provesSource(g *group, s *survey) api.ProofItem {
	var wrong []string
	if n := several(s.addresses); n > 0 {
		wrong = append(wrong, fmt.Sprintf("%s are seen under two addresses", count(n, "MFD")))
	}
	return verdict(failover, "All inbound communication to SPOC/TS from a single user session (thus from single MFD) must appear under a single source IP address", wrong,
		fmt.Sprintf("%s: nodes see every MFD as %s; addresses per MFD over %s now: %d at most", g.Mode, seen(g), count(s.connections, "connection"), most(s.addresses)))
}

func seen(g *group) string {
	if g.Mode == config.Transparent {
		return "itself"
	}
	return g.VirtualAddress.String()
}

func most[V comparable](of map[netip.Addr]map[V]bool) (n int) {
	for _, seen := range of {
		n = max(n, len(seen))
	}
	return n
}

// provesProbes counts in what was recorded of the last probes.
func (e *Engine) provesProbes(g *group) api.ProofItem {
	var wrong, evidence []string
	for _, m := range g.members {
		flights, _ := e.flights.Flights(m.Address)
		answered, reset := 0, 0
		for _, f := range flights {
			if f.Outcome == api.Open && !f.SYNACK.IsZero() {
				answered++
				if !f.RST.IsZero() {
					reset++
				}
			}
		}
		evidence = append(evidence, fmt.Sprintf("%s: %d of its last %d probes were answered, and %d of these ended by our RST", m.Name, answered, len(flights), reset))
		if reset < answered*99/100 {
			wrong = append(wrong, fmt.Sprintf("%s: %d answered probes have no RST in the record: look with spoolctl pcap %s FILE", m.Name, answered-reset, m.Name))
		}
	}
	return verdict(checked, "Ports required to be monitored using TCP Half Open health check ... must finish connection after SYN - ACK with RST, not with FIN", wrong, evidence...)
}

// provesReports is about the box, and not about one group.
func (e *Engine) provesReports() api.ProofItem {
	r := e.config.Report
	var ways []string
	for name, on := range map[string]bool{"syslog": r.Syslog != nil, "snmp": r.SNMP != nil, "mail": r.Mail != nil, "webhook": r.Webhook != nil, "metrics": r.Metrics != nil} {
		if on {
			ways = append(ways, name)
		}
	}
	slices.Sort(ways)
	var wrong []string
	if len(ways) == 0 {
		wrong = append(wrong, "no reporter is configured: who does not look at the panel or the web UI hears nothing; add [report.mail] or another one")
	}
	return verdict(failover, "The load balancer shall handle monitoring and reporting of the service failures on its own", wrong,
		"told by: "+strings.Join(ways, ", "), fmt.Sprintf("%s open now", count(len(e.book.Open()), "incident")))
}
